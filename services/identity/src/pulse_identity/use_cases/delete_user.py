"""Deleting a user. Their devices stay, without an owner: an admin gives them to somebody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from pulse_chassis.clock import Clock
from pulse_chassis.errors import NotFoundError
from pulse_chassis.preconditions import ANY_VERSION, Precondition
from pulse_contracts.permissions import Permission
from pulse_contracts.streams import AccessChanged
from pulse_identity.domain import people
from pulse_identity.domain.people import Actor, User
from pulse_identity.use_cases.announce import device_changed
from pulse_identity.use_cases.authorise import Caller, authorise
from pulse_identity.use_cases.end_sessions import end_all
from pulse_identity.use_cases.enforce import enforce
from pulse_identity.use_cases.ports import UnitOfWork, Work
from pulse_identity.use_cases.tell_audit import device_resource, tell_audit, user_fields, user_resource


class DeleteUser:
    """Deletes a user."""

    def __init__(self, work: Work, clock: Clock) -> None:
        self._work = work
        self._clock = clock

    async def __call__(self, caller: Caller, user_id: UUID, expected: Precondition = ANY_VERSION) -> None:
        """Delete; raises NotFoundError, PreconditionFailedError, ForbiddenError, ConflictError (oneself, last admin)."""
        async with self._work() as unit:
            actor = await authorise(unit, caller, Permission.USERS_WRITE)
            target = await unit.people.user(user_id, for_update=True)
            if target is None:
                message = "there is no such user"
                raise NotFoundError(message, code="unknown_user")
            expected.check(target.version)
            await delete_within(unit, actor, target, self._clock.now())


async def delete_within(unit: UnitOfWork, actor: Actor, target: User, now: datetime) -> None:
    """Delete a user, who is locked, as a part of somebody's transaction; raises ForbiddenError, ConflictError."""
    enforce(people.check_deletion(actor, target), people.check_power_over(actor, target))
    if target.is_admin:
        admins = await unit.people.lock_active_admins()
        enforce(people.check_admin_remains(target, stays_admin=False, active_admins=admins))
    await end_all(unit, target.id, "user_deleted", now)
    for device in await unit.devices.owned_by(target.id):
        orphan = replace(device, owner_id=None, version=device.version + 1, updated_at=now)
        await unit.devices.save(orphan)
        await unit.publish(device_changed(orphan))
        was, now_is = {"owner_id": str(target.id)}, {"owner_id": None}
        await tell_audit(unit, "device.changed", device_resource(device.id), by=actor, before=was, after=now_is)
    await unit.people.delete_user(target.id)
    await unit.publish(AccessChanged(kind="user", user_id=target.id))
    await tell_audit(unit, "user.deleted", user_resource(target.id), by=actor, before=user_fields(target))
