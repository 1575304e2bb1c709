"""What is older than its series' rule is removed: readings, minutes and hours, each kind by itself.

A partition is dropped when all series have expired up to its end; otherwise rows go in pieces, series by series, and
`series_floor` moves with them in the same statement. A piece is removed only where no roll-up waits for it (no marks, in
the snapshot of that statement), and under the turn of the roll-ups: what a roll-up has not counted is never removed, and
what arrives below the floor afterwards is folded in (see `rollups`). Coarser data is kept at least as long as finer.

What goes is counted in `retention_tally` by the same statement, so that the audit log hears of it also when this process
ends in between.

A lock on the tables that ingest writes to is given up after half a second; then the partition waits for the next round.
The ledger is not touched: a removed row that is sent again is known there, and does not come back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import asyncpg

from pulse_ingest.storage.partitions import turn_of
from pulse_ingest.storage.rollups import TURN

if TYPE_CHECKING:
    from pulse_ingest.storage.postgres_link import Connection, Pool

PIECE_ROWS: Final = 10_000
STEP_SECONDS: Final = 1.0
"""Work of one step; then the roll-ups may have their turn."""
SERIES_AT_ONCE: Final = 200
PARTITION: Final = "partition "
"""What the names of partitions begin with in the tally."""

_UNITS: Final = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_BOUNDS: Final = """
select c.relname, substring(pg_get_expr(c.relpartbound, c.oid) from 'FROM \\(''([^'']+)''\\)')::timestamptz as low,
       substring(pg_get_expr(c.relpartbound, c.oid) from 'TO \\(''([^'']+)''\\)')::timestamptz as high
from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = $1::text::regclass and pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'
order by 2
"""


@dataclass(frozen=True, slots=True)
class Level:
    """One kind of data that has a retention of its own."""

    name: str
    table: str
    column: str
    days: str
    floor: str
    finer: str | None
    """The floor which this one never passes: what is finer goes first."""
    rounded_to: str
    """Pieces of a series end at one of these: no bucket of the next coarser kind is cut in two."""


RAW: Final = Level("readings", "sample", "recorded_at", "raw_days", "raw_from", None, "minute")
MINUTE: Final = Level("minutes", "rollup_minute", "bucket", "minute_days", "minute_from", "raw_from", "hour")
HOUR: Final = Level("hours", "rollup_hour", "bucket", "hour_days", "hour_from", "minute_from", "day")
LEVELS: Final = (RAW, MINUTE, HOUR)


@dataclass(slots=True)
class Sweep:
    """What one step removed, and whether more is waiting."""

    rows: dict[str, int] = field(default_factory=lambda: {level.name: 0 for level in LEVELS})
    partitions: list[str] = field(default_factory=list)
    is_behind: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing was removed."""
        return not self.partitions and not any(self.rows.values())


@dataclass(frozen=True, slots=True)
class _Due:
    series_id: int
    floor: datetime | None
    until: datetime


@dataclass(frozen=True, slots=True)
class _Interval:
    """What one partition holds, or (without a name) what lies between two and is in the default one."""

    low: datetime | None
    high: datetime
    partition: str | None


def _within(column: str, low: datetime | None, high: datetime) -> str:
    below = f"{column} < '{high.isoformat()}'"
    return below if low is None else f"{column} >= '{low.isoformat()}' and {below}"


def _due_statement(level: Level) -> str:
    rule = """
        select r.* from telemetry.retention_rule r
        where (r.device_id is null or r.device_id = s.client_id) and (r.metric is null or r.metric = s.metric_key)
        order by r.device_id is null, r.metric is null limit 1
    """
    cutoff = f"date_trunc('day', $1::timestamptz, 'UTC') - r.{level.days} * interval '24 hours'"
    if level.finer is not None:
        # No further than what is finer has gone; not at all while nothing of that has gone.
        gone = f"date_trunc('{level.rounded_to}', f.{level.finer}, 'UTC')"
        cutoff = f"case when f.{level.finer} is not null then least({cutoff}, {gone}) end"
    return f"""
        select id, floor, until from (
            select s.id, f.{level.floor} as floor, case when r.{level.days} is not null then {cutoff} end as until
            from telemetry.series s left join telemetry.series_floor f on f.series_id = s.id
            left join lateral ({rule}) as r on true
        ) as judged order by id
    """  # noqa: S608 -- names of our own


def _marked(level: Level, low: datetime | None, high: datetime) -> str:
    """Series that have something in the range which a roll-up does not know yet."""
    minutes = f"select series_id from telemetry.rollup_mark where {_within('bucket', low, high)}"  # noqa: S608
    if level is RAW:
        return minutes
    hours = f"select series_id from telemetry.rollup_hour_mark where {_within('bucket', low, high)}"  # noqa: S608
    return f"{minutes} union {hours}"


