"""The partitions of `telemetry.sample`: one a day, made ahead (see `retention_sweep` for their end); one takes the rest.

Made in a way that never stops ingest for long: a partition's rows that sit in the default one are moved first, in the
same transaction; every lock is given up after two seconds and tried again at the next round.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pulse_ingest.storage.postgres_errors import verdicts

if TYPE_CHECKING:
    from pulse_ingest.storage.postgres_link import Connection, Pool

_PREFIX: Final = "sample_day_"
_LOCK_KEY: Final = "telemetry.partitions"
_PIECE_ROWS: Final = 10_000
_EXISTING: Final = """
select c.relname from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where i.inhparent = $1::text::regclass
"""
_IS_GONE: Final = """
select count(*) filter (where f.raw_from >= $1) = count(*) and count(*) > 0
from telemetry.series s left join telemetry.series_floor f on f.series_id = s.id
"""
_DELETE_BY_AGE: Final = (
    ("rejected", "last_at"),
    ("offline_period", "ended_at"),
)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What one round did."""

    created: tuple[str, ...] = ()
    deleted_rows: int = 0


class Partitions:
    """Keeps the partitions. Safe in several workers at once: one works, the others skip their round."""

    def __init__(self, pool: Pool, *, records_kept: timedelta, ahead_days: int, behind_days: int) -> None:
        self._pool = pool
        self._records_kept = records_kept
        self._ahead = ahead_days
        self._behind = behind_days

    async def tend(self, now: datetime) -> Upkeep:
        """Create what will be needed; delete old refusals and offline periods. Raises DeferredError."""
        async with turn_of(self._pool, _LOCK_KEY) as connection:
            return Upkeep() if connection is None else await self._tend(connection, now)

    async def _tend(self, connection: Connection, now: datetime) -> Upkeep:
        existing = await partitions_of(connection, "sample")
        if "sample_default" not in existing:
            await connection.execute("create table if not exists telemetry.sample_default (like telemetry.sample)")
            await connection.execute("alter table telemetry.sample attach partition telemetry.sample_default default")
        today = now.astimezone(UTC).date()
        created = []
        for offset in range(-self._behind, self._ahead + 1):
            day = today + timedelta(days=offset)
            if _name(day) not in existing and not await self._is_gone(connection, day):
                await create_partition(connection, _partition(day))
                created.append(_name(day))
        # Deleted is only what is old by both clocks: one may have been set wrong.
        sure = min(now, await connection.fetchval("select now()"))
        return Upkeep(tuple(created), await self._delete_old(connection, sure - self._records_kept))

    async def _is_gone(self, connection: Connection, day: date) -> bool:
        """Tell whether retention has dropped the day: what still comes for it is folded into its minutes and goes."""
        next_day = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        return bool(await connection.fetchval(_IS_GONE, next_day))

    async def _delete_old(self, connection: Connection, before: datetime) -> int:
        return sum([await delete_before(connection, table, column, before) for table, column in _DELETE_BY_AGE])


@asynccontextmanager
async def turn_of(pool: Pool, name: str) -> AsyncIterator[Connection | None]:
    """Give a connection to the one worker whose turn it is, None to the others. Raises DeferredError."""
    with verdicts():
        async with pool.acquire() as connection:
            if not await connection.fetchval("select pg_try_advisory_lock(hashtextextended($1, 0))", name):
                yield None
                return
            try:
                yield connection
            finally:
                await connection.execute("select pg_advisory_unlock(hashtextextended($1, 0))", name)


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition of `telemetry.<table>` by `column`, from one day (UTC, included) to another (excluded)."""

    table: str
    column: str
    name: str
    low: date
    high: date


async def partitions_of(connection: Connection, table: str) -> set[str]:
    """Return the names of a table's partitions."""
    return {record[0] for record in await connection.fetch(_EXISTING, f"telemetry.{table}")}


async def create_partition(connection: Connection, partition: Partition) -> None:
    """Make a partition, and move into it what sits in the default one."""
    table, name = partition.table, partition.name
    low, high = (f"'{day.isoformat()} 00:00+00'" for day in (partition.low, partition.high))
    within = f"{partition.column} >= {low} and {partition.column} < {high}"
    async with connection.transaction():
        await connection.execute("set local lock_timeout = '2s'")
        # Nothing may enter the default partition between the move and the attachment.
        await connection.execute(f"lock table telemetry.{table}_default in share row exclusive mode")
        await connection.execute(f"create table telemetry.{name} (like telemetry.{table})")
        await connection.execute(f"alter table telemetry.{name} add constraint {name}_range check ({within})")
        await connection.execute(
            f"with moved as (delete from telemetry.{table}_default where {within} returning *) "  # noqa: S608 -- ours
            f"insert into telemetry.{name} select * from moved"
        )
        await connection.execute(
            f"alter table telemetry.{table} attach partition telemetry.{name} for values from ({low}) to ({high})"
        )
        await connection.execute(f"alter table telemetry.{name} drop constraint {name}_range")


async def delete_before(connection: Connection, table: str, column: str, before: datetime) -> int:
    """Delete the rows of `telemetry.<table>` that are older, in small pieces, so that nothing is held for long."""
    statement = (
        f"delete from telemetry.{table} where ctid in "  # noqa: S608 -- names of our own
        f"(select ctid from telemetry.{table} where {column} < $1 limit {_PIECE_ROWS})"
    )
    deleted, count = 0, _PIECE_ROWS
    while count == _PIECE_ROWS:
        status = await connection.execute(statement, before)
        count = int(status.rsplit(" ", 1)[1])
        deleted += count
    return deleted


def _partition(day: date) -> Partition:
    return Partition("sample", "recorded_at", _name(day), day, day + timedelta(days=1))


def _name(day: date) -> str:
    return f"{_PREFIX}{day:%Y%m%d}"
