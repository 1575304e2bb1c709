"""The rules that a new site begins with: examples, which somebody may change or delete, and which never come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from pulse_alerts.domain.conditions import Duration, NoData, Test, Threshold
from pulse_alerts.domain.rule import AnyCondition, Editor, Rule, RuleContent, Severity
from pulse_alerts.use_cases.edit_rules import SERVICE, told
from pulse_alerts.use_cases.ports import Work
from pulse_chassis.audit_events import audit_event
from pulse_chassis.clock import Clock
from pulse_contracts.audit import AuditActor, AuditResource


def _example(  # noqa: PLR0913 -- the fields in which examples differ
    name: str,
    metric: str | None,
    condition: AnyCondition,
    message: str,
    *,
    unit: str | None = None,
    severity: Severity = "warning",
    is_enabled: bool = True,
) -> RuleContent:
    return RuleContent(
        name=name,
        description="An example: change it, or delete it.",
        is_enabled=is_enabled,
        metric=metric,
        device_ids=(),
        groups=(),
        condition=condition,
        schedule=None,
        clear_after_ms=0,
        severity=severity,
        message=message,
        unit=unit,
    )


EXAMPLES: Final = (
    _example(
        "Temperature above 50",
        "temperature",
        Threshold(kind="threshold", test=Test(operator=">", value=50, clear_value=48)),
        "{device_name}: {metric} is {value} {unit}, above {threshold} {unit}",
        unit="°C",
    ),
    _example(
        "Humidity above 80",
        "humidity",
        Threshold(kind="threshold", test=Test(operator=">", value=80, clear_value=78)),
        "{device_name}: {metric} is {value} {unit}, above {threshold} {unit}",
        unit="%",
    ),
    _example(
        "Temperature above 45 for 10 minutes",
        "temperature",
        Duration(kind="duration", test=Test(operator=">", value=45), for_seconds=600),
        "{device_name}: {metric} has been above {threshold} {unit} for 10 minutes",
        unit="°C",
        is_enabled=False,
    ),
    # Not enabled: whether silence is wrong, only the site knows.
    _example(
        "No data for 5 minutes",
        None,
        NoData(kind="no_data", for_seconds=300),
        "{device_name} has sent nothing for {threshold}",
        severity="critical",
        is_enabled=False,
    ),
)


@dataclass(eq=False)
class MakeExamples:
    """Acts once in the life of a database."""

    work: Work
    clock: Clock

    async def __call__(self) -> None:
        """Add the examples unless they ever were. Raises UnavailableError."""
        async with self.work.change() as unit:
            await unit.lock_rules()
            if await unit.has_examples():
                return
            editor = Editor(self.clock.now())
            for content in EXAMPLES:
                if await unit.is_named(content.name, None):
                    continue
                rule = Rule(uuid4(), content, 1, 1, editor, editor)
                await unit.write_rule(rule)
                resource = AuditResource(type="alert_rule", id=str(rule.id))
                actor = AuditActor(kind="service", id=SERVICE)
                await unit.tell_audit(
                    [audit_event(SERVICE, "alert_rule.created", resource, editor.at, actor=actor, after=told(content))]
                )
