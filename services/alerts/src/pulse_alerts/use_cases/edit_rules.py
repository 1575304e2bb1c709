"""Create, change and delete rules. A change, its count, the audit line, and the end of alarms that it voids commit at once.

Whoever does not see every device writes rules for devices in their scope only: no groups, and not for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from pulse_alerts.domain.alarm import Alarm, Person, Step
from pulse_alerts.domain.rule import MAX_RULES, Editor, Rule, RuleContent
from pulse_alerts.use_cases.authorise import authorise
from pulse_alerts.use_cases.ports import AlertUnit, Caller, Work
from pulse_chassis.audit_events import audit_event, noted_changes
from pulse_chassis.clock import Clock
from pulse_chassis.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from pulse_chassis.preconditions import Precondition
from pulse_chassis.principal import Principal
from pulse_contracts.audit import AuditResource
from pulse_contracts.permissions import Permission

SERVICE = "alerts"


@dataclass(eq=False)
class EditRules:
    """For whoever may write rules."""

    work: Work
    clock: Clock

    async def create(self, principal: Principal, content: RuleContent) -> Rule:
        """Add a rule.

        Raises ForbiddenError, InvalidError (`unknown_device`), ConflictError (`name_taken`, `too_many_rules`).
        """
        async with self.work.change() as unit:
            caller = await authorise(unit.directory, principal, Permission.ALERT_RULES_WRITE)
            if await unit.lock_rules() >= MAX_RULES:
                message = f"there are {MAX_RULES} rules, which is as many as there can be"
                raise ConflictError(message, code="too_many_rules")
            await _check(unit, caller, content, None)
            editor = Editor(self.clock.now(), caller.user_id, caller.username)
            rule = Rule(uuid4(), content, 1, 1, editor, editor)
            await unit.write_rule(rule)
            await _tell(unit, rule.id, "created", editor.at, None, content)
        return rule

    async def change(self, principal: Principal, rule_id: UUID, content: RuleContent, expected: Precondition) -> Rule:
        """Replace a rule. Raises as `create`, NotFoundError, PreconditionFailedError."""
        async with self.work.change() as unit:
            caller = await authorise(unit.directory, principal, Permission.ALERT_RULES_WRITE)
            await unit.lock_rules()
            before = await _seen(unit, caller, rule_id)
            expected.check(before.version)
            await _check(unit, caller, content, rule_id)
            if content == before.content:
                return before
            editor = Editor(self.clock.now(), caller.user_id, caller.username)
            is_same = content.evaluates_like(before.content)
            after = replace(
                before,
                content=content,
                version=before.version + 1,
                evaluation=before.evaluation + (0 if is_same else 1),
                updated=editor,
            )
            await unit.write_rule(after)
            if not is_same:
                await _end_alarms(unit, editor, rule_id, "rule_changed" if content.is_enabled else "rule_disabled")
            await _tell(unit, rule_id, "changed", editor.at, before.content, content)
        return after

    async def delete(self, principal: Principal, rule_id: UUID, expected: Precondition) -> None:
        """Delete a rule; its alarms are cleared, and stay as history. Raises NotFoundError, PreconditionFailedError."""
        async with self.work.change() as unit:
            caller = await authorise(unit.directory, principal, Permission.ALERT_RULES_WRITE)
            await unit.lock_rules()
            before = await _seen(unit, caller, rule_id)
            expected.check(before.version)
            _check_reach(caller, before.content)
            editor = Editor(self.clock.now(), caller.user_id, caller.username)
            # The rule first: who is raising an alarm of it holds it, and is waited for.
            await unit.delete_rule(rule_id)
            await _end_alarms(unit, editor, rule_id, "rule_deleted")
            await _tell(unit, rule_id, "deleted", editor.at, before.content, None)


async def _seen(unit: AlertUnit, caller: Caller, rule_id: UUID) -> Rule:
    rule = await unit.rule(rule_id)
    if rule is not None and not caller.sees_all_devices:
        wanted = rule.content.device_ids
        rule = rule if set(wanted) <= await unit.directory.seen(caller, wanted) else None
    if rule is None:
        message = "there is no such rule"
        raise NotFoundError(message, code="unknown_rule")
    return rule


async def _check(unit: AlertUnit, caller: Caller, content: RuleContent, rule_id: UUID | None) -> None:
    _check_reach(caller, content)
    unknown = set(content.device_ids) - await unit.directory.seen(caller, content.device_ids)
    if unknown:
        message = f"there is no device {min(unknown)}"
        raise InvalidError(message, code="unknown_device", field="device_ids")
    if await unit.is_named(content.name, rule_id):
        message = "there is a rule of this name"
        raise ConflictError(message, code="name_taken", field="name")


def _check_reach(caller: Caller, content: RuleContent) -> None:
    if caller.sees_all_devices or (content.device_ids and not content.groups):
        return
    message = "a rule for groups or for all devices needs the permission devices:all"
    raise ForbiddenError(message, code="permission_missing")


async def _end_alarms(unit: AlertUnit, editor: Editor, rule_id: UUID, reason: str) -> None:
    person = Person(editor.at, editor.user_id, editor.username)
    for alarm in await unit.open_alarms_of(rule_id):
        await unit.write_step(*ended(alarm, person, reason, None), is_notified=True)


def ended(alarm: Alarm, person: Person, reason: str, comment: str | None) -> tuple[Alarm, Step]:
    """Return an alarm that somebody ended, and the step."""
    after = replace(
        alarm,
        state="cleared",
        cleared_at=person.at,
        clear_reason=reason,
        cleared_by=person,
        updated_at=person.at,
    )
    step = Step(
        id=uuid4(),
        alarm_id=alarm.id,
        kind="cleared",
        at=person.at,
        noted_at=person.at,
        state="cleared",
        comment=comment,
        reason=reason,
        shelved_until=alarm.shelved_until,
        actor=person,
    )
    return after, step


async def _tell(
    unit: AlertUnit, rule_id: UUID, verb: str, at: datetime, before: RuleContent | None, after: RuleContent | None
) -> None:
    old, new = told(before), told(after)
    if before is not None and after is not None:
        old, new = noted_changes(old, new)
    resource = AuditResource(type="alert_rule", id=str(rule_id))
    event = audit_event(SERVICE, f"alert_rule.{verb}", resource, at, before=old or None, after=new or None)
    await unit.tell_audit([event])


def told(content: RuleContent | None) -> Mapping[str, Any]:
    """Return a rule's content as the audit log tells it."""
    if content is None:
        return {}
    return {
        "name": content.name,
        "description": content.description,
        "is_enabled": content.is_enabled,
        "metric": content.metric,
        "device_ids": list(content.device_ids),
        "groups": list(content.groups),
        "condition": content.condition.model_dump(mode="json", exclude_none=True),
        "schedule": None if content.schedule is None else content.schedule.model_dump(mode="json"),
        "clear_after_seconds": content.clear_after_ms / 1_000,
        "severity": content.severity,
        "message": content.message,
        "unit": content.unit,
    }
