"""What a simulated device measures: plausible values that depend on nothing but a seed and the moment asked for.

The same seed, device and tick always give the same reading, so that a run can be repeated exactly. Every kind of
value that the product knows is there: a decimal (a daily-looking sine with noise), an integer counter, a boolean that
flips, a status text. Nothing here knows a clock, a network or a wire form.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Final

Value = bool | int | float | str
Reading = dict[str, Value]

STATUS_TEXTS: Final = ("idle", "warming up", "running", "running", "running", "maintenance", "fault: door open")
_NOISE_DEGREES: Final = 0.15
_FLIP_CHANCE: Final = 0.02
"""A door or a pump changes about every fiftieth reading: often enough to be seen, seldom enough to be believed."""
_STATUS_CHANCE: Final = 0.01


@dataclass(slots=True)
class Waveform:
    """One device's metrics, tick by tick.

    `seed` and `device` fix everything; `period_s` is the length of the temperature's wave in seconds, `rate_hz` how
    many readings a second turn ticks into time.
    """

    seed: int
    device: str
    rate_hz: float = 1.0
    period_s: float = 120.0
    _random: random.Random = field(init=False, repr=False)
    _tick: int = field(init=False, default=0)
    _produced: int = field(init=False, default=0)
    _is_open: bool = field(init=False, default=False)
    _status: str = field(init=False, default=STATUS_TEXTS[0])
    _mean: float = field(init=False, default=0.0)
    _swing: float = field(init=False, default=0.0)
    _phase: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        # A string seeds by its content; a tuple would seed by its hash, which differs from process to process.
        self._random = random.Random(f"{self.seed}/{self.device}")  # noqa: S311 - a simulation, not a secret
        self._mean = self._random.uniform(18.0, 26.0)
        self._swing = self._random.uniform(2.0, 8.0)
        self._phase = self._random.uniform(0.0, 2 * math.pi)

    def next_reading(self) -> Reading:
        """Return the next tick's metrics: temperature and humidity (decimals), produced (integer), open, status."""
        draw = self._random
        angle = self._phase + 2 * math.pi * (self._tick / self.rate_hz) / self.period_s
        temperature = self._mean + self._swing * math.sin(angle) + draw.gauss(0.0, _NOISE_DEGREES)
        humidity = 55.0 - 2.0 * self._swing * math.sin(angle) + draw.gauss(0.0, 0.4)
        self._produced += draw.randint(0, 3)
        if draw.random() < _FLIP_CHANCE:
            self._is_open = not self._is_open
        if draw.random() < _STATUS_CHANCE:
            self._status = draw.choice(STATUS_TEXTS)
        self._tick += 1
        return {
            "temperature": round(temperature, 2),
            "humidity": round(min(100.0, max(0.0, humidity)), 1),
            "produced": self._produced,
            "is_open": self._is_open,
            "status": self._status,
        }
