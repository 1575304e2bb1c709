"""What alerts says outside: to a device of its own alarms (`alert/{client_id}`), and to webhooks.

`alert/{client_id}`, QoS 1, retained: always the whole truth of one device, so that a screen that starts, or has missed
any number of messages, shows what is right after the next one. `changed` says what made the service speak.

A webhook's body, POST, signed by the convention of Standard Webhooks: `webhook-id` names the message for ever (a second one of
the same id is to be ignored), `webhook-signature` is HMAC-SHA256 over `id.timestamp.body`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pulse_contracts.telemetry import MetricValue

MAX_ACTIVE: Final = 50
"""Alarms that a device is told of by name; `more` counts the rest."""
MAX_CHANGED: Final = 20

Severity = Literal["info", "warning", "critical"]
_Moment = Annotated[int, Field(description="Unix milliseconds")]


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class AlarmNotice(_Said):
    """One step: an alarm was raised or cleared. `event_id` names the step for ever, the same as on `pulse:alerts`."""

    event_id: UUID
    kind: Literal["raised", "cleared"]
    at: Annotated[int, Field(description="Unix milliseconds; of a step by rule the reading's own time")]
    alarm_id: UUID
    rule_id: UUID
    rule_name: str
    device_id: str
    metric: str | None = None
    severity: Severity
    message: str
    value: MetricValue | None = None
    raised_at: _Moment
    reason: Annotated[str | None, Field(description="of a cleared alarm: what cleared it")] = None


class ActiveAlarm(_Said):
    """An alarm that is not cleared."""

    alarm_id: UUID
    rule_name: str
    metric: str | None = None
    severity: Severity
    state: Literal["active", "acknowledged"]
    message: str
    value: MetricValue | None = None
    raised_at: _Moment


class DeviceAlerts(_Said):
    """`alert/{client_id}`: the alarms of one device, the worst first."""

    v: Literal[1] = 1
    device_id: str
    at: _Moment
    active: list[ActiveAlarm]
    more: Annotated[int, Field(ge=0, description="active alarms beyond those that are named")] = 0
    changed: list[AlarmNotice] = []


class AlertsWebhook(_Said):
    """The body of a webhook: the steps since the last one, the worst first; a `test` has none."""

    v: Literal[1] = 1
    type: Literal["alarms", "test"]
    at: _Moment
    channel: str
    notices: list[AlarmNotice] = []
    raised: int = 0
    cleared: int = 0
    more: Annotated[int, Field(ge=0, description="steps beyond those that are spelt out")] = 0
