"""The shapes of rules on the wire. A field may be added; nothing else changes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from pulse_alerts.domain.alarm import moment
from pulse_alerts.domain.conditions import MAX_SECONDS, Condition, NoData
from pulse_alerts.domain.message import MAX_TEMPLATE_CHARS, check_template
from pulse_alerts.domain.rule import MAX_STARS, METRIC_GLOB, Rule, RuleContent, Severity
from pulse_alerts.domain.schedule import Schedule
from pulse_alerts.http.answers import Answer, Moment
from pulse_alerts.use_cases.try_rule import MAX_DEVICES, TriedDevice
from pulse_contracts.configuration import MAX_GROUP_CHARS
from pulse_contracts.ids import ClientIdField
from pulse_contracts.telemetry import MetricValue

PLAIN = r"^[^\x00-\x1f\x7f]*$"
GroupName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_GROUP_CHARS, pattern=PLAIN)]


class RuleBody(BaseModel):
    """A rule. It is for the devices named, those in the groups named, and, with neither, for all."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "name": "Boiler too hot",
                    "metric": "temperature",
                    "groups": ["boilers"],
                    "condition": {
                        "kind": "duration",
                        "test": {"operator": ">", "value": 90, "clear_value": 85},
                        "for_seconds": 60,
                    },
                    "severity": "critical",
                    "unit": "°C",
                    "message": "{device_name}: {metric} is {value} {unit}, above {threshold} {unit}",
                },
                {"name": "Gone quiet", "condition": {"kind": "no_data", "for_seconds": 300}, "message": "{device}"},
            ]
        },
    )

    name: Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True, pattern=PLAIN)]
    description: Annotated[str, StringConstraints(max_length=1_000, pattern=r"^[^\x00]*$")] = ""
    is_enabled: bool = True
    metric: Annotated[
        str | None,
        Field(pattern=METRIC_GLOB, description="a metric, or a pattern with * and ?; null: the device, for no data"),
    ] = None
    device_ids: Annotated[list[ClientIdField], Field(max_length=1_000)] = []
    groups: Annotated[list[GroupName], Field(max_length=100)] = []
    condition: Condition
    schedule: Annotated[Schedule | None, Field(description="when it may raise; null: always")] = None
    clear_after_seconds: Annotated[
        float, Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False, description="the condition has to be over for so long")
    ] = 0.0
    severity: Severity = "warning"
    message: Annotated[
        str,
        StringConstraints(min_length=1, max_length=MAX_TEMPLATE_CHARS, pattern=PLAIN),
        AfterValidator(check_template),
        Field(
            description="with the places {device}, {device_name}, {metric}, {value}, {threshold}, {unit}, {severity},"
            " {rule} and {time}"
        ),
    ] = "{device_name}: {rule} ({metric} is {value} {unit})"
    unit: Annotated[str | None, StringConstraints(max_length=20, pattern=PLAIN)] = None

    @model_validator(mode="after")
    def _names_a_metric(self) -> RuleBody:
        if self.metric is None and not isinstance(self.condition, NoData):
            message = "only a rule for no data can do without a metric"
            raise ValueError(message)
        if self.metric is not None and self.metric.count("*") > MAX_STARS:
            message = f"a pattern has at most {MAX_STARS} *"
            raise ValueError(message)
        if self.clear_after_seconds and isinstance(self.condition, NoData):
            message = "no data ends with the next reading: clear_after_seconds has to be 0"
            raise ValueError(message)
        return self

    def content(self) -> RuleContent:
        """Return the rule's content."""
        return RuleContent(
            name=self.name,
            description=self.description,
            is_enabled=self.is_enabled,
            metric=self.metric,
            device_ids=tuple(dict.fromkeys(self.device_ids)),
            groups=tuple(dict.fromkeys(self.groups)),
            condition=self.condition,
            schedule=self.schedule,
            clear_after_ms=round(self.clear_after_seconds * 1_000),
            severity=self.severity,
            message=self.message,
            unit=self.unit,
        )


class RuleAnswer(Answer):
    """A rule as it is."""

    id: UUID
    name: str
    description: str
    is_enabled: bool
    metric: str | None
    device_ids: list[str]
    groups: list[str]
    condition: Condition
    schedule: Schedule | None
    clear_after_seconds: float
    severity: Severity
    message: str
    unit: str | None
    version: int
    created_at: datetime
    created_by_name: str | None
    updated_at: datetime
    updated_by_name: str | None

    @classmethod
    def of(cls, rule: Rule) -> RuleAnswer:
        """Return the answer for a rule."""
        content = rule.content
        return cls(
            id=rule.id,
            name=content.name,
            description=content.description,
            is_enabled=content.is_enabled,
            metric=content.metric,
            device_ids=list(content.device_ids),
            groups=list(content.groups),
            condition=content.condition,
            schedule=content.schedule,
            clear_after_seconds=content.clear_after_ms / 1_000,
            severity=content.severity,
            message=content.message,
            unit=content.unit,
            version=rule.version,
            created_at=rule.created.at,
            created_by_name=rule.created.username,
            updated_at=rule.updated.at,
            updated_by_name=rule.updated.username,
        )


class RulePage(Answer):
    """Rules by name."""

    items: list[RuleAnswer]
    total: int
    page: int
    limit: int


class DryRunBody(BaseModel):
    """A rule to be tried on stored readings, as if it were enabled; `to` is not included."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        json_schema_extra={
            "examples": [
                {
                    "rule": {
                        "name": "Hot",
                        "metric": "temperature",
                        "condition": {"kind": "threshold", "test": {"operator": ">", "value": 50}},
                    },
                    "from": "2026-01-01T00:00:00Z",
                    "to": "2026-01-02T00:00:00Z",
                }
            ]
        },
    )

    rule: RuleBody
    device_ids: Annotated[
        list[ClientIdField],
        Field(max_length=MAX_DEVICES, description="left out: the first devices that the rule is for"),
    ] = []
    from_: Annotated[Moment, Field(alias="from")]
    to: Moment


class FoundItem(Answer):
    """When the rule would have raised or cleared, and on which value."""

    is_raised: bool
    at: datetime
    metric: str | None
    value: MetricValue | None
    message: str


class TriedItem(Answer):
    """What the rule would have done on a device."""

    device_id: str
    readings: Annotated[int, Field(description="values looked at")]
    is_complete: Annotated[bool, Field(description="false: more than could be looked at; it went until `looked_until`")]
    looked_until: datetime | None
    found: list[FoundItem]

    @classmethod
    def of(cls, tried: TriedDevice) -> TriedItem:
        """Return the answer for a device."""
        return cls(
            device_id=tried.device_id,
            readings=tried.readings,
            is_complete=tried.is_complete,
            looked_until=None if tried.last_ms is None else moment(tried.last_ms),
            found=[
                FoundItem(
                    is_raised=one.finding.is_raised,
                    at=one.at,
                    metric=one.finding.metric,
                    value=one.finding.value,
                    message=one.message if one.finding.is_raised else "",
                )
                for one in tried.found
            ],
        )


class DryRunAnswer(Answer):
    """What a rule would have done, by device."""

    items: list[TriedItem]
