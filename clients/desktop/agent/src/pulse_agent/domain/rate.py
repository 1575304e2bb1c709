"""The server's credit in rows a second, split between live readings and the backlog.

Guarantees: while draining, live readings keep at least a fifth of the credit (delivery.md, the client, 5); what they
do not use, up to the whole, is not given to the backlog either, so that the fifth is there the moment it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DRAIN_SHARE: Final = 0.8
BURST_SECONDS: Final = 1.0


@dataclass(slots=True)
class TokenBucket:
    """Rows that may go now. A batch may go while there is anything in it, and leave a debt that time pays."""

    rate: float
    level: float
    at: float

    def wait(self, now: float) -> float:
        """Return the seconds until something may go; 0 is now."""
        self._refill(now)
        return 0.0 if self.level > 0 else (1.0 - self.level) / self.rate

    def take(self, rows: int, now: float) -> None:
        """Note that rows went."""
        self._refill(now)
        self.level -= rows

    def _refill(self, now: float) -> None:
        self.level = min(self.rate * BURST_SECONDS, self.level + self.rate * max(0.0, now - self.at))
        self.at = now


class RowsBudget:
    """What the credit lets through. Without a credit yet, everything."""

    def __init__(self) -> None:
        self._rows_s = 0
        self._all: TokenBucket | None = None
        self._drain: TokenBucket | None = None

    def allow(self, rows_s: int, now: float) -> None:
        """Take the server's credit; the same one again changes nothing."""
        rows_s = max(1, rows_s)
        if rows_s == self._rows_s:
            return
        self._rows_s = rows_s
        self._all = TokenBucket(rows_s, rows_s * BURST_SECONDS, now)
        self._drain = TokenBucket(rows_s * DRAIN_SHARE, rows_s * DRAIN_SHARE * BURST_SECONDS, now)

    def take_live(self, rows: int, now: float) -> bool:
        """Tell whether live rows may go now; if so, they are counted."""
        if self._all is None:
            return True
        if self._all.wait(now) > 0:
            return False
        self._all.take(rows, now)
        return True

    def drain_wait(self, now: float) -> float:
        """Return the seconds until a batch of the backlog may go."""
        if self._drain is None:
            return 0.0
        return self._drain.wait(now)

    def take_drain(self, rows: int, now: float) -> None:
        """Count a batch of the backlog."""
        if self._all is not None and self._drain is not None:
            self._drain.take(rows, now)
            # The live fifth is not theirs: the backlog never puts the whole bucket into debt.
            self._all.level = max(self._all.level - rows, min(self._all.level, self._rows_s * (1 - DRAIN_SHARE)))
