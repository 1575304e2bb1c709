"""How long what is kept: a rule for all series, for a metric, for a device, or for a metric of a device.

The most specific rule of a series holds alone: device and metric, device, metric, all. Without any, all is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

MAX_RULES = 10_000


@dataclass(frozen=True, slots=True)
class RetentionScope:
    """Which series a rule is about; None means every."""

    device_id: str | None
    metric: str | None

    @property
    def name(self) -> str:
        """The scope as the audit log and paths spell it."""
        return f"{self.device_id or '-'}/{self.metric or '-'}"


@dataclass(frozen=True, slots=True)
class KeptDays:
    """How many whole days (UTC) are kept before today; None keeps for ever."""

    raw: int | None
    minute: int | None
    hour: int | None

    def problem(self) -> str | None:
        """Return why this cannot hold, None when it can: coarser data outlives finer."""
        ever = float("inf")
        raw, minute, hour = (ever if days is None else days for days in (self.raw, self.minute, self.hour))
        if raw > minute:
            return "minutes must be kept at least as long as readings"
        if minute > hour:
            return "hours must be kept at least as long as minutes"
        return None


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """A rule as it is stored."""

    scope: RetentionScope
    kept: KeptDays
    version: int
    updated_at: datetime
    updated_by: str | None
