"""One step of an alarm's life, as somebody is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from pulse_contracts.alerts import AlarmNotice, Severity

SEVERITY_RANK: Final = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened to which alarm. `at` is the step's own time, `groups` are the device's."""

    step_id: UUID
    kind: str
    at: datetime
    alarm_id: UUID
    rule_id: UUID
    rule_name: str
    device_id: str
    metric: str | None
    severity: Severity
    message: str
    value: bool | int | float | str | None
    raised_at: datetime
    reason: str | None = None
    shelved_until: datetime | None = None
    is_late: bool = False
    groups: tuple[str, ...] = ()

    def silenced(self, now: datetime) -> str | None:
        """Return why nobody is told of it, however much a channel wants it; None: somebody may be."""
        if self.is_late:
            return "late"
        if self.shelved_until is not None and self.shelved_until > now:
            return "shelved"
        return None

    def told(self) -> AlarmNotice:
        """Return it as it is said outside."""
        return AlarmNotice(
            event_id=self.step_id,
            kind="raised" if self.kind == "raised" else "cleared",
            at=int(self.at.timestamp() * 1000),
            alarm_id=self.alarm_id,
            rule_id=self.rule_id,
            rule_name=self.rule_name,
            device_id=self.device_id,
            metric=self.metric,
            severity=self.severity,
            message=self.message,
            value=self.value,
            raised_at=int(self.raised_at.timestamp() * 1000),
            reason=self.reason,
        )


@dataclass(frozen=True, slots=True)
class Digest:
    """What one message tells of: the notices that it spells out, the worst first, and how many there are in all."""

    notices: tuple[Notice, ...]
    raised: int
    cleared: int
    devices: int
    worst: str

    @property
    def total(self) -> int:
        """How many steps it is about."""
        return self.raised + self.cleared

    @property
    def more(self) -> int:
        """How many steps it counts and does not spell out."""
        return self.total - len(self.notices)
