"""Pages of stored readings by keyset: a page at any depth costs what its rows cost.

Each series is read by its own index (series, time, sequence), at most a page of it, and the results are merged. Order
is by time, then sequence, then series, which is total, so nothing is skipped or told twice between pages.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

from pulse_gateway.domain.history import (
    MAX_ROWS_MERGED,
    HistoryPage,
    HistoryQuery,
    Place,
    StoredReading,
    TooManySeriesError,
)
from pulse_gateway.storage.pool import ReadPool

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)
_FAR_AHEAD: Final = datetime(9999, 12, 31, tzinfo=UTC)

_SERIES: Final = """
select series_id, client_id, metric_key from telemetry.series_index
where client_id = any($1) and ($2::text[] is null or metric_key = any($2::text[]))
"""
_PAGE: Final = """
select p.series_id, p.recorded_at, p.seq, p.epoch, p.value, p.whole, p.flag, p.text, p.quality, p.received_at
from unnest($1::int[]) as wanted(series_id)
cross join lateral (
    select d.series_id, d.recorded_at, d.seq, d.epoch, d.value, d.whole, d.flag, d.text, d.quality, d.received_at
    from telemetry.sample_data d
    where d.series_id = wanted.series_id
      and d.recorded_at >= $2 and d.recorded_at < $3
      {after}
    order by d.recorded_at {direction}, d.seq {direction}
    limit $4
) as p
order by p.recorded_at {direction}, p.seq {direction}, p.series_id {direction}
limit $4
"""
_AFTER: Final = """
      and (d.recorded_at, d.seq) {sign}= ($5, $6)
      and ((d.recorded_at, d.seq) {sign} ($5, $6) or d.series_id {sign} $7)
"""


class PostgresHistoryReader:
    """Implements `HistoryReader`."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    async def read_page(self, query: HistoryQuery) -> HistoryPage:
        """Return one page; one row more than asked for tells whether there is another. Raises TooManySeriesError."""
        async with self._pool.connection() as connection:
            found = await connection.fetch(
                _SERIES, list(query.device_ids), None if query.metrics is None else list(query.metrics)
            )
            names = {row["series_id"]: (row["client_id"], row["metric_key"]) for row in found}
            if len(names) * query.limit > MAX_ROWS_MERGED:
                raise TooManySeriesError(len(names))
            rows = await connection.fetch(_statement(query), *_arguments(query, list(names))) if names else []
        page = rows[: query.limit]
        has_more = len(rows) > query.limit
        return HistoryPage(
            tuple(_reading(row, *names[row["series_id"]]) for row in page),
            _place(page[-1]) if has_more else None,
        )


def _statement(query: HistoryQuery) -> str:
    direction, sign = ("asc", ">") if query.order == "asc" else ("desc", "<")
    after = "" if query.after is None else _AFTER.format(sign=sign)
    return _PAGE.format(direction=direction, after=after)


def _arguments(query: HistoryQuery, series: list[int]) -> list[object]:
    start, end = query.start or _LONG_AGO, query.end or _FAR_AHEAD
    if query.after is None:
        return [series, start, end, query.limit + 1]
    moment = _clamped(query.after.recorded_at_us)
    # Said twice, because partitions are pruned by the plain comparison only.
    if query.order == "asc":
        start = max(start, moment)
    else:
        end = min(end, moment + _MICROSECOND)
    return [series, start, end, query.limit + 1, moment, query.after.sequence_no, query.after.series_id]


def _clamped(recorded_at_us: int) -> datetime:
    try:
        return _EPOCH + recorded_at_us * _MICROSECOND
    except OverflowError:
        return _FAR_AHEAD if recorded_at_us > 0 else _LONG_AGO


def _place(row: asyncpg.Record) -> Place:
    return Place((row["recorded_at"] - _EPOCH) // _MICROSECOND, row["seq"], row["series_id"])


def _reading(row: asyncpg.Record, device_id: str, metric: str) -> StoredReading:
    value = next((row[name] for name in ("whole", "value", "flag", "text") if row[name] is not None), "")
    return StoredReading(
        device_id=device_id,
        metric=metric,
        recorded_at=row["recorded_at"],
        received_at=row["received_at"],
        value=value,
        quality=row["quality"],
        epoch=row["epoch"],
        sequence_no=row["seq"],
    )
