"""Making room: how the quota's policies act on the rows (delivery.md, the client, 7).

Guarantees: every row dropped and every reading refused is declared lost in the same transaction, with its reason.
Never does: act on another channel's rows, or drop more than a bounded part per call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from pulse_agent.domain.quota import KEPT_OF_THINNED, Fullness, LossReason, Overflow, Quota, fullness
from pulse_agent.domain.reading import EncodedReading, RefusedReading, StoredReading
from pulse_agent.outbox.rows import OutboxRows

CHUNK: Final = 500
MAX_EXPIRED: Final = 1000
"""Rows that age may drop in one transaction, so that a put never waits long."""
EARLIEST_PLAUSIBLE_US: Final = 1_420_070_400_000_000
"""2015: a reading from before comes of a clock that was not set yet, and its age says nothing."""

PutResult = StoredReading | RefusedReading


@dataclass(slots=True)
class RoomKeeper:
    """Stores readings within the quota. `free_bytes` says what is free on the disk; `disk_full` that a write failed."""

    quota: Quota
    free_bytes: Callable[[], int]
    level: Fullness = Fullness.NORMAL
    disk_full: bool = False
    _thinned: dict[str, int] = field(default_factory=dict)

    def put(self, rows: OutboxRows, readings: Sequence[EncodedReading], now_us: int) -> list[PutResult]:
        """Store readings in order, each by its channel's policy; a refused one is returned as such."""
        results: list[PutResult] = []
        for channel, group in groupby(readings, key=lambda reading: reading.channel):
            results.extend(self._put_channel(rows, channel, list(group), now_us))
        self.level = fullness(rows.used_bytes, self.quota.max_bytes, self.level)
        return results

    def expire(self, rows: OutboxRows, now_us: int) -> None:
        """Drop what is older than the quota's age, except in channels that would rather refuse new readings."""
        if self.quota.max_age is None:
            return
        cutoff = now_us - int(self.quota.max_age.total_seconds() * 1_000_000)
        for channel in rows.channels():
            if self.quota.policy_of(channel) is Overflow.REJECT_NEW:
                continue
            oldest = rows.oldest_of(channel, 0, MAX_EXPIRED)
            expired = [sequence for sequence, at, _ in oldest if EARLIEST_PLAUSIBLE_US <= at < cutoff]
            rows.drop(expired, LossReason.AGE, now_us)

    def observe(self, rows: OutboxRows) -> None:
        """Take note of how full the outbox is now."""
        self.level = fullness(rows.used_bytes, self.quota.max_bytes, self.level)

    def is_disk_low(self) -> bool:
        """Tell whether the disk has less free than the floor."""
        return self.disk_full or self.free_bytes() < self.quota.disk_floor

    def _put_channel(
        self, rows: OutboxRows, channel: str, readings: list[EncodedReading], now_us: int
    ) -> list[PutResult]:
        results: list[PutResult] = []
        disk_low = self.is_disk_low()
        waiting = readings
        while waiting:
            size = sum(reading.size for reading in waiting)
            over_quota = self.quota.excess(rows.used_bytes, size)
            needed = max(over_quota, size - rows.reusable_bytes()) if disk_low else over_quota
            freed = self._free(rows, channel, needed, disk_low, now_us) if needed > 0 else 0
            fitting = self._fitting(waiting, size - needed + freed)
            results.extend(rows.append(waiting[:fitting]))
            waiting = waiting[fitting:]
            if not fitting:
                break
        if waiting:
            reason = LossReason.DISK if disk_low else LossReason.QUOTA
            first = rows.refuse(len(waiting), reason, now_us)
            results.extend(RefusedReading(first + n, reason) for n in range(len(waiting)))
        return results

    @staticmethod
    def _fitting(readings: list[EncodedReading], room: int) -> int:
        count = 0
        for reading in readings:
            room -= reading.size
            if room < 0:
                break
            count += 1
        return count

    def _free(self, rows: OutboxRows, channel: str, needed: int, disk_low: bool, now_us: int) -> int:
        policy = self.quota.policy_of(channel)
        if policy is Overflow.REJECT_NEW:
            return 0
        reason = LossReason.DISK if disk_low else LossReason.QUOTA
        # Below the disk's floor the file must not grow, but what is in it may stay: no slack is made then.
        goal = needed if disk_low else self.quota.to_free(needed)
        freed = self._thin(rows, channel, goal, reason, now_us) if policy is Overflow.THIN else 0
        # A channel that is thin already gives its oldest, so that the newest is never the one to miss.
        return freed if freed >= needed else freed + self._drop_oldest(rows, channel, goal - freed, reason, now_us)

    @staticmethod
    def _drop_oldest(rows: OutboxRows, channel: str, goal: int, reason: LossReason, now_us: int) -> int:
        freed = 0
        while freed < goal:
            taken: list[int] = []
            promised = freed
            for sequence, _, size in rows.oldest_of(channel, 0, CHUNK):
                if promised >= goal:
                    break
                promised += size
                taken.append(sequence)
            if not taken:
                break
            freed += rows.drop(taken, reason, now_us)
        return freed

    def _thin(self, rows: OutboxRows, channel: str, goal: int, reason: LossReason, now_us: int) -> int:
        freed, passes = 0, 0
        while freed < goal and passes < 2:
            oldest = rows.oldest_of(channel, self._thinned.get(channel, 0), CHUNK)
            if not oldest:
                self._thinned.pop(channel, None)  # the whole channel is thin: begin again with its oldest
                passes += 1
                continue
            taken = [sequence for n, (sequence, _, _) in enumerate(oldest) if n % KEPT_OF_THINNED]
            freed += rows.drop(taken, reason, now_us)
            self._thinned[channel] = oldest[-1][0]
        return freed
