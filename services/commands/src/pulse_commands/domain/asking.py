"""When a command is published again, and when the service stops to hope for an answer.

Publishing again is asking: the device executes a command once at most and answers a known one with what it knows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

ASKED_AFTER_END: Final = timedelta(seconds=30)
"""How long the broker keeps a question about a command that is no longer good."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """What was tried with a command, and what is to come."""

    published_at: datetime | None = None
    attempts: int = 0
    """How often it was published since the device's last word."""
    ask_at: datetime | None = None
    """When it is published again, if the device is there."""
    ask_until: datetime | None = None
    """Until when the device is asked for an unknown one."""
    heard_at: datetime | None = None
    """The device's last word of it, by our clock."""


NOTHING_TRIED: Final = Schedule()


@dataclass(frozen=True, slots=True)
class Patience:
    """The times that can be set."""

    grace: timedelta = timedelta(seconds=60)
    """After its expiry, until a command without a word of its end counts as unknown."""
    silence: timedelta = timedelta(minutes=5)
    """Likewise for one that runs, since the device's last word."""
    retry: timedelta = timedelta(seconds=2)
    """Until it is published for the second time; then twice as long each time …"""
    longest_retry: timedelta = timedelta(seconds=30)
    """… up to this."""
    unknown_retry: timedelta = timedelta(minutes=10)
    """Between two questions about an unknown one to a device that is there."""
    unknown_for: timedelta = timedelta(days=7)
    """How long the device is asked for an unknown one."""

    def published(self, schedule: Schedule, now: datetime) -> Schedule:
        """Return the schedule of a command that is handed to the broker now."""
        if schedule.ask_until is not None:
            return replace(schedule, published_at=now, ask_at=now + self.unknown_retry)
        wait = self.retry * 2 ** min(schedule.attempts, 16)
        ask_at = now + min(wait, self.longest_retry)
        return replace(schedule, published_at=now, attempts=schedule.attempts + 1, ask_at=ask_at)

    def heard(self, schedule: Schedule, now: datetime) -> Schedule:
        """Return the schedule of an open command of which the device has just said something."""
        return replace(schedule, attempts=0, heard_at=now, ask_at=now + self.longest_retry)

    def given_up(self, schedule: Schedule, now: datetime) -> Schedule:
        """Return the schedule of a command that has just become unknown: the device is asked, now and for days."""
        return replace(schedule, ask_at=now, ask_until=now + self.unknown_for)


def closed(schedule: Schedule, now: datetime | None = None) -> Schedule:
    """Return the schedule of a command whose end is known; `now` when the device has just said it."""
    return replace(schedule, ask_at=None, ask_until=None, heard_at=now or schedule.heard_at)


def broker_keeps_seconds(expires_at: datetime, now: datetime) -> int:
    """Return for how many seconds the broker shall keep it for a device that is away: as long as it is good."""
    remaining = expires_at - now
    return max(1, int((remaining if remaining > timedelta(0) else ASKED_AFTER_END).total_seconds()))