def _removal(level: Level, low: datetime | None, high: datetime) -> str:
    return f"""
        with due as materialized (
            select d.series_id from unnest($1::int[]) as d (series_id)
            where d.series_id not in ({_marked(level, low, high)})
        ), gone as (
            delete from telemetry.{level.table} t using due d
            where t.series_id = d.series_id and {_within("t." + level.column, low, high)} returning 1
        ), floors as (
            insert into telemetry.series_floor as f (series_id, {level.floor})
            select series_id, '{high.isoformat()}' from due
            on conflict (series_id) do update set {level.floor} = excluded.{level.floor}
        ), tally as (
            insert into telemetry.retention_tally as t (what, removed)
            select '{level.name}', count(*) from gone having count(*) > 0
            on conflict (what) do update set removed = t.removed + excluded.removed
        )
        select (select count(*) from gone), array(select series_id from due)
    """  # noqa: S608 -- names of our own


class RetentionSweep:
    """Removes what has expired. Safe in several workers at once: one works, the others skip their turn."""

    def __init__(self, pool: Pool, *, rest: float = 2.0) -> None:
        self._pool = pool
        self._rest = rest

    async def step(self, now: datetime) -> Sweep:
        """Work for about a second. Raises DeferredError."""
        done = Sweep()
        async with turn_of(self._pool, TURN) as connection:
            if connection is None:
                done.is_behind = True
                return done
            # What is gone is gone for good, so both clocks must say that it is old: one may have been set wrong.
            now = min(now, await connection.fetchval("select now()"))
            deadline = time.monotonic() + STEP_SECONDS
            for level in LEVELS:
                await _Step(connection, level, now, done, deadline, self._rest).run()
        return done


