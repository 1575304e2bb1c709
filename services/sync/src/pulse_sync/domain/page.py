"""What of the due rows goes into one page: bounded in rows and in bytes, at least one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pulse_contracts.stamps import NO_STAMP
from pulse_contracts.sync import MAX_PAGE_BYTES, MAX_PAGE_ROWS
from pulse_sync.domain.rows import DueRow

ROW_BYTES: Final = 260
"""Of a row's JSON beside its fields and id: names, stamp, a uuid for who changed it."""
ACCESS_BYTES: Final = 1_600
"""Of a lease with every permission there is, and a verifier."""
MAX_PAGE_REVOCATIONS: Final = 500
"""A page with as many has room for a page of rows no more: those come with the next."""


def cut_page(due: Sequence[DueRow]) -> list[DueRow]:
    """Return the first rows that fit."""
    taken: list[DueRow] = []
    room = MAX_PAGE_BYTES
    for row in due[:MAX_PAGE_ROWS]:
        room -= _cost(row)
        if room < 0 and taken:
            break
        taken.append(row)
    return taken


def row_on_page(due: DueRow) -> dict[str, Any]:
    """Return a row as `pulse_contracts.operations.SyncedRow`; of one that left the scope nothing but that."""
    row = due.row
    if due.is_gone:
        # Of a row that lives on outside the scope not even when it changed.
        version, stamp = (row.version, row.stamp) if row.is_deleted and due.is_member else (0, NO_STAMP)
        return {"entity": row.entity, "id": row.id, "version": version, "updated_at": stamp, "deleted": True}
    return {
        "entity": row.entity,
        "id": row.id,
        "version": row.version,
        "updated_at": row.stamp,
        "updated_by": row.updated_by,
        "source": row.source,
        "fields": dict(row.fields),
    }


def may_sign_in(due: DueRow) -> bool:
    """Whether this is a user of the scope whose account is active: somebody who gets a lease."""
    return due.row.entity == "users" and not due.is_gone and due.row.fields.get("is_active") is True


def _cost(due: DueRow) -> int:
    if due.is_gone:
        return ROW_BYTES
    return ROW_BYTES + len(due.row.id) + due.size + (ACCESS_BYTES if may_sign_in(due) else 0)
