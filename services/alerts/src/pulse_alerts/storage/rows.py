"""Rules, alarms and steps as rows, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from pydantic import TypeAdapter

from pulse_alerts.domain.alarm import Alarm, Person, Step
from pulse_alerts.domain.conditions import Condition
from pulse_alerts.domain.rule import AnyCondition, Editor, Rule, RuleContent
from pulse_alerts.domain.schedule import Schedule

_CONDITION: Final[TypeAdapter[AnyCondition]] = TypeAdapter(Condition)


def rule_of(row: sa.Row[Any]) -> Rule:
    """Return a rule."""
    content = RuleContent(
        name=row.name,
        description=row.description,
        is_enabled=row.is_enabled,
        metric=row.metric,
        device_ids=tuple(row.device_ids),
        groups=tuple(row.groups),
        condition=_CONDITION.validate_python(row.condition),
        schedule=None if row.schedule is None else Schedule.model_validate(row.schedule),
        clear_after_ms=row.clear_after_ms,
        severity=row.severity,
        message=row.message,
        unit=row.unit,
    )
    created = Editor(row.created_at, row.created_by, row.created_by_name)
    updated = Editor(row.updated_at, row.updated_by, row.updated_by_name)
    return Rule(row.id, content, row.evaluation, row.version, created, updated)


def rule_row(rule: Rule) -> dict[str, Any]:
    """Return the row of a rule."""
    content = rule.content
    return {
        "id": rule.id,
        "name": content.name,
        "description": content.description,
        "is_enabled": content.is_enabled,
        "metric": content.metric,
        "device_ids": list(content.device_ids),
        "groups": list(content.groups),
        "condition": content.condition.model_dump(mode="json"),
        "schedule": None if content.schedule is None else content.schedule.model_dump(mode="json"),
        "clear_after_ms": content.clear_after_ms,
        "severity": content.severity,
        "message": content.message,
        "unit": content.unit,
        "evaluation": rule.evaluation,
        "version": rule.version,
        "created_at": rule.created.at,
        "created_by": rule.created.user_id,
        "created_by_name": rule.created.username,
        "updated_at": rule.updated.at,
        "updated_by": rule.updated.user_id,
        "updated_by_name": rule.updated.username,
    }


def alarm_of(row: sa.Row[Any]) -> Alarm:
    """Return an alarm."""
    is_manual = row.cleared_at is not None and row.cleared_by is not None
    return Alarm(
        id=row.id,
        seq=row.seq,
        rule_id=row.rule_id,
        rule_name=row.rule_name,
        rule_kind=row.rule_kind,
        device_id=row.device_id,
        metric=row.metric,
        severity=row.severity,
        state=row.state,
        message=row.message,
        value=row.value,
        raised_at=row.raised_at,
        noticed_at=row.noticed_at,
        acknowledged=_person(row.acknowledged_at, row.acknowledged_by, row.acknowledged_by_name),
        cleared_at=row.cleared_at,
        cleared_value=row.cleared_value,
        clear_reason=row.clear_reason,
        cleared_by=_person(row.cleared_at, row.cleared_by, row.cleared_by_name) if is_manual else None,
        shelved_until=row.shelved_until,
        shelved_by_name=row.shelved_by_name,
        is_late=row.is_late,
        updated_at=row.updated_at,
    )


def alarm_changes(alarm: Alarm) -> dict[str, Any]:
    """Return what people may have changed of an alarm."""
    acknowledged, cleared = alarm.acknowledged, alarm.cleared_by
    return {
        "state": alarm.state,
        "acknowledged_at": None if acknowledged is None else acknowledged.at,
        "acknowledged_by": None if acknowledged is None else acknowledged.user_id,
        "acknowledged_by_name": None if acknowledged is None else acknowledged.username,
        "cleared_at": alarm.cleared_at,
        "clear_reason": alarm.clear_reason,
        "cleared_by": None if cleared is None else cleared.user_id,
        "cleared_by_name": None if cleared is None else cleared.username,
        "shelved_until": alarm.shelved_until,
        "shelved_by_name": alarm.shelved_by_name,
        "updated_at": alarm.updated_at,
    }


def step_of(row: sa.Row[Any]) -> Step:
    """Return a step."""
    return Step(
        id=row.id,
        alarm_id=row.alarm_id,
        kind=row.kind,
        at=row.at,
        noted_at=row.noted_at,
        state=row.state,
        value=row.value,
        comment=row.comment,
        reason=row.reason,
        shelved_until=row.shelved_until,
        actor=_person(row.noted_at, row.actor_id, row.actor_name),
    )


def step_row(step: Step) -> Mapping[str, Any]:
    """Return the row of a step."""
    return {
        "id": step.id,
        "alarm_id": step.alarm_id,
        "kind": step.kind,
        "at": step.at,
        "noted_at": step.noted_at,
        "state": step.state,
        "value": step.value,
        "comment": step.comment,
        "reason": step.reason,
        "shelved_until": step.shelved_until,
        "actor_id": None if step.actor is None else step.actor.user_id,
        "actor_name": None if step.actor is None else step.actor.username,
    }


def _person(at: Any, user_id: Any, username: Any) -> Person | None:
    return None if at is None or (user_id is None and username is None) else Person(at, user_id, username)
