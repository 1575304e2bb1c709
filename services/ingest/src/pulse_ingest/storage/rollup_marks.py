"""Which minutes hold readings that their roll-up may not know: marked in the transaction that stores the readings.

A minute of a series is marked once and then remembered, so that a batch of the minute that runs costs a look-up for each
of its series. What is remembered ends with the generation under which it was marked (see `rollups`), except for the
minutes that no one rolls up yet. Nothing is remembered of a transaction that may not have committed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pulse_ingest.storage.array_text import whole_array
from pulse_ingest.storage.times import to_us

if TYPE_CHECKING:
    from pulse_ingest.storage.postgres_link import Connection
    from pulse_ingest.storage.sample_rows import SeriesRows

MINUTE_US: Final = 60_000_000
OPEN_MINUTES: Final = 15
"""So many minutes from `closed_before` on stay marked whatever the generation: those that now and clocks ahead write to."""
ENTRY: Final = (
    "select generation, (extract(epoch from closed_before) / 60)::bigint as first_open from telemetry.rollup_enter()"
)
"""Joins the generation that marks now: the roll-ups take none of its marks before the transaction has ended."""
_MARK: Final = """
insert into telemetry.rollup_mark (series_id, bucket, generation)
select n.series_id,
       timestamptz 'epoch' + make_interval(hours => (n.minute / 60)::int, mins => (n.minute % 60)::int), $3
from unnest($1::text::int[], $2::text::bigint[]) as n (series_id, minute)
on conflict do nothing
"""
_EARLIEST: Final = to_us(datetime(2, 1, 1, tzinfo=UTC)) // MINUTE_US
_LATEST: Final = to_us(datetime(9999, 1, 1, tzinfo=UTC)) // MINUTE_US
"""Readings beyond these are kept, but not rolled up: nobody's calendar reaches there."""
_NONE: Final[frozenset[int]] = frozenset()


class RollupMarks:
    """The marks of one store: `enter`, then `mark` in the same transaction, then `keep` once it has committed."""

    def __init__(self) -> None:
        self._generation = -1
        self._first_open = 0
        self._known: dict[int, set[int]] = {}
        self._new: list[tuple[int, int]] = []

    async def enter(self, connection: Connection) -> None:
        """Join by a statement of its own."""
        record = await connection.fetchrow(ENTRY)
        assert record is not None  # noqa: S101 -- a function that returns a row
        self.entered(*record)

    def entered(self, generation: int, first_open: int) -> None:
        """Note what `ENTRY` gave."""
        if generation != self._generation:
            # Open from then until now, so that no round in between has taken its marks.
            end = self._first_open + OPEN_MINUTES
            self._known = {minute: series for minute, series in self._known.items() if first_open <= minute < end}
            self._generation, self._first_open = generation, first_open

    async def mark(self, connection: Connection, groups: SeriesRows) -> None:
        """Mark the minutes of these rows, each series' being in order of time."""
        self._new = self._unknown(groups)
        if self._new:
            series, minutes = zip(*self._new, strict=True)
            await connection.execute(_MARK, whole_array(series), whole_array(minutes), self._generation)

    def keep(self) -> None:
        """Remember what `mark` wrote."""
        for series_id, minute in self._new:
            self._known.setdefault(minute, set()).add(series_id)
        self._new = []

    def _unknown(self, groups: SeriesRows) -> list[tuple[int, int]]:
        """Return (series, minute since 1970) of what is not marked, in the order in which every writer marks."""
        known, found = self._known, []
        for series_id, rows in groups.items():
            minute, last = rows[0][0] // MINUTE_US, rows[-1][0] // MINUTE_US
            if minute == last:
                if series_id not in known.get(minute, _NONE):
                    found.append((series_id, minute))
                continue
            found += [
                (series_id, minute)
                for minute in {row[0] // MINUTE_US for row in rows}
                if series_id not in known.get(minute, _NONE)
            ]
        return sorted(pair for pair in found if _EARLIEST <= pair[1] < _LATEST)
