"""When what waits for a channel is told, and how much of it: one decision over gathering, quiet hours and rate limit.

Guaranteed: what waits is never dropped; whatever holds it back, it is told in one message as soon as nothing does. In quiet
hours nothing goes but what is critical, where that may pass; of a limited channel never more messages go in its period.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pulse_alerts.domain.channel import Manners


@dataclass(frozen=True, slots=True)
class Waiting:
    """Since when steps wait for a channel: the oldest of all, and the oldest that is critical."""

    since: datetime
    critical_since: datetime | None = None


class Which(StrEnum):
    """How much of what waits goes."""

    ALL = "all"
    CRITICAL = "critical"


class Hold(StrEnum):
    """Why it waits."""

    GATHERING = "gathering"
    QUIET_HOURS = "quiet_hours"
    RATE_LIMIT = "rate_limit"


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing goes before `until`, unless something else comes to wait."""

    by: Hold
    until: datetime


def decide(manners: Manners, waiting: Waiting, sent: Sequence[datetime], now: datetime) -> Which | Held:
    """Return what goes now, or what it waits for. `sent` are the times of the channel's messages, newest first, at least
    as many as its limit allows in a period."""
    which, since = Which.ALL, waiting.since
    quiet = manners.quiet_hours
    if quiet is not None and quiet.are_on(now):
        if not quiet.critical_passes or waiting.critical_since is None:
            return Held(Hold.QUIET_HOURS, quiet.end_after(now))
        which, since = Which.CRITICAL, waiting.critical_since
    gathered_at = since + manners.gathering
    if now < gathered_at:
        return Held(Hold.GATHERING, gathered_at)
    limit = manners.limit
    if limit is not None and len(sent) >= limit.messages:
        free_at = sent[limit.messages - 1] + limit.period
        if now < free_at:
            return Held(Hold.RATE_LIMIT, free_at)
    return which
