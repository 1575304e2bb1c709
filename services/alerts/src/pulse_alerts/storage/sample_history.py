"""Stored readings through ingest's published view, a device at a time and in slices, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from pulse_alerts.domain.alarm import moment, unix_ms
from pulse_alerts.domain.evaluator import AHEAD_MS, LATE_MS
from pulse_alerts.use_cases.ports import LateReadings, Sample
from pulse_chassis.clock import Clock
from pulse_chassis.database import Database

SLICE_MS: Final = 3_600_000
"""An hour of readings is read at once: 3,600 rows of a series at 1 Hz."""
ROWS_AT_ONCE: Final = 5_000
_MS: Final = "floor(extract(epoch from {column}) * 1000)::bigint"
_COLUMNS: Final = (
    f"series_id, {_MS.format(column='recorded_at')} as at_ms, {_MS.format(column='received_at')} as received_ms,"
    " value, whole, flag, text, recorded_at, seq"
)
_LIVE: Final = sa.text(f"""
select {_COLUMNS} from telemetry.sample_data
where series_id = any(cast(:ids as integer[])) and recorded_at >= :start and recorded_at < :end
  and quality = 'good' and received_at - recorded_at <= :late
order by received_at, recorded_at, seq
""")  # noqa: S608 -- our own columns
_RECORDED: Final = sa.text(f"""
select {_COLUMNS} from telemetry.sample_data
where series_id = any(cast(:ids as integer[])) and quality = 'good'
  and recorded_at >= :start and recorded_at <= :end and (recorded_at, series_id, seq) > (:after, :series, :seq)
order by recorded_at, series_id, seq limit :most
""")  # noqa: S608 -- our own columns
_LATE: Final = sa.text(f"""
select {_MS.format(column="received_at")} as received_ms, min(recorded_at) as low, max(recorded_at) as high
from telemetry.sample_data
where series_id = any(cast(:ids as integer[])) and recorded_at >= :start and recorded_at <= :end
  and received_at >= :received and quality = 'good' and received_at - recorded_at > :late
group by 1 order by 1
""")  # noqa: S608 -- our own columns
_ANY_TIME: Final = datetime(9999, 1, 1, tzinfo=UTC)


class PostgresHistory:
    """A `History`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def live(
        self, series: Mapping[str, int], from_ms: int, to_ms: int | None = None
    ) -> AsyncIterator[Sequence[Sample]]:
        """Give what was not late, in the order in which it was received.

        Slices are by recorded time, for which there is an index. A reading that is recorded in one slice may be
        received in the next: it is held back until that one is read.
        """
        names, ids = _names(series), list(series.values())
        held: list[Sample] = []
        for start, end in self._slices(from_ms, to_ms):
            asked = {
                "ids": ids,
                "start": moment(start),
                "end": _ANY_TIME if end is None else moment(end),
                "late": _delta(LATE_MS),
            }
            async with self._database.read() as session:
                held += [_sample(row, names) for row in await session.execute(_LIVE, asked)]
            held.sort(key=_by_reception)
            # A clock may be ahead, but by as little as the evaluator believes it.
            is_ready = [end is None or one.received_ms < end - AHEAD_MS for one in held]
            ready = [one for one, is_one in zip(held, is_ready, strict=True) if is_one]
            held = [one for one, is_one in zip(held, is_ready, strict=True) if not is_one]
            if ready:
                yield ready
        if held:
            yield held

    def _slices(self, from_ms: int, to_ms: int | None) -> list[tuple[int, int | None]]:
        """Return slices; without an end the last one takes all that is newer, also what clocks call tomorrow."""
        last = unix_ms(self._clock.now()) if to_ms is None else to_ms + 1
        starts = list(range(from_ms, max(last, from_ms + 1), SLICE_MS))
        ends: list[int | None] = [*starts[1:], None if to_ms is None else last]
        return list(zip(starts, ends, strict=True))

    async def recorded(self, series: Mapping[str, int], from_ms: int, to_ms: int) -> AsyncIterator[Sequence[Sample]]:
        """Give all readings in the order of their times."""
        names = _names(series)
        asked: dict[str, Any] = {
            "ids": list(series.values()),
            "start": moment(from_ms),
            "end": moment(to_ms + 1),
            "after": moment(from_ms - 1),
            "series": -1,
            "seq": -1,
            "most": ROWS_AT_ONCE,
        }
        while True:
            async with self._database.read() as session:
                rows = (await session.execute(_RECORDED, asked)).all()
            if rows:
                yield [_sample(row, names) for row in rows]
            if len(rows) < ROWS_AT_ONCE:
                return
            last = rows[-1]
            asked |= {"start": last.recorded_at, "after": last.recorded_at, "series": last.series_id, "seq": last.seq}

    async def late(
        self, series: Mapping[str, int], stretch: tuple[int, int | None], received_from_ms: int
    ) -> LateReadings | None:
        """Return what was late in a stretch."""
        asked = {
            "ids": list(series.values()),
            "start": moment(stretch[0]),
            "end": _ANY_TIME if stretch[1] is None else moment(stretch[1] + 1),
            "received": moment(received_from_ms),
            "late": _delta(LATE_MS),
        }
        async with self._database.read() as session:
            rows = (await session.execute(_LATE, asked)).all()
        if not rows:
            return None
        low, high = min(row.low for row in rows), max(row.high for row in rows)
        return LateReadings(unix_ms(low), unix_ms(high), [row.received_ms for row in rows])


def _names(series: Mapping[str, int]) -> dict[int, str]:
    return {series_id: metric for metric, series_id in series.items()}


def _sample(row: sa.Row[Any], names: Mapping[int, str]) -> Sample:
    if row.text is not None:
        value = row.text
    elif row.flag is not None:
        value = row.flag
    else:
        value = row.value if row.whole is None else row.whole
    return Sample(names[row.series_id], row.at_ms, row.received_ms, value)


def _by_reception(sample: Sample) -> tuple[int, int, str]:
    return (sample.received_ms, sample.at_ms, sample.metric)


def _delta(milliseconds: int) -> Any:
    return moment(milliseconds) - moment(0)
