"""Simulated values of every kind, the same again for the same seed: for demonstrations and tests."""

from __future__ import annotations

import math
import random

from pulse_agent.domain.reading import Value
from pulse_agent.sources.source import SourceOptions
from pulse_agent.sources.timer import TimedSource


class SimulatedMachine:
    """A pump: temperature and pressure (decimals), a piece count (integer), running (boolean), a mode (text)."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 # a simulation, not a secret
        self._step = 0
        self._pieces = 0

    def sample(self) -> dict[str, Value]:
        """Return the next moment of the machine."""
        self._step += 1
        is_running = self._step % 120 < 110
        self._pieces += self._random.randint(0, 3) if is_running else 0
        wave = math.sin(self._step / 30)
        return {
            "temperature": round(70 + 5 * wave + self._random.gauss(0, 0.3), 2),
            "pressure": round(101.3 + 0.5 * wave + self._random.gauss(0, 0.05), 2),
            "pieces": self._pieces,
            "is_running": is_running,
            "mode": "production" if is_running else "setup",
        }


def create(options: SourceOptions) -> TimedSource:
    """Make the plug-in `simulated`. Setting `seed`: a number."""
    machine = SimulatedMachine(int(options.settings.get("seed", "1")))
    return TimedSource("simulated", machine.sample, options.interval, options.clock)
