"""An alarm, the steps of its life, and what the others are told of a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from uuid import UUID, uuid5

from pulse_alerts.domain.conditions import shown, threshold_of
from pulse_alerts.domain.evaluator import Finding
from pulse_alerts.domain.message import fill
from pulse_alerts.domain.rule import Severity
from pulse_contracts.streams import AlarmChanged
from pulse_contracts.telemetry import MetricValue

AlarmState = Literal["active", "acknowledged", "cleared"]
StepKind = Literal["raised", "acknowledged", "commented", "shelved", "unshelved", "cleared"]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Person:
    """Who did something to an alarm, and when."""

    at: datetime
    user_id: UUID | None
    username: str | None


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm as it is kept. `raised_at` is the reading's time."""

    id: UUID
    seq: int
    rule_id: UUID
    rule_name: str
    rule_kind: str
    device_id: str
    metric: str | None
    severity: Severity
    state: AlarmState
    message: str
    value: MetricValue | None
    raised_at: datetime
    noticed_at: datetime
    acknowledged: Person | None
    cleared_at: datetime | None
    cleared_value: MetricValue | None
    clear_reason: str | None
    cleared_by: Person | None
    shelved_until: datetime | None
    shelved_by_name: str | None
    is_late: bool
    updated_at: datetime

    def is_shelved(self, now: datetime) -> bool:
        """Tell whether nobody shall be notified of it now."""
        return self.shelved_until is not None and self.shelved_until > now


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `at` by the reading's time where a rule made it, `noted_at` by ours."""

    id: UUID
    alarm_id: UUID
    kind: StepKind
    at: datetime
    noted_at: datetime
    state: AlarmState
    value: MetricValue | None = None
    comment: str | None = None
    reason: str | None = None
    shelved_until: datetime | None = None
    actor: Person | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule found on a device, ready to be written down."""

    finding: Finding
    message: str
    is_late: bool = False

    @property
    def at(self) -> datetime:
        """The reading's time."""
        return moment(self.finding.at_ms)

    @property
    def step_id(self) -> UUID:
        """The same whenever the same is found."""
        return uuid5(self.finding.alarm_id, "raised" if self.finding.is_raised else "cleared")


def found(finding: Finding, names: Mapping[str, str], *, is_late: bool = False) -> Found:
    """Return what is to be written down; `names` are devices' names by id."""
    content = finding.rule.content
    places = {
        "device": finding.device_id,
        "device_name": names.get(finding.device_id, finding.device_id),
        "metric": finding.metric or "",
        "value": "" if finding.value is None else shown(finding.value),
        "threshold": threshold_of(content.condition),
        "unit": content.unit or "",
        "severity": content.severity,
        "rule": content.name,
        "time": moment(finding.at_ms).isoformat(timespec="seconds"),
    }
    return Found(finding, fill(content.message, places), is_late)


def announced(alarm: Alarm, step: Step) -> AlarmChanged:
    """Return what is told of a step, with what held after it."""
    actor = step.actor
    return AlarmChanged(
        event_id=step.id,
        at=unix_ms(step.at),
        kind=step.kind,
        alarm_id=alarm.id,
        rule_id=alarm.rule_id,
        rule_name=alarm.rule_name,
        device_id=alarm.device_id,
        metric=alarm.metric,
        severity=alarm.severity,
        state=step.state,
        message=alarm.message,
        value=step.value if step.kind in {"raised", "cleared"} else alarm.value,
        raised_at=unix_ms(alarm.raised_at),
        acknowledged_at=None if alarm.acknowledged is None else unix_ms(alarm.acknowledged.at),
        cleared_at=None if alarm.cleared_at is None else unix_ms(alarm.cleared_at),
        shelved_until=None if alarm.shelved_until is None else unix_ms(alarm.shelved_until),
        is_late=alarm.is_late,
        actor_id=None if actor is None else actor.user_id,
        actor_name=None if actor is None else actor.username,
        comment=step.comment,
    )


def moment(at_ms: int) -> datetime:
    """Return a moment of Unix milliseconds."""
    return _EPOCH + timedelta(milliseconds=at_ms)


def unix_ms(at: datetime) -> int:
    """Return Unix milliseconds."""
    return (at - _EPOCH) // timedelta(milliseconds=1)
