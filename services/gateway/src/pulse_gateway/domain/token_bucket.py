"""A token bucket: a sustained rate with a burst on top."""

from __future__ import annotations


class TokenBucket:
    """Allows `rate` takes a second and up to `burst` at once; the caller gives the monotonic time in seconds."""

    __slots__ = ("_burst", "_level", "_rate", "_seen_at")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._seen_at = now

    def take(self, now: float) -> bool:
        """Take one if there is one."""
        self._level = min(self._burst, self._level + (now - self._seen_at) * self._rate)
        self._seen_at = now
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True

    @property
    def wait_seconds(self) -> float:
        """Return how long after the last `take` the next one will succeed."""
        return max(0.0, (1.0 - self._level) / self._rate)
