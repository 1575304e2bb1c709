"""What history and exports need from outside: roles, not technologies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from pulse_gateway.domain.aggregates import Aggregate, Part
from pulse_gateway.domain.interval import Slots
from pulse_gateway.domain.rollup_plan import RollupState, Segment
from pulse_gateway.domain.series_query import Series
from pulse_gateway.domain.thinning import Extremes

Plans = Mapping[int, Sequence[Segment]]
"""What is read of each series, by its number."""


class SeriesSnapshot(Protocol):
    """Stored readings and their roll-ups as they were at one moment. Everything raises UnavailableError."""

    async def series(self, device_ids: Sequence[str], metrics: Sequence[str] | None) -> Sequence[Series]:
        """Return the series of these devices, of all metrics for None, by device and metric."""
        ...

    async def rollups(self, series: Sequence[Series], start_us: int, end_us: int) -> Mapping[int, RollupState]:
        """Return the state of the roll-ups of each series in a range."""
        ...

    async def count(self, plans: Plans, limit: int) -> Mapping[int, int]:
        """Return the number of readings of each series; of raw segments no more than `limit` are counted in all."""
        ...

    async def parts(
        self, plans: Mapping[Series, Sequence[Segment]], slots: Slots, aggregates: Sequence[Aggregate]
    ) -> Mapping[int, Iterable[tuple[int, Part]]]:
        """Return for each series what its segments say of each slot, with a moment in that slot."""
        ...

    async def extremes(self, plans: Plans, steps_us: Mapping[int, int]) -> Mapping[int, Extremes]:
        """Return for each series its extremes, raw ones in steps of this length; 0: every reading."""
        ...


class SeriesReader(Protocol):
    """Gives snapshots."""

    def snapshot(self) -> AbstractAsyncContextManager[SeriesSnapshot]:
        """Begin one. Raises UnavailableError, also for a question that takes too long."""
        ...