@dataclass(slots=True)
class _Step:
    connection: Connection
    level: Level
    now: datetime
    done: Sweep
    deadline: float
    rest: float
    blocked: set[int] = field(default_factory=set)
    """Series of which something waits for its roll-up: not touched any further in this step."""

    async def run(self) -> None:
        records = await self.connection.fetch(_due_statement(self.level), self.now)
        due = [
            _Due(series_id, floor, until)
            for series_id, floor, until in records
            if until is not None and (floor is None or floor < until)
        ]
        if not due:
            return
        # A partition goes as a whole below the least that any series has expired to.
        all_expired = None
        if all(until is not None for _, _, until in records):
            all_expired = min(until for _, _, until in records)
        reached = {series.series_id: series.floor for series in due}
        for interval in await self._intervals(max(series.until for series in due)):
            wanting = [
                series
                for series in due
                if series.series_id not in self.blocked
                and _starts_before(interval, series.until)
                and _is_below(reached[series.series_id], interval.high)
            ]
            if not wanting:
                continue
            if interval.partition and all_expired and interval.high <= all_expired and not self.blocked:
                if not await self._drop(interval):
                    return  # nothing above it either: floors rise without leaving anything behind
                reached.update(dict.fromkeys(reached, interval.high))
                continue
            for until, group in _by_target(wanting, interval):
                if not await self._remove(group, reached, interval.low, until):
                    self.done.is_behind = True
                    return

    async def _intervals(self, until: datetime) -> list[_Interval]:
        found: list[_Interval] = []
        edge: datetime | None = None
        bounds = [] if self.level is HOUR else await self.connection.fetch(_BOUNDS, f"telemetry.{self.level.table}")
        for name, low, high in bounds:
            if edge is None or low > edge:
                found.append(_Interval(edge, low, None))
            found.append(_Interval(low, high, name))
            edge = high
        if edge is None or edge < until:
            found.append(_Interval(edge, until, None))
        return [interval for interval in found if interval.low is None or interval.low < until]

    async def _drop(self, interval: _Interval) -> bool:
        """Drop a partition, unless something in it waits for its roll-up or somebody holds it."""
        table, floor = self.level.table, self.level.floor
        try:
            async with self.connection.transaction():
                await self.connection.execute("set local lock_timeout = '500ms'")
                # The parent first, as every writer does. From here on nobody has a mark that we do not see.
                await self.connection.execute(f"lock table only telemetry.{table} in access exclusive mode")
                marked = _marked(self.level, None, interval.high)
                if await self.connection.fetchval(f"select exists ({marked})"):
                    return False
                await self.connection.execute(f"drop table telemetry.{interval.partition}")
                await self.connection.execute(
                    f"insert into telemetry.series_floor as f (series_id, {floor}) "  # noqa: S608 -- names of our own
                    f"select id, $1 from telemetry.series on conflict (series_id) "
                    f"do update set {floor} = greatest(f.{floor}, excluded.{floor})",
                    interval.high,
                )
                await self.connection.execute(
                    "insert into telemetry.retention_tally values ($1, 0)", PARTITION + str(interval.partition)
                )
        except asyncpg.LockNotAvailableError:
            return False
        assert interval.partition is not None  # noqa: S101 -- asked for before
        self.done.partitions.append(interval.partition)
        return True

    async def _remove(
        self, group: Sequence[_Due], reached: dict[int, datetime | None], low: datetime | None, high: datetime
    ) -> bool:
        """Remove what these series have in the range; False when the step is over before the work is."""
        for start in range(0, len(group), SERIES_AT_ONCE):
            ids = [series.series_id for series in group[start : start + SERIES_AT_ONCE]]
            for some, is_large in await self._portions(ids, low, high):
                if time.monotonic() > self.deadline:
                    return False
                if not is_large:
                    await self._remove_piece(some, reached, low, high)
                    continue
                while _is_below(reached[some[0]], high) and some[0] not in self.blocked:
                    edge = await self._edge(some[0], reached[some[0]], low, high)
                    await self._remove_piece(some, reached, _later(low, reached[some[0]]), edge)
                    if time.monotonic() > self.deadline:
                        return False
        return True

    async def _portions(self, ids: Sequence[int], low: datetime | None, high: datetime) -> list[tuple[list[int], bool]]:
        """Put series together until they make a piece; one that is larger than that stays alone."""
        within = _within("t." + self.level.column, low, high)
        counts = await self.connection.fetch(
            "select d.series_id, (select count(*) from (select from "  # noqa: S608 -- names of our own
            f"telemetry.{self.level.table} t where t.series_id = d.series_id and {within} limit {PIECE_ROWS + 1}) as few) "
            "from unnest($1::int[]) as d (series_id)",
            ids,
        )
        portions: list[tuple[list[int], bool]] = []
        small: list[int] = []
        rows = 0
        for series_id, count in counts:
            if count > PIECE_ROWS:
                portions.append(([series_id], True))
                continue
            small.append(series_id)
            rows += count
            if rows >= PIECE_ROWS:
                portions.append((small, False))
                small, rows = [], 0
        return [*portions, (small, False)] if small else portions

    async def _edge(self, series_id: int, reached: datetime | None, low: datetime | None, high: datetime) -> datetime:
        """Return where a piece of a large series may end: whole minutes, hours or days of it, about ten thousand rows."""
        column, unit = self.level.column, self.level.rounded_to
        within = _within(column, _later(low, reached), high)
        nth = f"select {column} from telemetry.{self.level.table} where series_id = $1 and {within} order by {column}"  # noqa: S608
        first = await self.connection.fetchval(f"{nth} limit 1", series_id)
        far = await self.connection.fetchval(f"{nth} offset {PIECE_ROWS} limit 1", series_id)
        if first is None or far is None:
            return high
        return min(high, max(_truncated(far, unit), _truncated(first, unit) + _UNITS[unit]))

    async def _remove_piece(
        self, ids: Sequence[int], reached: dict[int, datetime | None], low: datetime | None, high: datetime
    ) -> None:
        began = time.monotonic()
        record = await self.connection.fetchrow(_removal(self.level, low, high), ids)
        assert record is not None  # noqa: S101 -- a select without from
        count, removed = record
        self.done.rows[self.level.name] += count
        self.blocked.update(set(ids).difference(removed))
        reached.update(dict.fromkeys(removed, high))
        await asyncio.sleep((time.monotonic() - began) * self.rest)


def _by_target(wanting: Sequence[_Due], interval: _Interval) -> Iterator[tuple[datetime, list[_Due]]]:
    targets: dict[datetime, list[_Due]] = {}
    for series in wanting:
        targets.setdefault(min(series.until, interval.high), []).append(series)
    yield from sorted(targets.items())


def _starts_before(interval: _Interval, moment: datetime) -> bool:
    return interval.low is None or interval.low < moment


def _is_below(floor: datetime | None, moment: datetime) -> bool:
    return floor is None or floor < moment


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)


def _truncated(moment: datetime, unit: str) -> datetime:
    cut = moment.astimezone(UTC).replace(second=0, microsecond=0)
    if unit in ("hour", "day"):
        cut = cut.replace(minute=0)
    return cut.replace(hour=0) if unit == "day" else cut
