"""How much may be on its way: the adaptive window, the round trip and the timeout.

Source: delivery.md, the client, 5: start at 4 batches, one more per ack, half on a timeout, never above the server's
credit; timeout max(2 s, 4 x smoothed round trip). Never does: look at a clock; moments are passed in, in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pulse_contracts.telemetry import MAX_RUN_ROWS

START_BATCHES: Final = 4
DEFAULT_LIMIT: Final = 16
"""Batches at most until the server has given its credit."""
MIN_RUN_ROWS: Final = 25
MIN_TIMEOUT_SECONDS: Final = 2.0
TIMEOUT_ROUND_TRIPS: Final = 4.0
MAX_TIMEOUT_SECONDS: Final = 60.0
SMOOTHING: Final = 0.125
"""Weight of a new sample, as TCP's (RFC 6298)."""


@dataclass(slots=True)
class RoundTrip:
    """The smoothed time from sending a batch to its ack."""

    smoothed: float | None = None
    _patience: float = 1.0
    _grown_at: float = -1.0

    def sample(self, seconds: float) -> None:
        """Take a measured round trip into account."""
        self._patience = 1.0
        before = seconds if self.smoothed is None else self.smoothed
        self.smoothed = before + SMOOTHING * (seconds - before)

    def on_timeout(self, sent_at: float, now: float) -> None:
        """Be twice as patient until there is a sample: batches sent twice give none, and the link may just be slow."""
        if sent_at >= self._grown_at:
            self._grown_at = now
            self._patience *= 2

    @property
    def timeout(self) -> float:
        """Seconds after which a batch without an ack counts as lost."""
        seconds = max(MIN_TIMEOUT_SECONDS, TIMEOUT_ROUND_TRIPS * (self.smoothed or 0.0))
        return min(MAX_TIMEOUT_SECONDS, seconds * self._patience)


@dataclass(slots=True)
class SendWindow:
    """Batches that may be unacked at once, and rows in each of them."""

    batches: int = START_BATCHES
    limit: int = DEFAULT_LIMIT
    run_rows: int = MAX_RUN_ROWS
    _cut_at: float = -1.0

    def allow(self, limit: int) -> None:
        """Take the server's credit; 0 still allows one, as the probe that hears of more."""
        self.limit = max(1, limit)
        self.batches = min(self.batches, self.limit)

    def on_ack(self) -> None:
        """Grow by one batch, and back to full runs."""
        self.batches = min(self.limit, self.batches + 1)
        self.run_rows = min(MAX_RUN_ROWS, self.run_rows * 2)

    def on_timeout(self, sent_at: float, now: float) -> None:
        """Halve, once for all batches of a flight; at one batch the runs get shorter, for links that are slow."""
        if sent_at < self._cut_at:
            return
        self._cut_at = now
        if self.batches == 1:
            self.run_rows = max(MIN_RUN_ROWS, self.run_rows // 2)
        self.batches = max(1, self.batches // 2)

    def shrink_runs(self) -> None:
        """Send shorter runs: the broker takes no packet of this size."""
        self.run_rows = max(1, self.run_rows // 2)
