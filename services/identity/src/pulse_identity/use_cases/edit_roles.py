"""Making, changing and deleting custom roles.

Built-in roles are what they are. Nobody puts into a role a right that they lack, changes a role that has more rights
than they have, or takes rights from themselves by way of a role. A role that somebody has is deleted only together
with the naming of the role that takes its place.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from uuid import UUID

from pulse_chassis.errors import ConflictError, InvalidError, NotFoundError
from pulse_chassis.preconditions import ANY_VERSION, Precondition
from pulse_contracts.permissions import Permission
from pulse_contracts.streams import AccessChanged
from pulse_identity.domain import people
from pulse_identity.domain.people import Actor, Role
from pulse_identity.use_cases.authorise import Caller, authorise
from pulse_identity.use_cases.enforce import enforce
from pulse_identity.use_cases.ports import UnitOfWork, Work
from pulse_identity.use_cases.tell_audit import role_fields, role_resource, tell_audit


@dataclass(frozen=True, slots=True)
class RoleChange:
    """What a role shall be; None leaves it (only for a role that exists)."""

    name: str | None = None
    description: str | None = None
    permissions: frozenset[str] | None = None


class EditRoles:
    """Creates, changes and deletes roles."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def create(self, caller: Caller, wanted: RoleChange) -> Role:
        """Return the new role; raises InvalidError, ForbiddenError, ConflictError (name taken)."""
        async with self._work() as unit:
            actor = await authorise(unit, caller, Permission.ROLES_WRITE)
            return await create_role_within(unit, actor, wanted, uuid.uuid4())

    async def change(
        self, caller: Caller, role_id: UUID, change: RoleChange, expected: Precondition = ANY_VERSION
    ) -> Role:
        """Return the changed role; raises NotFoundError, PreconditionFailedError, ForbiddenError and as `create`."""
        async with self._work() as unit:
            actor, role = await self._open(unit, caller, role_id, expected)
            return await change_role_within(unit, actor, role, change)

    async def delete(
        self, caller: Caller, role_id: UUID, successor_id: UUID | None = None, expected: Precondition = ANY_VERSION
    ) -> None:
        """Delete a role; its users and shares go to the successor.

        Raises as `change`, ConflictError while somebody has the role and no successor is named.
        """
        async with self._work() as unit:
            actor, role = await self._open(unit, caller, role_id, expected)
            await delete_role_within(unit, actor, role, successor_id)

    async def _open(
        self, unit: UnitOfWork, caller: Caller, role_id: UUID, expected: Precondition
    ) -> tuple[Actor, Role]:
        actor = await authorise(unit, caller, Permission.ROLES_WRITE)
        role = await unit.roles.get(role_id, for_update=True)
        if role is None:
            message = "there is no such role"
            raise NotFoundError(message, code="unknown_role")
        expected.check(role.version)
        return actor, role


async def create_role_within(unit: UnitOfWork, actor: Actor, wanted: RoleChange, role_id: UUID) -> Role:
    """Add a role as a part of somebody's transaction; raises InvalidError, ForbiddenError, ConflictError."""
    permissions = _known(wanted.permissions or frozenset())
    enforce(people.check_grant(actor, permissions, "permissions"))
    role = Role(
        id=role_id,
        name=wanted.name or "",
        description=wanted.description or "",
        is_built_in=False,
        permissions=permissions,
    )
    await unit.roles.add(role)
    await unit.publish(AccessChanged(kind="role"))
    await tell_audit(unit, "role.created", role_resource(role.id), by=actor, after=role_fields(role))
    return role


async def change_role_within(unit: UnitOfWork, actor: Actor, role: Role, change: RoleChange) -> Role:
    """Change a role, which is locked, as a part of somebody's transaction; raises as `EditRoles.change`."""
    enforce(people.check_role_is_custom(role))
    wanted = role.permissions if change.permissions is None else _known(change.permissions)
    others = await unit.roles.permissions_beside(actor.user_id, role.id)
    enforce(people.check_role_change(actor, role, wanted, others=others))
    changed = replace(
        role,
        name=change.name or role.name,
        description=role.description if change.description is None else change.description,
        permissions=wanted,
        version=role.version + 1,
    )
    await unit.roles.save(changed)
    await unit.publish(AccessChanged(kind="role"))
    fields = {"before": role_fields(role), "after": role_fields(changed)}
    await tell_audit(unit, "role.changed", role_resource(role.id), by=actor, **fields)
    return changed


async def delete_role_within(unit: UnitOfWork, actor: Actor, role: Role, successor_id: UUID | None = None) -> None:
    """Delete a role, which is locked, as a part of somebody's transaction; raises as `EditRoles.delete`."""
    enforce(people.check_role_is_custom(role))
    successor = await _successor(unit, actor, role, successor_id)
    granted = successor.permissions if successor else frozenset[str]()
    others = await unit.roles.permissions_beside(actor.user_id, role.id)
    enforce(people.check_role_change(actor, role, granted, others=others))
    users, shares = await unit.roles.usage(role.id)
    if successor is not None:
        await unit.roles.hand_over(role.id, successor.id)
    elif users or shares:
        message = f"{users} users have this role and {shares} devices are shared with it; name its successor"
        raise ConflictError(message, code="role_assigned", field="reassign_to")
    await unit.roles.delete(role.id)
    await unit.publish(AccessChanged(kind="role"))
    was = {**role_fields(role), "users": users, "reassigned_to": None if successor is None else successor.name}
    await tell_audit(unit, "role.deleted", role_resource(role.id), by=actor, before=was)


async def _successor(unit: UnitOfWork, actor: Actor, role: Role, successor_id: UUID | None) -> Role | None:
    if successor_id is None:
        return None
    successor = None if successor_id == role.id else await unit.roles.get_kept(successor_id)
    if successor is None:
        message = "there is no such other role"
        raise InvalidError(message, code="unknown_role", field="reassign_to")
    enforce(people.check_grant(actor, successor.permissions, "reassign_to"))
    return successor


def _known(permissions: frozenset[str]) -> frozenset[str]:
    unknown = sorted(permissions - {permission.value for permission in Permission})
    if unknown:
        message = f"there is no permission {unknown[0]!r}"
        raise InvalidError(message, code="unknown_permission", field="permissions")
    return permissions
