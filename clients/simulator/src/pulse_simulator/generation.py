"""The beat of a simulated device: when it measures, and what.

What it guarantees: a rate without drift, a phase of its own so that a fleet does not speak in chorus, moments in
microseconds that never repeat for one device, missed beats skipped rather than bunched. It hands readings over
synchronously and never waits for what becomes of them.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pulse_simulator.waveforms import Reading, Waveform

_JITTER_SHARE: Final = 0.4
"""With jitter a beat may be early or late by this share of the period: readings never overtake one another."""

Emit = Callable[[int, Reading], None]
"""Takes recorded_at in microseconds, and the metrics."""


@dataclass(slots=True)
class Generator:
    """Measures `rate_hz` times a second until it is cancelled."""

    device: str
    rate_hz: float
    seed: int = 0
    has_jitter: bool = False
    generated: int = 0
    skipped: int = 0
    """Beats that were missed because this process or machine was too slow."""
    _last_us: int = field(default=0, init=False)

    async def run(self, emit: Emit) -> None:
        """Call `emit` for each reading."""
        loop = asyncio.get_running_loop()
        chance = random.Random(f"{self.seed}/{self.device}/beat")  # noqa: S311 - a simulation, not a secret
        waveform = Waveform(self.seed, self.device, self.rate_hz)
        period = 1.0 / self.rate_hz
        due = loop.time() + chance.uniform(0.0, period)
        while True:
            swing = chance.uniform(-_JITTER_SHARE, _JITTER_SHARE) * period if self.has_jitter else 0.0
            await asyncio.sleep(max(0.0, due + swing - loop.time()))
            self.generated += 1
            emit(self._moment(), waveform.next_reading())
            due += period
            missed = int((loop.time() - due) / period)
            if missed > 0:
                self.skipped += missed
                due += missed * period

    def _moment(self) -> int:
        self._last_us = max(self._last_us + 1, time.time_ns() // 1000)
        return self._last_us
