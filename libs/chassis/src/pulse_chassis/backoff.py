"""How long to wait before trying again: exponential, bounded, with full jitter.

Full jitter (a uniform draw between nothing and the current ceiling) spreads a fleet that lost the same server at the
same moment; without it all of them come back together.
"""

from __future__ import annotations

import random
from typing import Final

_SHARED: Final = random.Random()  # noqa: S311 -- spreads load, guards nothing; seeding one for each costs 15 µs


class Backoff:
    """A growing series of delays in seconds: each is drawn from [0, min(ceiling, first * factor ** n)]."""

    def __init__(self, first: float, ceiling: float, *, factor: float = 2.0, rng: random.Random | None = None) -> None:
        if not 0 < first <= ceiling or factor < 1:
            message = f"expected 0 < first <= ceiling and factor >= 1, got {first}, {ceiling}, {factor}"
            raise ValueError(message)
        self._first = first
        self._ceiling = ceiling
        self._factor = factor
        self._rng = rng or _SHARED
        self._bound = first

    @property
    def bound(self) -> float:
        """The longest that the next delay can be."""
        return self._bound

    def next_delay(self) -> float:
        """Return how long to wait now; the next one may be longer."""
        delay = self._rng.uniform(0.0, self._bound)
        self._bound = min(self._ceiling, self._bound * self._factor)
        return delay

    def reset(self) -> None:
        """Start again at the first delay, after something succeeded."""
        self._bound = self._first
