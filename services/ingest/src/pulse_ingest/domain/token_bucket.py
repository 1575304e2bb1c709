"""How many rows a client may send: a bucket that refills steadily, per client, with a bound on how many are kept.

A message is let through whole while at least one row is left, and may leave a debt: so a large run is never stuck for ever
behind a small bucket, and the average still holds. Times are monotonic seconds given by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`rows_s` rows a second on average, `burst` rows at once."""

    rows_s: float
    burst: float


class TokenBuckets:
    """One bucket a client; the oldest is forgotten when there are too many, which can only favour its client."""

    def __init__(self, limit: RateLimit, *, max_clients: int = 100_000) -> None:
        self._limit = limit
        self._max_clients = max_clients
        self._buckets: dict[str, list[float]] = {}

    @property
    def limit(self) -> RateLimit:
        """What every client may do."""
        return self._limit

    def take(self, client_id: str, rows: int, now: float) -> bool:
        """Let `rows` rows through and return True, or take nothing and return False when the bucket is empty."""
        limit = self._limit
        bucket = self._buckets.get(client_id)
        if bucket is None:
            if len(self._buckets) >= self._max_clients:
                del self._buckets[next(iter(self._buckets))]
            bucket = self._buckets[client_id] = [limit.burst, now]
        level = bucket[0] + (now - bucket[1]) * limit.rows_s
        level = min(level, limit.burst)
        bucket[1] = now
        if level < 1:
            bucket[0] = level
            return False
        bucket[0] = level - rows
        return True

    def level(self, client_id: str, now: float) -> float:
        """Return what is left in a bucket; a debt is negative."""
        bucket = self._buckets.get(client_id)
        if bucket is None:
            return self._limit.burst
        return min(self._limit.burst, bucket[0] + (now - bucket[1]) * self._limit.rows_s)

    def is_exhausted(self, client_id: str, now: float) -> bool:
        """Tell whether the next message of this client would be refused; takes nothing."""
        return self.level(client_id, now) < 1

    def seconds_until_free(self, client_id: str, now: float) -> float:
        """Return how long the client has to wait until something is let through again; 0 when it has not."""
        return max(0.0, (1 - self.level(client_id, now)) / self._limit.rows_s)

    def sweep(self, now: float) -> None:
        """Forget the clients whose bucket is full again: a new one would be, too."""
        for client_id in [held for held in self._buckets if self.level(held, now) >= self._limit.burst]:
            del self._buckets[client_id]
