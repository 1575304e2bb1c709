"""Show rules and alarms in the caller's scope. What is not in it is answered like what is not there."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from pulse_alerts.domain.alarm import Alarm, Step
from pulse_alerts.domain.rule import Rule
from pulse_alerts.use_cases.authorise import authorise
from pulse_alerts.use_cases.ports import AlarmFilter, Page, Work
from pulse_chassis.errors import NotFoundError
from pulse_chassis.principal import Principal
from pulse_contracts.permissions import Permission


@dataclass(eq=False)
class FindAlerts:
    """For whoever may see alarms."""

    work: Work

    async def rules(self, principal: Principal) -> list[Rule]:
        """Return all rules that the caller sees, by name: there are not many."""
        async with self.work.look() as reads:
            caller = await authorise(reads.directory, principal, Permission.ALERTS_READ)
            return await reads.rules(caller)

    async def rule(self, principal: Principal, rule_id: UUID) -> Rule:
        """Return a rule. Raises NotFoundError."""
        async with self.work.look() as reads:
            caller = await authorise(reads.directory, principal, Permission.ALERTS_READ)
            found = await reads.rule(caller, rule_id)
        if found is None:
            message = "there is no such rule"
            raise NotFoundError(message, code="unknown_rule")
        return found

    async def alarms(self, principal: Principal, wanted: AlarmFilter, page: Page) -> list[Alarm]:
        """Return a page of alarms, newest first."""
        async with self.work.look() as reads:
            caller = await authorise(reads.directory, principal, Permission.ALERTS_READ)
            return await reads.alarms(caller, wanted, page)

    async def alarm(self, principal: Principal, alarm_id: UUID) -> tuple[Alarm, list[Step]]:
        """Return an alarm with its steps. Raises NotFoundError."""
        async with self.work.look() as reads:
            caller = await authorise(reads.directory, principal, Permission.ALERTS_READ)
            found = await reads.alarm(caller, alarm_id)
            if found is None:
                message = "there is no such alarm"
                raise NotFoundError(message, code="unknown_alarm")
            return found, await reads.steps(alarm_id)

    async def open_counts(self, principal: Principal) -> dict[tuple[str, str], int]:
        """Return how many alarms are not cleared, by severity and state."""
        async with self.work.look() as reads:
            caller = await authorise(reads.directory, principal, Permission.ALERTS_READ)
            return await reads.open_counts(caller)
