"""Sampling on a timer: a fixed rate without drift, missed beats skipped, the interval changeable while running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from pulse_agent.domain.reading import Value
from pulse_agent.sources.source import Emit
from pulse_chassis.clock import Clock

SHORTEST_INTERVAL: Final = 0.01
Sample = Callable[[], Mapping[str, Value]]


class TimedSource:
    """Calls `sample` every `interval` seconds. `sample` must be quick: it runs on the event loop."""

    def __init__(self, name: str, sample: Sample, interval: float, clock: Clock) -> None:
        self._name = name
        self._sample = sample
        self._interval = max(SHORTEST_INTERVAL, interval)
        self._clock = clock
        self._changed = asyncio.Event()

    @property
    def name(self) -> str:
        """Name of the source and of its channel."""
        return self._name

    def change_interval(self, seconds: float) -> None:
        """Sample every `seconds` from now on."""
        self._interval = max(SHORTEST_INTERVAL, seconds)
        self._changed.set()

    async def run(self, emit: Emit, stop: asyncio.Event) -> None:
        """Sample until `stop`."""
        due = self._clock.monotonic()
        while not stop.is_set():
            metrics = self._sample()
            if metrics:
                await emit(metrics)
            now = self._clock.monotonic()
            missed = max(0, int((now - due) / self._interval))
            due += (missed + 1) * self._interval
            if await self._wait(due - now, stop):
                due = self._clock.monotonic()

    async def _wait(self, seconds: float, stop: asyncio.Event) -> bool:
        """Wait for the next beat; True when the interval was changed meanwhile."""
        self._changed.clear()
        tasks = [
            asyncio.ensure_future(self._clock.sleep(seconds)),
            asyncio.ensure_future(stop.wait()),
            asyncio.ensure_future(self._changed.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        return self._changed.is_set()
