"""How much the outbox may hold, and what gives way when that is reached.

A channel is the name of a source's stream of readings. Each channel has a policy of its own and acts only on its own
rows: no channel makes room at another's cost. Never does: touch rows; it only says what must happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

MIB: Final = 1024 * 1024
KEPT_OF_THINNED: Final = 10
"""`thin` keeps one reading of so many: what falls between is one range, so a thinned hour is a short loss record."""
SLACK_SHARE: Final = 0.01
"""Room made beyond what is needed, so that a full outbox does not pay for dropping on every single put."""
MAX_SLACK_BYTES: Final = 256 * 1024
"""Bound of that slack: some thousand rows, dropped within the time of a commit."""


class Overflow(StrEnum):
    """What a channel does when the outbox is full."""

    REJECT_NEW = "reject_new"
    DROP_OLDEST = "drop_oldest"
    THIN = "thin"


class LossReason(StrEnum):
    """Why readings are declared lost, as the server will show it."""

    QUOTA = "quota"
    AGE = "age"
    DISK = "disk"
    CORRUPT = "corrupt"
    ERROR = "error"


class Fullness(StrEnum):
    """How near the outbox is to its quota."""

    NORMAL = "normal"
    WARNING = "warning"
    CRITICAL = "critical"


def _no_policies() -> Mapping[str, Overflow]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Quota:
    """Limits of one outbox. `max_age` None keeps readings for ever; `free_floor_bytes` is left free on the disk."""

    max_bytes: int = 1024 * MIB
    max_age: timedelta | None = None
    free_floor_bytes: int = 128 * MIB
    overflow: Overflow = Overflow.DROP_OLDEST
    overflow_by_channel: Mapping[str, Overflow] = field(default_factory=_no_policies)
    ballast_bytes: int = 4 * MIB

    @property
    def disk_floor(self) -> int:
        """Free bytes below which the outbox does not grow: never less than it takes to work with a full disk."""
        return max(self.free_floor_bytes, 2 * self.ballast_bytes)

    def policy_of(self, channel: str) -> Overflow:
        """Return what this channel does when the outbox is full."""
        return self.overflow_by_channel.get(channel, self.overflow)

    def excess(self, used_bytes: int, incoming_bytes: int) -> int:
        """Return how many bytes must go before `incoming_bytes` fit."""
        return max(0, used_bytes + incoming_bytes - self.max_bytes)

    def to_free(self, needed_bytes: int) -> int:
        """Return how much to free when `needed_bytes` are needed: some slack more."""
        return needed_bytes + min(int(self.max_bytes * SLACK_SHARE), MAX_SLACK_BYTES)


def fullness(used_bytes: int, max_bytes: int, before: Fullness) -> Fullness:
    """Return the level (70 % and 90 %, delivery.md) with 2 % of hysteresis, so that the edge does not flap."""
    share = used_bytes / max_bytes if max_bytes > 0 else 1.0
    calmer = 0.02
    if share >= 0.9 or (before is Fullness.CRITICAL and share >= 0.9 - calmer):
        return Fullness.CRITICAL
    if share >= 0.7 or (before is not Fullness.NORMAL and share >= 0.7 - calmer):
        return Fullness.WARNING
    return Fullness.NORMAL
