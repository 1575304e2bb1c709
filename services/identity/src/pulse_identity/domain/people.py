"""Users, roles and who may change whom.

Nobody disables, demotes or deletes themselves or the last admin, and nobody gives, takes over or changes a right that
they lack: else `users:write` alone would be worth as much as `admin`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from pulse_contracts.permissions import Permission
from pulse_identity.domain.refusal import Refusal, conflict, forbidden

ADMIN_ROLE: Final = "admin"
USERNAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.@+-]{1,63}$"
"""ASCII only, so that "unique whatever the case" means the same here, in SQL and on a desktop."""


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of permissions."""

    id: UUID
    name: str
    description: str
    is_built_in: bool
    permissions: frozenset[str]
    version: int = 1


@dataclass(frozen=True, slots=True)
class User:
    """A person's account; `roles` are names, `permissions` what they add up to."""

    id: UUID
    username: str
    email: str | None
    is_active: bool
    roles: tuple[str, ...]
    permissions: frozenset[str]
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def is_admin(self) -> bool:
        """Whether the built-in role with every permission is among the roles."""
        return ADMIN_ROLE in self.roles


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking, with the rights that hold now (the token's may be ten minutes old)."""

    user_id: UUID
    username: str
    permissions: frozenset[str]

    @property
    def sees_all_devices(self) -> bool:
        """Whether the device scope is everything."""
        return Permission.DEVICES_ALL in self.permissions

    def can(self, permission: Permission) -> bool:
        """Whether the actor has a permission."""
        return permission in self.permissions


def username_key(username: str) -> str:
    """Return the form under which a username is unique."""
    return username.casefold()


def permissions_of(roles: Iterable[Role]) -> frozenset[str]:
    """Return what some roles allow together."""
    return frozenset[str]().union(*(role.permissions for role in roles))


def check_grant(actor: Actor, granted: frozenset[str], field: str = "roles") -> Refusal | None:
    """Return why the actor may not give these permissions to anyone."""
    missing = sorted(granted - actor.permissions)
    if missing:
        return forbidden("grant_beyond_own_rights", f"you cannot give what you lack: {', '.join(missing)}", field)
    return None


def check_power_over(actor: Actor, target: User) -> Refusal | None:
    """Return why the actor may not change the target: changing somebody with more rights would take those rights."""
    if actor.user_id != target.id and not target.permissions <= actor.permissions:
        return forbidden("target_has_more_rights", "this user has rights that you lack")
    return None


def check_deactivation(actor: Actor, target: User) -> Refusal | None:
    """Return why the actor may not disable the target."""
    if actor.user_id == target.id:
        return conflict("cannot_disable_self", "you cannot disable your own account", "is_active")
    return None


def check_deletion(actor: Actor, target: User) -> Refusal | None:
    """Return why the actor may not delete the target."""
    if actor.user_id == target.id:
        return conflict("cannot_delete_self", "you cannot delete your own account")
    return None


def check_new_roles(actor: Actor, target: User, granted: frozenset[str]) -> Refusal | None:
    """Return why the actor may not give the target roles that add up to `granted`."""
    if actor.user_id == target.id and not target.permissions <= granted:
        return conflict("cannot_demote_self", "you cannot take rights from your own account", "roles")
    return check_grant(actor, granted - target.permissions)


def check_admin_remains(target: User, *, stays_admin: bool, active_admins: int) -> Refusal | None:
    """Return why the target must stay an active admin: `active_admins` counts all, the target included."""
    if target.is_active and target.is_admin and not stays_admin and active_admins <= 1:
        return conflict("last_admin", "this is the last active admin")
    return None


def check_role_is_custom(role: Role) -> Refusal | None:
    """Return why a role cannot be changed by anyone."""
    if role.is_built_in:
        return conflict("built_in_role", f"the role {role.name} is built in; make one of your own beside it")
    return None


def check_power_over_role(actor: Actor, role: Role) -> Refusal | None:
    """Return why the actor may not change a role: its holders would lose rights that the actor lacks."""
    if not role.permissions <= actor.permissions:
        return forbidden("role_has_more_rights", "this role has rights that you lack")
    return None


def check_role_change(actor: Actor, role: Role, wanted: frozenset[str], *, others: frozenset[str]) -> Refusal | None:
    """Return why the actor may not give a role these permissions.

    `others` is what the actor holds by other roles: nobody takes rights from themselves by way of a role.
    """
    refusal = check_power_over_role(actor, role) or check_grant(actor, wanted - role.permissions, "permissions")
    if refusal is None and not actor.permissions <= others | wanted:
        return conflict("cannot_demote_self", "you would take rights from your own account", "permissions")
    return refusal
