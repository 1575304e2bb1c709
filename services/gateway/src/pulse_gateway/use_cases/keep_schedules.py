"""Keep a person's report schedules: nobody else sees or changes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from pulse_chassis.audit_events import audit_event
from pulse_chassis.clock import Clock
from pulse_chassis.errors import ConflictError, NotFoundError
from pulse_chassis.preconditions import Precondition
from pulse_contracts.audit import AuditResource
from pulse_gateway.domain.report_schedule import KEPT, MAX_SCHEDULES, Schedule, ScheduleWish, Sending, SendingState
from pulse_gateway.domain.scope import Scope
from pulse_gateway.use_cases.keep_dashboards import SERVICE
from pulse_gateway.use_cases.make_report import check_may_report
from pulse_gateway.use_cases.schedule_ports import ScheduleStore, ScheduleUnit


@dataclass(eq=False)
class KeepSchedules:
    """Lists, adds, replaces and deletes the schedules of one person; `scope` says who that is and what they may."""

    store: ScheduleStore
    clock: Clock

    async def all(self, scope: Scope) -> Sequence[Schedule]:
        """Return a person's schedules, the oldest first."""
        async with self.store.read() as reads:
            return await reads.schedules(scope.user_id)

    async def one(self, scope: Scope, schedule_id: UUID) -> Schedule:
        """Return a schedule. Raises NotFoundError, for somebody else's as well."""
        return _found(await self.all(scope), schedule_id)

    async def sendings(self, scope: Scope, schedule_id: UUID, before: datetime | None, limit: int) -> Sequence[Sending]:
        """Return what became of a schedule's reports, newest first. Raises NotFoundError."""
        async with self.store.read() as reads:
            _found(await reads.schedules(scope.user_id), schedule_id)
            return await reads.sendings(schedule_id, before, limit)

    async def add(self, scope: Scope, wish: ScheduleWish) -> Schedule:
        """Add a schedule. Raises ForbiddenError, ConflictError."""
        check_may_report(wish.kind, scope)
        async with self.store.change() as unit:
            await unit.take_turn(scope.user_id)
            mine = await unit.schedules(scope.user_id)
            if len(mine) >= MAX_SCHEDULES:
                message = f"there are {MAX_SCHEDULES} schedules already"
                raise ConflictError(message, code="too_many_schedules")
            _check_name(mine, wish.name, None)
            now = self.clock.now()
            made = Schedule(uuid4(), scope.user_id, wish, _next(wish, now), 1, now, now)
            await unit.save(made)
            await self._tell(unit, "report_schedule.created", made)
        return made

    async def replace(self, scope: Scope, schedule_id: UUID, wish: ScheduleWish, expected: Precondition) -> Schedule:
        """Put a wish in the place of a schedule's. Raises ForbiddenError, NotFoundError, PreconditionFailedError, …"""
        check_may_report(wish.kind, scope)
        async with self.store.change() as unit:
            await unit.take_turn(scope.user_id)
            mine = await unit.schedules(scope.user_id)
            held = _found(mine, schedule_id)
            expected.check(held.version)
            _check_name(mine, wish.name, schedule_id)
            now = self.clock.now()
            changed = replace(held, wish=wish, next_at=_next(wish, now), version=held.version + 1, updated_at=now)
            await unit.save(changed)
            await self._tell(unit, "report_schedule.changed", changed)
        return changed

    async def delete(self, scope: Scope, schedule_id: UUID, expected: Precondition) -> None:
        """Delete a schedule. Raises NotFoundError, PreconditionFailedError."""
        async with self.store.change() as unit:
            await unit.take_turn(scope.user_id)
            held = _found(await unit.schedules(scope.user_id), schedule_id)
            expected.check(held.version)
            await unit.delete(schedule_id)
            await self._tell(unit, "report_schedule.deleted", held)

    async def send_now(self, scope: Scope, schedule_id: UUID) -> Sending:
        """Have the newest report sent at once, due or not. Raises ForbiddenError, NotFoundError."""
        async with self.store.change() as unit:
            await unit.take_turn(scope.user_id)
            held = _found(await unit.schedules(scope.user_id), schedule_id)
            check_may_report(held.wish.kind, scope)
            now = self.clock.now()
            rhythm = held.wish.rhythm
            made = due_sending(held, now, rhythm.covers(rhythm.last_until(now)), now)
            await unit.add_sending(made)
            await self._tell(unit, "report_schedule.triggered", held)
        return made

    async def forget_old(self) -> None:
        """Delete what nobody needs any more. Raises UnavailableError."""
        async with self.store.change() as unit:
            await unit.forget(self.clock.now() - KEPT)

    async def _tell(self, unit: ScheduleUnit, action: str, schedule: Schedule) -> None:
        resource = AuditResource(type="report_schedule", id=str(schedule.id))
        wish = schedule.wish
        after = {
            "name": wish.name,
            "kind": wish.kind.value,
            "every": wish.rhythm.every,
            "receivers": list(wish.receivers),
            "is_active": wish.is_active,
        }
        await unit.tell_audit(audit_event(SERVICE, action, resource, self.clock.now(), after=after))


def due_sending(schedule: Schedule, due: datetime, covered: tuple[datetime, datetime], now: datetime) -> Sending:
    """Return a sending that is to be tried at once."""
    start, end = covered
    return Sending(uuid4(), schedule.id, due, start, end, SendingState.WAITING, 0, now)


def _next(wish: ScheduleWish, now: datetime) -> datetime | None:
    return wish.rhythm.next_after(now) if wish.is_active else None


def _found(mine: Sequence[Schedule], schedule_id: UUID) -> Schedule:
    for schedule in mine:
        if schedule.id == schedule_id:
            return schedule
    message = "there is no such schedule"
    raise NotFoundError(message, code="unknown_schedule")


def _check_name(mine: Sequence[Schedule], name: str, besides: UUID | None) -> None:
    if any(schedule.wish.name == name and schedule.id != besides for schedule in mine):
        message = "there is a schedule of this name already"
        raise ConflictError(message, code="schedule_exists", field="body.name")
