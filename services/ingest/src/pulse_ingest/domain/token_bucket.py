"""How many rows a client may send: a bucket that refills steadily, per client, with a bound on how many are kept.

A message is let through whole while anything is left, and may leave a debt: so a large run is never stuck for ever
behind a small bucket, and the average still holds. Times are monotonic seconds given by the caller.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`rows_s` rows a second on average, `burst` rows at once."""

    rows_s: float
    burst: float


class TokenBuckets:
    """One bucket a client; the longest unused one is forgotten first, which can only favour its client."""

    def __init__(self, limit: RateLimit, *, max_clients: int = 100_000) -> None:
        self._limit = limit
        self._max_clients = max_clients
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    @property
    def limit(self) -> RateLimit:
        """What every client may do."""
        return self._limit

    def take(self, client_id: str, rows: int, now: float) -> bool:
        """Let `rows` rows through and return True, or take nothing and return False when the bucket is empty."""
        limit = self._limit
        held = self._levels.get(client_id)
        if held is None:
            level = limit.burst
            if len(self._levels) >= self._max_clients:
                self._levels.popitem(last=False)
        else:
            level = held[0] + (now - held[1]) * limit.rows_s
            level = min(level, limit.burst)
        allowed = level > 0
        self._levels[client_id] = (level - rows if allowed else level, now)
        return allowed

    def is_exhausted(self, client_id: str, now: float) -> bool:
        """Tell whether the next message of this client would be refused; takes nothing."""
        held = self._levels.get(client_id)
        return held is not None and held[0] + (now - held[1]) * self._limit.rows_s <= 0

    def seconds_until_free(self, client_id: str, now: float) -> float:
        """Return how long the client has to wait until something is let through again; 0 when it has not."""
        held = self._levels.get(client_id)
        if held is None:
            return 0.0
        level = held[0] + (now - held[1]) * self._limit.rows_s
        return max(0.0, -level / self._limit.rows_s) if level <= 0 else 0.0

    def sweep(self, now: float) -> None:
        """Forget the clients whose bucket is full again: a new one would be, too."""
        limit = self._limit
        full = [
            client for client, (level, at) in self._levels.items() if level + (now - at) * limit.rows_s >= limit.burst
        ]
        for client in full:
            del self._levels[client]
