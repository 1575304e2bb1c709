"""How far a client's clock is from ours, estimated from the times it sends.

A message is never received before it was sent, so `sent - received` is the true offset minus the delay: the largest of
the recent values has the least delay in it and is the estimate. Positive: the client's clock is ahead.
"""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW: Final = 12
"""Observations that count: a minute of heartbeats, so that a clock that was set right is believed within a minute."""


class ClockOffset:
    """The estimate for one client."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: deque[float] = deque(maxlen=WINDOW)

    def observe(self, sent_ms: float, received_ms: float) -> float:
        """Take one observation in and return the estimate in milliseconds."""
        self._seen.append(sent_ms - received_ms)
        return max(self._seen)
