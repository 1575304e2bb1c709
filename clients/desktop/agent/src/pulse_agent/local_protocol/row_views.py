"""Rows of the replica as windows see them: with what of them the server has not confirmed. In the replica's thread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pulse_agent.replica.masks import PASSWORD, is_deletion
from pulse_agent.replica.operations import PendingOperation
from pulse_agent.replica.rows import ReplicaRow, name_key
from pulse_contracts.local_people import Pending, RoleRow, UserRow
from pulse_contracts.stamps import NO_STAMP, Stamp, stamp_milliseconds

_FIELD_OF: Final = {
    "roles_added": "roles",
    "roles_removed": "roles",
    "permissions_added": "permissions",
    "permissions_removed": "permissions",
}


def pending_marks(operations: Iterable[PendingOperation], entity: str) -> dict[str, Pending]:
    """Return, by row, what the server has not confirmed of it."""
    marks: dict[str, Pending] = {}
    for made in operations:
        if made.entity != entity:
            continue
        before = marks.get(made.row_id, Pending(is_new=made.base_version == 0))
        fields = {_FIELD_OF.get(key, key) for key in made.fields if key != "deleted"} | set(before.fields)
        marks[made.row_id] = Pending(
            is_new=before.is_new,
            is_deleted=before.is_deleted or is_deletion(made.fields),
            fields=sorted(fields),
        )
    return marks


def with_deleted(
    shown: dict[str, ReplicaRow], base: dict[str, ReplicaRow], marks: dict[str, Pending]
) -> list[ReplicaRow]:
    """Return the rows shown, and those that are to be deleted, which are still there until the server agrees."""
    gone = [base[row_id] for row_id, mark in marks.items() if mark.is_deleted and row_id in base]
    return [*shown.values(), *(row for row in gone if row.id not in shown)]


def sorted_page(
    rows: list[ReplicaRow], field: str, search: str, offset: int, limit: int
) -> tuple[int, list[ReplicaRow]]:
    """Return how many rows have `search` in their name, and a page of them by name."""
    wanted = name_key(search.strip())
    found = [row for row in rows if wanted in name_key(str(row.fields.get(field) or ""))]
    found.sort(key=lambda row: (name_key(str(row.fields.get(field) or "")), row.id))
    return len(found), found[offset : offset + limit]


def user_row(row: ReplicaRow, pending: Pending | None, names: dict[str, str]) -> UserRow:
    """Return a user as windows show it."""
    fields = row.fields
    return UserRow(
        id=row.id,
        username=str(fields.get("username") or ""),
        email=fields.get("email"),
        is_active=bool(fields.get("is_active")),
        roles=[str(role) for role in fields.get("roles") or ()],
        version=row.version,
        updated_ms=stamp_ms(row.updated_at),
        updated_by=who(row.updated_by, names),
        pending=pending,
    )


def role_row(row: ReplicaRow, pending: Pending | None, names: dict[str, str], users: int) -> RoleRow:
    """Return a role as windows show it."""
    fields = row.fields
    return RoleRow(
        id=row.id,
        name=str(fields.get("name") or ""),
        description=str(fields.get("description") or ""),
        is_built_in=bool(fields.get("is_built_in")),
        permissions=[str(name) for name in fields.get("permissions") or ()],
        users=users,
        version=row.version,
        updated_ms=stamp_ms(row.updated_at),
        updated_by=who(row.updated_by, names),
        pending=pending,
    )


def stamp_ms(stamp: str | None) -> int | None:
    """Return a stamp's time; None for none."""
    if not stamp or stamp == NO_STAMP:
        return None
    return stamp_milliseconds(Stamp(stamp))


def who(author: str | None, names: dict[str, str]) -> str | None:
    """Return who changed something, by name if they are known here."""
    return None if author is None else names.get(author, author)


def has_password(mask: dict[str, Any]) -> bool:
    """Tell whether an edit set a password, which nobody can say again."""
    return PASSWORD in mask
