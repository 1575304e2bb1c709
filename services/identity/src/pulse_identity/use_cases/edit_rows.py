"""Editing users and roles on somebody's behalf who is not there: by a desktop's operation, or a restored conflict.

The rules are those of the web, by the same functions: what the actor may do is looked at as of now, nobody grants what
they lack, changes themselves out of their rights or leaves no admin. Everybody may change of themselves what a profile
lets them change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from pulse_chassis.errors import ForbiddenError, InvalidError, NotFoundError
from pulse_contracts.permissions import Permission
from pulse_identity.domain.edits import OWN_KEYS
from pulse_identity.domain.fields import RoleEdit, UserEdit
from pulse_identity.domain.passwords import check_password
from pulse_identity.domain.people import Actor, Role, User
from pulse_identity.use_cases.change_user import NewHash, UserChange, change_within
from pulse_identity.use_cases.create_user import NewAccount, NewUser, create_within
from pulse_identity.use_cases.delete_user import delete_within
from pulse_identity.use_cases.edit_roles import (
    RoleChange,
    change_role_within,
    create_role_within,
    delete_role_within,
)
from pulse_identity.use_cases.enforce import enforce
from pulse_identity.use_cases.open_operation import Edit
from pulse_identity.use_cases.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A password that was unsealed, and its hash."""

    text: str = field(repr=False)
    password_hash: str = field(repr=False)


async def acting(unit: UnitOfWork, user_id: UUID) -> Actor:
    """Return who acts, with the rights of now; raises ForbiddenError when there is no such active user."""
    user = await unit.people.user(user_id)
    if user is None or not user.is_active:
        message = "who edited is not an active user any more"
        raise ForbiddenError(message, code="unknown_actor")
    return Actor(user.id, user.username, user.permissions)


def check_right(actor: Actor, edit: Edit) -> None:
    """Raise ForbiddenError unless the actor may edit rows of this kind, or edits what is their own."""
    needed = Permission.USERS_WRITE if edit.entity == "users" else Permission.ROLES_WRITE
    is_own = edit.entity == "users" and edit.row_id == actor.user_id and edit.keys <= OWN_KEYS
    if not (is_own or actor.can(needed)):
        message = f"this needs the permission {needed.value}"
        raise ForbiddenError(message, code="permission_missing")


async def create_row(unit: UnitOfWork, actor: Actor, edit: Edit, password: NewPassword | None, now: datetime) -> None:
    """Add the row that an edit describes; raises InvalidError, ForbiddenError, ConflictError."""
    fields = edit.fields
    if isinstance(fields, RoleEdit):
        if fields.name is None:
            raise _missing("name")
        wish = RoleChange(fields.name, fields.description, frozenset(fields.permissions_added))
        await create_role_within(unit, actor, wish, edit.row_id)
        return
    if fields.username is None:
        raise _missing("username")
    if password is None:
        raise _missing("password")
    enforce(check_password(password.text, fields.username))
    wanted = NewUser(
        username=fields.username,
        password=password.text,
        email=fields.email or None,
        roles=await _role_names(unit, fields, ()),
        is_active=fields.is_active is not False,
    )
    await create_within(unit, actor, wanted, NewAccount(edit.row_id, password.password_hash, now))


async def change_row(
    unit: UnitOfWork, actor: Actor, edit: Edit, keys: frozenset[str], password: NewPassword | None, now: datetime
) -> None:
    """Do what an edit wants under these keys to a row that exists; raises as the web's routes."""
    fields = edit.part(keys)
    if isinstance(fields, RoleEdit):
        role = await unit.roles.get(edit.row_id, for_update=True)
        if role is None:
            raise NotFoundError("there is no such role", code="unknown_role")
        await _change_role(unit, actor, role, fields, is_deletion=edit.is_deletion)
        return
    user = await unit.people.user(edit.row_id, for_update=True)
    if user is None:
        raise NotFoundError("there is no such user", code="unknown_user")
    if edit.is_deletion:
        await delete_within(unit, actor, user, now)
        return
    await _change_user(unit, actor, user, fields, NewHash(_hash(user, fields, password), now))


async def _change_user(unit: UnitOfWork, actor: Actor, user: User, fields: UserEdit, fresh: NewHash) -> None:
    are_roles_meant = bool(fields.roles_added or fields.roles_removed)
    change = UserChange(
        username=fields.username,
        email=fields.email,
        roles=await _role_names(unit, fields, user.roles) if are_roles_meant else None,
        is_active=fields.is_active,
    )
    await change_within(unit, actor, user, change, fresh)


def _hash(user: User, fields: UserEdit, password: NewPassword | None) -> str | None:
    if fields.password is None or password is None:
        return None
    enforce(check_password(password.text, fields.username or user.username))
    return password.password_hash


async def _change_role(unit: UnitOfWork, actor: Actor, role: Role, fields: RoleEdit, *, is_deletion: bool) -> None:
    if is_deletion:
        await delete_role_within(unit, actor, role)
        return
    permissions = None
    if fields.permissions_added or fields.permissions_removed:
        permissions = (role.permissions | set(fields.permissions_added)) - set(fields.permissions_removed)
    await change_role_within(unit, actor, role, RoleChange(fields.name, fields.description, permissions))


async def _role_names(unit: UnitOfWork, fields: UserEdit, held: tuple[str, ...]) -> tuple[str, ...]:
    names = {role.id: role.name for role in await unit.people.roles()}
    unknown = [role_id for role_id in fields.roles_added if role_id not in names]
    if unknown:
        message = f"there is no role {unknown[0]}"
        raise InvalidError(message, code="unknown_role", field="roles_added")
    # A role to take away that is gone already is no mistake.
    taken = {names.get(role_id) for role_id in fields.roles_removed}
    return tuple(sorted(({*held} | {names[role_id] for role_id in fields.roles_added}) - taken))


def _missing(name: str) -> InvalidError:
    return InvalidError(f"a new one needs {name}", code="field_missing", field=name)
