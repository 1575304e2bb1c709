"""Adding a user. Nobody gives a new user a right that they lack themselves."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from pulse_chassis.clock import Clock
from pulse_chassis.errors import InvalidError
from pulse_contracts.permissions import Permission
from pulse_contracts.streams import AccessChanged
from pulse_identity.domain.passwords import check_password
from pulse_identity.domain.people import Actor, Role, User, check_grant, permissions_of
from pulse_identity.use_cases.authorise import Caller, authorise
from pulse_identity.use_cases.enforce import enforce
from pulse_identity.use_cases.ports import PasswordHasher, UnitOfWork, Work
from pulse_identity.use_cases.tell_audit import tell_audit, user_fields, user_resource


@dataclass(frozen=True, slots=True)
class NewUser:
    """What is wanted."""

    username: str
    password: str = field(repr=False)
    email: str | None = None
    roles: tuple[str, ...] = ()
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What is not the caller's to wish: the id, the hash of the password, the time."""

    id: UUID
    password_hash: str = field(repr=False)
    now: datetime


class CreateUser:
    """Adds a user."""

    def __init__(self, work: Work, hasher: PasswordHasher, clock: Clock) -> None:
        self._work = work
        self._hasher = hasher
        self._clock = clock

    async def __call__(self, caller: Caller, wanted: NewUser) -> User:
        """Return the new user; raises InvalidError, ForbiddenError, ConflictError (name or e-mail taken)."""
        async with self._work() as unit:
            await authorise(unit, caller, Permission.USERS_WRITE)
        enforce(check_password(wanted.password, wanted.username))
        password_hash = await self._hasher.hash(wanted.password)
        now = self._clock.now()
        async with self._work() as unit:
            actor = await authorise(unit, caller, Permission.USERS_WRITE)
            account = NewAccount(uuid.uuid4(), password_hash, now)
            return await create_within(unit, actor, wanted, account)


async def create_within(unit: UnitOfWork, actor: Actor, wanted: NewUser, account: NewAccount) -> User:
    """Add a user as a part of somebody's transaction; raises InvalidError, ForbiddenError, ConflictError."""
    roles = await chosen_roles(unit, wanted.roles)
    granted = permissions_of(roles)
    enforce(check_grant(actor, granted))
    user = User(
        id=account.id,
        username=wanted.username,
        email=wanted.email,
        is_active=wanted.is_active,
        roles=tuple(sorted(role.name for role in roles)),
        permissions=granted,
        version=1,
        created_at=account.now,
        updated_at=account.now,
    )
    await unit.people.add_user(user, account.password_hash)
    await unit.publish(AccessChanged(kind="user", user_id=user.id))
    await tell_audit(unit, "user.created", user_resource(user.id), by=actor, after=user_fields(user))
    return user


async def chosen_roles(unit: UnitOfWork, names: tuple[str, ...]) -> list[Role]:
    """Return the roles of these names; raises InvalidError for one that does not exist."""
    known = {role.name.casefold(): role for role in await unit.people.roles()}
    unknown = [name for name in names if name.casefold() not in known]
    if unknown:
        message = f"there is no role {unknown[0]!r}"
        raise InvalidError(message, code="unknown_role", field="roles")
    return list({role.id: role for role in (known[name.casefold()] for name in names)}.values())
