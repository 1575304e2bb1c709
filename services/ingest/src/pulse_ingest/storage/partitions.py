"""The partitions of `telemetry.sample`: one a day, made ahead, dropped by age; the default one is always there.

Made in a way that never stops ingest for long: a partition's rows that sit in the default one are moved first, in the
same transaction; every lock is given up after two seconds and tried again at the next round.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pulse_ingest.storage.postgres_errors import verdicts

if TYPE_CHECKING:
    from pulse_ingest.storage.postgres_link import Connection, Pool

_PREFIX: Final = "sample_day_"
_LOCK_KEY: Final = "telemetry.partitions"
_EXISTING: Final = """
select c.relname from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'telemetry.sample'::regclass
"""
_DELETE_BY_AGE: Final = (
    ("sample_default", "received_at"),
    ("rejected", "last_at"),
    ("offline_period", "ended_at"),
)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What one round did."""

    created: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    deleted_rows: int = 0


class Partitions:
    """Keeps the partitions. Safe in several workers at once: one works, the others skip their round."""

    def __init__(self, pool: Pool, *, retention: timedelta, ahead_days: int, behind_days: int) -> None:
        self._pool = pool
        self._retention = retention
        self._ahead = ahead_days
        self._behind = behind_days

    async def tend(self, now: datetime) -> Upkeep:
        """Create what will be needed and drop what is too old. Raises DeferredError."""
        with verdicts():
            async with self._pool.acquire() as connection:
                has_lock = "select pg_try_advisory_lock(hashtextextended($1, 0))"
                if not await connection.fetchval(has_lock, _LOCK_KEY):
                    return Upkeep()
                try:
                    return await self._tend(connection, now)
                finally:
                    await connection.execute("select pg_advisory_unlock(hashtextextended($1, 0))", _LOCK_KEY)

    async def _tend(self, connection: Connection, now: datetime) -> Upkeep:
        existing = {record[0] for record in await connection.fetch(_EXISTING)}
        if "sample_default" not in existing:
            await connection.execute("create table if not exists telemetry.sample_default (like telemetry.sample)")
            await connection.execute("alter table telemetry.sample attach partition telemetry.sample_default default")
        today = now.astimezone(UTC).date()
        oldest = (now - self._retention).astimezone(UTC).date()
        created = []
        for offset in range(-self._behind, self._ahead + 1):
            day = today + timedelta(days=offset)
            if day >= oldest and _name(day) not in existing:
                await _create(connection, day)
                created.append(_name(day))
        dropped = [name for name in sorted(existing) if name.startswith(_PREFIX) and _day(name) < oldest]
        for name in dropped:
            async with connection.transaction():
                await connection.execute("set local lock_timeout = '2s'")
                await connection.execute(f"drop table telemetry.{name}")
        return Upkeep(tuple(created), tuple(dropped), await self._delete_old(connection, now - self._retention))

    async def _delete_old(self, connection: Connection, before: datetime) -> int:
        deleted = 0
        for table, column in _DELETE_BY_AGE:
            # In small pieces, so that no transaction holds anything for long.
            statement = (
                f"delete from telemetry.{table} where ctid in "  # noqa: S608 -- names from the table above
                f"(select ctid from telemetry.{table} where {column} < $1 limit 10000)"
            )
            count = 10_000
            while count == 10_000:
                status = await connection.execute(statement, before)
                count = int(status.rsplit(" ", 1)[1])
                deleted += count
        return deleted


async def _create(connection: Connection, day: date) -> None:
    name, low, high = _name(day), day.isoformat(), (day + timedelta(days=1)).isoformat()
    within = f"recorded_at >= '{low} 00:00+00' and recorded_at < '{high} 00:00+00'"
    async with connection.transaction():
        await connection.execute("set local lock_timeout = '2s'")
        # Nothing may enter the default partition between the move and the attachment.
        await connection.execute("lock table telemetry.sample_default in share row exclusive mode")
        await connection.execute(f"create table telemetry.{name} (like telemetry.sample)")
        await connection.execute(f"alter table telemetry.{name} add constraint {name}_range check ({within})")
        await connection.execute(
            f"with moved as (delete from telemetry.sample_default where {within} returning *) "  # noqa: S608 -- ours
            f"insert into telemetry.{name} select * from moved"
        )
        await connection.execute(
            f"alter table telemetry.sample attach partition telemetry.{name} "
            f"for values from ('{low} 00:00+00') to ('{high} 00:00+00')"
        )
        await connection.execute(f"alter table telemetry.{name} drop constraint {name}_range")


def _name(day: date) -> str:
    return f"{_PREFIX}{day:%Y%m%d}"


def _day(name: str) -> date:
    return datetime.strptime(name.removeprefix(_PREFIX), "%Y%m%d").replace(tzinfo=UTC).date()
