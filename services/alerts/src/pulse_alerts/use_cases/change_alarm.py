"""What people do to an alarm: acknowledge, comment, shelve, unshelve, clear. Each is a step, told and audited.

A cleared alarm can only be commented. Clearing by hand does not end the condition: the rule raises anew only after the
readings were on the other side once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from pulse_alerts.domain.alarm import Alarm, Person, Step, StepKind
from pulse_alerts.use_cases.authorise import authorise
from pulse_alerts.use_cases.edit_rules import SERVICE, ended
from pulse_alerts.use_cases.ports import Work
from pulse_chassis.audit_events import audit_event
from pulse_chassis.clock import Clock
from pulse_chassis.errors import ConflictError, InvalidError, NotFoundError
from pulse_chassis.principal import Principal
from pulse_contracts.audit import AuditResource
from pulse_contracts.permissions import Permission

LONGEST_SHELF: Final = timedelta(days=30)
Change = Callable[[Alarm, Person], tuple[Alarm, Step]]


@dataclass(eq=False)
class ChangeAlarm:
    """For whoever may acknowledge. All raise NotFoundError for what is not in scope."""

    work: Work
    clock: Clock

    async def acknowledge(self, principal: Principal, alarm_id: UUID, comment: str | None) -> Alarm:
        """Say that somebody takes care. Raises ConflictError when it is acknowledged or cleared."""

        def change(alarm: Alarm, person: Person) -> tuple[Alarm, Step]:
            if alarm.state == "acknowledged":
                message = "somebody has acknowledged it"
                raise ConflictError(message, code="already_acknowledged")
            after = replace(_open(alarm), state="acknowledged", acknowledged=person, updated_at=person.at)
            return after, _step(after, "acknowledged", person, comment)

        return await self._change(principal, alarm_id, change)

    async def comment(self, principal: Principal, alarm_id: UUID, comment: str) -> Alarm:
        """Write something beside it, also when it is cleared."""

        def change(alarm: Alarm, person: Person) -> tuple[Alarm, Step]:
            after = replace(alarm, updated_at=person.at)
            return after, _step(after, "commented", person, comment)

        return await self._change(principal, alarm_id, change)

    async def shelve(self, principal: Principal, alarm_id: UUID, until: datetime, comment: str | None) -> Alarm:
        """Have nobody notified of this rule on this device until then. Raises InvalidError, ConflictError."""
        now = self.clock.now()
        if not now < until <= now + LONGEST_SHELF:
            message = f"an alarm is shelved for {LONGEST_SHELF.days} days at most"
            raise InvalidError(message, code="invalid_moment", field="until")

        def change(alarm: Alarm, person: Person) -> tuple[Alarm, Step]:
            after = replace(_open(alarm), shelved_until=until, shelved_by_name=person.username, updated_at=person.at)
            return after, _step(after, "shelved", person, comment)

        return await self._change(principal, alarm_id, change)

    async def unshelve(self, principal: Principal, alarm_id: UUID, comment: str | None) -> Alarm:
        """Have people notified again. Raises ConflictError when it is not shelved."""

        def change(alarm: Alarm, person: Person) -> tuple[Alarm, Step]:
            if not alarm.is_shelved(person.at):
                message = "it is not shelved"
                raise ConflictError(message, code="not_shelved")
            after = replace(alarm, shelved_until=None, shelved_by_name=None, updated_at=person.at)
            return after, _step(after, "unshelved", person, comment)

        return await self._change(principal, alarm_id, change)

    async def clear(self, principal: Principal, alarm_id: UUID, comment: str | None) -> Alarm:
        """End it by hand. Raises ConflictError when it is cleared."""

        def change(alarm: Alarm, person: Person) -> tuple[Alarm, Step]:
            return ended(_open(alarm), person, "manual", comment)

        return await self._change(principal, alarm_id, change)

    async def _change(self, principal: Principal, alarm_id: UUID, change: Change) -> Alarm:
        async with self.work.change() as unit:
            caller = await authorise(unit.directory, principal, Permission.ALERTS_ACKNOWLEDGE)
            alarm = await unit.locked_alarm(alarm_id)
            # A device that was deleted is nobody's; whoever sees all devices may still end what is left of it.
            if alarm is None or not (caller.sees_all_devices or await unit.directory.seen(caller, [alarm.device_id])):
                message = "there is no such alarm"
                raise NotFoundError(message, code="unknown_alarm")
            person = Person(self.clock.now(), caller.user_id, caller.username)
            after, step = change(alarm, person)
            await unit.write_step(after, step, is_notified=True)
            resource = AuditResource(type="alarm", id=str(alarm_id))
            told = {"device_id": alarm.device_id, "rule": alarm.rule_name, "comment": step.comment}
            if step.kind == "shelved":
                told["until"] = step.shelved_until.isoformat() if step.shelved_until else None
            await unit.tell_audit([audit_event(SERVICE, f"alarm.{step.kind}", resource, person.at, after=told)])
        return after


def _open(alarm: Alarm) -> Alarm:
    if alarm.state == "cleared":
        message = "it is cleared"
        raise ConflictError(message, code="already_cleared")
    return alarm


def _step(alarm: Alarm, kind: StepKind, person: Person, comment: str | None) -> Step:
    return Step(
        id=uuid4(),
        alarm_id=alarm.id,
        kind=kind,
        at=person.at,
        noted_at=person.at,
        state=alarm.state,
        comment=comment,
        shelved_until=alarm.shelved_until,
        actor=person,
    )
