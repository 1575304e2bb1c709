"""Who changes synced rows in a transaction, and what a desktop's edit does to a row, key by key. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pulse_contracts.reconciliation import DELETED, Change
from pulse_contracts.stamps import Stamp
from pulse_identity.domain.fields import RoleEdit, UserEdit

OWN_KEYS: Final = frozenset({"username", "email", "password"})
"""What everybody may change of themselves."""


@dataclass(frozen=True, slots=True)
class Editor:
    """Who edits, and from where; `stamp` is when a desktop edited (None: now)."""

    id: str
    source: Literal["web", "desktop"] = "web"
    desktop_id: str | None = None
    stamp: Stamp | None = None


def user_changes(fields: UserEdit) -> list[Change]:
    """Return what an edit does to a user; with a deletion nothing else matters."""
    if fields.deleted:
        return [Change(DELETED, is_revocation=True)]
    changes = [Change(name) for name in ("username", "email") if getattr(fields, name) is not None]
    if fields.is_active is not None:
        changes.append(Change("is_active", is_revocation=not fields.is_active))
    if fields.password is not None:
        changes.append(Change("password", is_revocation=True, replaces=True))
    changes += [Change(role_key(role_id)) for role_id in fields.roles_added]
    changes += [Change(role_key(role_id), is_revocation=True) for role_id in fields.roles_removed]
    return changes


def role_changes(fields: RoleEdit) -> list[Change]:
    """Return what an edit does to a role; with a deletion nothing else matters."""
    if fields.deleted:
        return [Change(DELETED, is_revocation=True)]
    changes = [Change(name) for name in ("name", "description") if getattr(fields, name) is not None]
    changes += [Change(permission_key(name)) for name in fields.permissions_added]
    changes += [Change(permission_key(name), is_revocation=True) for name in fields.permissions_removed]
    return changes


def chosen_user_fields(fields: UserEdit, keys: frozenset[str]) -> UserEdit:
    """Return the part of an edit that is applied."""
    return UserEdit(
        username=fields.username if "username" in keys else None,
        email=fields.email if "email" in keys else None,
        is_active=fields.is_active if "is_active" in keys else None,
        password=fields.password if "password" in keys else None,
        roles_added=[role_id for role_id in fields.roles_added if role_key(role_id) in keys],
        roles_removed=[role_id for role_id in fields.roles_removed if role_key(role_id) in keys],
    )


def chosen_role_fields(fields: RoleEdit, keys: frozenset[str]) -> RoleEdit:
    """Return the part of an edit that is applied."""
    return RoleEdit(
        name=fields.name if "name" in keys else None,
        description=fields.description if "description" in keys else None,
        permissions_added=[name for name in fields.permissions_added if permission_key(name) in keys],
        permissions_removed=[name for name in fields.permissions_removed if permission_key(name) in keys],
    )


def role_key(role_id: object) -> str:
    """Return the key of one role among a user's."""
    return f"roles:{role_id}"


def permission_key(name: str) -> str:
    """Return the key of one permission among a role's."""
    return f"permissions:{name}"
