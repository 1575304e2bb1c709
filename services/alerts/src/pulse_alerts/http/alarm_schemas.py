"""The shapes of alarms on the wire. A field may be added; nothing else changes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)

from pulse_alerts.domain.alarm import Alarm, AlarmState, Person, Step, StepKind
from pulse_alerts.domain.rule import Severity
from pulse_alerts.http.answers import Answer, Moment
from pulse_alerts.use_cases.ports import AlarmFilter
from pulse_contracts.frames import LivePosition
from pulse_contracts.ids import ClientIdField
from pulse_contracts.telemetry import MetricValue

MAX_CURSOR = 2**63 - 1
Comment = Annotated[
    str, StringConstraints(min_length=1, max_length=1_000, strip_whitespace=True, pattern=r"^[^\x00]*$")
]


class PersonAnswer(Answer):
    """Who did it, and when."""

    at: datetime
    user_id: UUID | None
    username: str | None

    @classmethod
    def of(cls, person: Person | None) -> PersonAnswer | None:
        """Return the answer for somebody."""
        if person is None:
            return None
        return cls(at=person.at, user_id=person.user_id, username=person.username)


class AlarmItem(Answer):
    """An alarm; its steps and comments are on `GET /api/alerts/{id}`."""

    id: UUID
    rule_id: UUID
    rule_name: str
    rule_kind: str
    device_id: str
    metric: str | None
    severity: Severity
    state: AlarmState
    message: str
    value: MetricValue | None
    raised_at: Annotated[datetime, Field(description="by the reading's own time")]
    noticed_at: Annotated[datetime, Field(description="by the service's time")]
    acknowledged: PersonAnswer | None
    cleared_at: datetime | None
    cleared_value: MetricValue | None
    clear_reason: Annotated[
        str | None,
        Field(
            description="condition, manual, rule_changed, rule_disabled, rule_deleted, out_of_scope, delayed (late data:"
            " there was no silence), late_data_ended"
        ),
    ]
    cleared_by: PersonAnswer | None
    shelved_until: datetime | None
    shelved_by_name: str | None
    is_late: Annotated[bool, Field(description="found in readings that came late: history, never notified")]
    updated_at: datetime

    @classmethod
    def of(cls, alarm: Alarm) -> AlarmItem:
        """Return the answer for an alarm."""
        return cls(**_fields(alarm))


class StepItem(Answer):
    """One step of an alarm's life."""

    id: UUID
    kind: StepKind
    at: datetime
    state: AlarmState
    value: MetricValue | None
    comment: str | None
    reason: str | None
    shelved_until: datetime | None
    actor: PersonAnswer | None

    @classmethod
    def of(cls, step: Step) -> StepItem:
        """Return the answer for a step."""
        return cls(
            id=step.id,
            kind=step.kind,
            at=step.at,
            state=step.state,
            value=step.value,
            comment=step.comment,
            reason=step.reason,
            shelved_until=step.shelved_until,
            actor=PersonAnswer.of(step.actor),
        )


class AlarmDetail(AlarmItem):
    """An alarm with its steps, oldest first."""

    steps: list[StepItem]

    @classmethod
    def with_steps(cls, alarm: Alarm, steps: list[Step]) -> AlarmDetail:
        """Return the answer for an alarm with its steps."""
        return cls(**_fields(alarm), steps=[StepItem.of(step) for step in steps])


class AlarmPage(Answer):
    """Alarms, newest first."""

    items: list[AlarmItem]
    next_cursor: Annotated[int | None, Field(description="give it as `cursor` for the page after; null: the end")]
    live: LivePosition | None


class OpenCount(Answer):
    """How many alarms of a severity are in a state."""

    severity: Severity
    state: AlarmState
    count: int


class OpenCounts(Answer):
    """All that is not cleared, of devices in scope."""

    items: list[OpenCount]
    live: LivePosition | None


class CommentBody(BaseModel):
    """What somebody writes beside an alarm."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"comment": "Fan replaced."}]}
    )

    comment: Comment


class ActionBody(BaseModel):
    """Something that may be written beside what is done."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"comment": "On my way."}]})

    comment: Comment | None = None


class ShelveBody(BaseModel):
    """Until when nobody is notified, at most 30 days from now."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"until": "2026-01-02T08:00:00Z"}]}
    )

    until: Moment
    comment: Comment | None = None


class AlarmParameters(BaseModel):
    """Which alarms; a parameter that is not known is an error, because a misspelt filter would show too much."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    cursor: Annotated[int | None, Field(ge=1, le=MAX_CURSOR, description="`next_cursor` of the page before")] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    device_id: ClientIdField | None = None
    rule_id: UUID | None = None
    state: Annotated[list[AlarmState], Field(max_length=3, description="repeat it for several")] = []
    severity: Annotated[list[Severity], Field(max_length=3, description="repeat it for several")] = []
    is_late: bool | None = None
    from_: Annotated[Moment | None, Field(alias="from", description="raised at or after")] = None
    to: Annotated[Moment | None, Field(description="raised before")] = None

    def wanted(self) -> AlarmFilter:
        """Return the filter."""
        return AlarmFilter(
            device_id=self.device_id,
            rule_id=self.rule_id,
            states=tuple(self.state),
            severities=tuple(self.severity),
            is_late=self.is_late,
            start=self.from_,
            end=self.to,
        )


def _fields(alarm: Alarm) -> dict[str, object]:
    return {
        "id": alarm.id,
        "rule_id": alarm.rule_id,
        "rule_name": alarm.rule_name,
        "rule_kind": alarm.rule_kind,
        "device_id": alarm.device_id,
        "metric": alarm.metric,
        "severity": alarm.severity,
        "state": alarm.state,
        "message": alarm.message,
        "value": alarm.value,
        "raised_at": alarm.raised_at,
        "noticed_at": alarm.noticed_at,
        "acknowledged": PersonAnswer.of(alarm.acknowledged),
        "cleared_at": alarm.cleared_at,
        "cleared_value": alarm.cleared_value,
        "clear_reason": alarm.clear_reason,
        "cleared_by": PersonAnswer.of(alarm.cleared_by),
        "shelved_until": alarm.shelved_until,
        "shelved_by_name": alarm.shelved_by_name,
        "is_late": alarm.is_late,
        "updated_at": alarm.updated_at,
    }
