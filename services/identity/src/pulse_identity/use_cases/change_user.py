"""Changing a user: name, e-mail, roles, password, active or not.

The last active admin stays one, whoever asks and however many ask at once. A new password or a disabled account ends
all sessions of the user in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from pulse_chassis.clock import Clock
from pulse_chassis.errors import NotFoundError
from pulse_chassis.preconditions import ANY_VERSION, Precondition
from pulse_contracts.permissions import Permission
from pulse_contracts.streams import AccessChanged
from pulse_identity.domain import people
from pulse_identity.domain.passwords import check_password
from pulse_identity.domain.people import Actor, User
from pulse_identity.use_cases.authorise import Caller, authorise
from pulse_identity.use_cases.create_user import chosen_roles
from pulse_identity.use_cases.end_sessions import end_all
from pulse_identity.use_cases.enforce import enforce
from pulse_identity.use_cases.ports import PasswordHasher, UnitOfWork, Work
from pulse_identity.use_cases.tell_audit import tell_audit, user_fields, user_resource


@dataclass(frozen=True, slots=True)
class UserChange:
    """What shall be different; None leaves it. `email` is removed by an empty text; `toggles` turns active around."""

    username: str | None = None
    email: str | None = None
    roles: tuple[str, ...] | None = None
    is_active: bool | None = None
    password: str | None = field(default=None, repr=False)
    toggles: bool = False


@dataclass(frozen=True, slots=True)
class NewHash:
    """The hash of a new password, if there is one, and the time of the change."""

    password_hash: str | None = field(repr=False)
    now: datetime


class ChangeUser:
    """Changes a user."""

    def __init__(self, work: Work, hasher: PasswordHasher, clock: Clock) -> None:
        self._work = work
        self._hasher = hasher
        self._clock = clock

    async def __call__(
        self, caller: Caller, user_id: UUID, change: UserChange, expected: Precondition = ANY_VERSION
    ) -> User:
        """Return the changed user.

        Raises NotFoundError, PreconditionFailedError, ForbiddenError, ConflictError, InvalidError.
        """
        password_hash = await self._hashed(caller, user_id, change)
        async with self._work() as unit:
            actor = await authorise(unit, caller, Permission.USERS_WRITE)
            target = await self._target(unit, user_id, for_update=True)
            expected.check(target.version)
            return await change_within(unit, actor, target, change, NewHash(password_hash, self._clock.now()))

    async def _hashed(self, caller: Caller, user_id: UUID, change: UserChange) -> str | None:
        if change.password is None:
            return None
        async with self._work() as unit:
            actor = await authorise(unit, caller, Permission.USERS_WRITE)
            target = await self._target(unit, user_id)
            enforce(people.check_power_over(actor, target))
        enforce(check_password(change.password, change.username or target.username))
        return await self._hasher.hash(change.password)

    @staticmethod
    async def _target(unit: UnitOfWork, user_id: UUID, *, for_update: bool = False) -> User:
        target = await unit.people.user(user_id, for_update=for_update)
        if target is None:
            message = "there is no such user"
            raise NotFoundError(message, code="unknown_user")
        return target


async def change_within(unit: UnitOfWork, actor: Actor, target: User, change: UserChange, fresh: NewHash) -> User:
    """Change a user, who is locked, as a part of somebody's transaction; `change.password` was hashed before.

    Raises ForbiddenError, ConflictError, InvalidError.
    """
    enforce(people.check_power_over(actor, target))
    changed = await _changed(unit, actor, target, change, fresh.now)
    await unit.people.save_user(changed, fresh.password_hash)
    if fresh.password_hash is not None or (target.is_active and not changed.is_active):
        reason = "password_changed" if fresh.password_hash else "user_disabled"
        await end_all(unit, target.id, reason, fresh.now)
    await unit.publish(AccessChanged(kind="user", user_id=target.id))
    before, after = user_fields(target), user_fields(changed)
    if fresh.password_hash is not None:
        before, after = {**before, "has_new_password": False}, {**after, "has_new_password": True}
    await tell_audit(unit, "user.changed", user_resource(target.id), by=actor, before=before, after=after)
    return changed


async def _changed(unit: UnitOfWork, actor: Actor, target: User, change: UserChange, now: datetime) -> User:
    is_active = target.is_active if change.is_active is None else change.is_active
    if change.toggles:
        is_active = not target.is_active
    if target.is_active and not is_active:
        enforce(people.check_deactivation(actor, target))
    role_names, granted = target.roles, target.permissions
    if change.roles is not None:
        roles = await chosen_roles(unit, change.roles)
        role_names, granted = tuple(sorted(role.name for role in roles)), people.permissions_of(roles)
        enforce(people.check_new_roles(actor, target, granted))
    stays_admin = is_active and people.ADMIN_ROLE in role_names
    if target.is_admin and not stays_admin:
        admins = await unit.people.lock_active_admins()
        enforce(people.check_admin_remains(target, stays_admin=stays_admin, active_admins=admins))
    return replace(
        target,
        username=change.username or target.username,
        email=target.email if change.email is None else change.email or None,
        roles=role_names,
        permissions=granted,
        is_active=is_active,
        version=target.version + 1,
        updated_at=now,
    )
