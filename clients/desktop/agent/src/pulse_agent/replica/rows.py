"""Rows as the server gave them, in their tables, and as people see them: with unanswered edits on top."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any, Final

from pulse_agent.replica.masks import is_deletion, laid_over
from pulse_contracts.operations import EditableEntity, SyncedRow
from pulse_contracts.stamps import NO_STAMP
from pulse_contracts.sync import row_digest

TABLES: Final = {"permissions": "permissions", "roles": "roles", "users": "users", "config": "system_config"}
_COLUMNS: Final = "id, version, updated_at, updated_by, source, fields"


@dataclass(frozen=True, slots=True)
class ReplicaRow:
    """A row; `is_pending` when local edits that the server has not answered are part of it. `version` 0: not there yet."""

    id: str
    version: int
    updated_at: str
    updated_by: str | None
    source: str
    fields: dict[str, Any]
    is_pending: bool = False


def name_key(name: str) -> str:
    """Return the form under which a username or a role's name is unique."""
    return name.casefold()


def base_row(connection: sqlite3.Connection, entity: str, row_id: str) -> ReplicaRow | None:
    """Return a row as the server gave it."""
    found = connection.execute(f"SELECT {_COLUMNS} FROM {TABLES[entity]} WHERE id = ?", (row_id,)).fetchone()  # noqa: S608 -- names of ours
    return None if found is None else _row(found)


def base_rows(connection: sqlite3.Connection, entity: str) -> dict[str, ReplicaRow]:
    """Return all rows of an entity as the server gave them, by id."""
    found = connection.execute(f"SELECT {_COLUMNS} FROM {TABLES[entity]} ORDER BY id")  # noqa: S608 -- names of ours
    return {values[0]: _row(values) for values in found}


def row(connection: sqlite3.Connection, entity: str, row_id: str) -> ReplicaRow | None:
    """Return a row with local edits on top; None when it is not there, or deleted here."""
    return _edited(entity, row_id, base_row(connection, entity, row_id), _edits(connection, entity, row_id))


def rows(connection: sqlite3.Connection, entity: str) -> dict[str, ReplicaRow]:
    """Return all rows with local edits on top, by id."""
    result = base_rows(connection, entity)
    by_row: dict[str, list[_Edit]] = {}
    for edit in _edits(connection, entity):
        by_row.setdefault(edit.row_id, []).append(edit)
    for row_id, edits in by_row.items():
        edited = _edited(entity, row_id, result.pop(row_id, None), edits)
        if edited is not None:
            result[row_id] = edited
    return result


def put_row(connection: sqlite3.Connection, given: SyncedRow, held_until: int) -> None:
    """Keep a row that came with an answer; nothing older than what is there."""
    table = TABLES[given.entity]
    held = base_row(connection, given.entity, given.id)
    if held is not None and held.version > given.version:
        return
    if given.deleted:
        delete_row(connection, given.entity, given.id)
        return
    digest = row_digest(given.entity, given.id, given.version, given.fields)
    text = json.dumps(given.fields, ensure_ascii=False)
    values = [given.id, given.version, given.updated_at, given.updated_by, given.source, text, digest, held_until]
    key = name_key(str(given.fields.get("username" if given.entity == "users" else "name", "")))
    if given.entity in ("users", "roles"):
        values.append(key)
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", values)  # noqa: S608 -- names of ours
    set_members(connection, given.entity, given.id, given.fields)


def set_members(connection: sqlite3.Connection, entity: str, row_id: str, fields: dict[str, Any]) -> None:
    """Keep the roles of a user, or the permissions of a role, in their own table."""
    if entity == "users":
        connection.execute("DELETE FROM user_roles WHERE user_id = ?", (row_id,))
        pairs = [(row_id, role) for role in fields.get("roles") or ()]
        connection.executemany("INSERT OR IGNORE INTO user_roles VALUES (?, ?)", pairs)
    elif entity == "roles":
        connection.execute("DELETE FROM role_permissions WHERE role_id = ?", (row_id,))
        pairs = [(row_id, permission) for permission in fields.get("permissions") or ()]
        connection.executemany("INSERT OR IGNORE INTO role_permissions VALUES (?, ?)", pairs)


def delete_row(connection: sqlite3.Connection, entity: str, row_id: str) -> None:
    """Forget a row that is gone or left the scope, with all that belongs to it and all that quotes it."""
    connection.execute(f"DELETE FROM {TABLES[entity]} WHERE id = ?", (row_id,))  # noqa: S608 -- names of ours
    connection.execute("UPDATE sync_conflict SET server_row = NULL WHERE entity = ? AND id = ?", (entity, row_id))
    if entity == "users":
        for table in ("user_roles", "lease", "verifier"):
            connection.execute(f"DELETE FROM {table} WHERE user_id = ?", (row_id,))  # noqa: S608 -- names of ours
    elif entity == "roles":
        connection.execute("DELETE FROM role_permissions WHERE role_id = ?", (row_id,))


def checksum(connection: sqlite3.Connection, entity: str) -> tuple[int, str]:
    """Return how many rows of the server there are, and the sum of their digests modulo 2^64 as 16 hex digits."""
    # In two halves: SQLite refuses a sum beyond 63 bits.
    count, high, low = connection.execute(
        f"SELECT count(*), coalesce(sum(digest >> 32), 0), coalesce(sum(digest & 4294967295), 0) FROM {TABLES[entity]}"  # noqa: S608 -- names of ours
    ).fetchone()
    return count, f"{((high << 32) + low) % 2**64:016x}"


@dataclass(frozen=True, slots=True)
class _Edit:
    row_id: str
    base_version: int
    mask: dict[str, Any]


def _edits(connection: sqlite3.Connection, entity: str, row_id: str | None = None) -> list[_Edit]:
    found = connection.execute(
        "SELECT id, base_version, fields FROM sync_outbox WHERE entity = ?1 AND (?2 IS NULL OR id = ?2) "
        "ORDER BY position",
        (entity, row_id),
    )
    return [_Edit(values[0], values[1], json.loads(values[2])) for values in found]


def _edited(entity: str, row_id: str, base: ReplicaRow | None, edits: list[_Edit]) -> ReplicaRow | None:
    if not edits:
        return base
    if base is None and edits[0].base_version > 0:
        return None  # it is gone or left the scope while its edit was on the way
    fields = None if base is None else base.fields
    for mask in (edit.mask for edit in edits):
        if is_deletion(mask):
            return None
        fields = laid_over(EditableEntity(entity), fields, mask)
    before = base or ReplicaRow(row_id, 0, NO_STAMP, None, "desktop", {})
    return ReplicaRow(row_id, before.version, before.updated_at, before.updated_by, before.source, fields or {}, True)


def _row(values: tuple[Any, ...]) -> ReplicaRow:
    row_id, version, updated_at, updated_by, source, fields = values
    return ReplicaRow(row_id, version, updated_at, updated_by, source, json.loads(fields))
