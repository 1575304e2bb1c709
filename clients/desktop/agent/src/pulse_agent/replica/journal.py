"""What happened in sync, for people: a bounded log, and every edit that did not stand, kept whole.

Guarantees: the newest `MAX_ENTRIES` of each are kept; an operation is in the conflicts at most once; no password, hash
or key gets in.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any, Final

from pulse_contracts.operations import EditableEntity

MAX_ENTRIES: Final = 1_000
MAX_DETAIL_CHARS: Final = 500
_NOUN: Final = {
    EditableEntity.USERS: "the user",
    EditableEntity.ROLES: "the role",
    EditableEntity.CONFIG: "the setting",
}
_REASONS: Final = {
    "conflict_lost": "somebody else changed it later, and their change stands",
    "rejected": "the server refused it",
    "won": "it was changed elsewhere at the same time, and this change stands",
}


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line: `kind` apply (a row), swap, operation, revocation, checksum, pull, push, message; `status` in one word."""

    number: int
    at_ms: int
    kind: str
    source: str
    status: str
    entity: str | None
    row_id: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class KeptConflict:
    """An edit that met another: `outcome` conflict_lost or rejected (undone here), or won. Both sides, both stamps."""

    number: int
    at_ms: int
    op_id: str
    entity: EditableEntity
    row_id: str
    outcome: str
    code: str | None
    detail: str | None
    actor: str
    desktop_fields: dict[str, Any]
    desktop_stamp: str
    server_row: dict[str, Any] | None
    conflict_id: str | None
    is_read: bool
    resolution: str | None = None
    """`accepted` or `restored` by a person here; None: nobody decided."""

    @property
    def name(self) -> str:
        """What the row is called, as far as either side says."""
        fields = (self.server_row or {}).get("fields") or {}
        name = fields.get("username") or fields.get("name") or self.desktop_fields.get("username")
        return str(name or self.desktop_fields.get("name") or self.row_id)

    @property
    def is_open(self) -> bool:
        """Whether a person may still decide on it: it was undone here, and nobody did."""
        return self.outcome != "won" and self.resolution is None

    @property
    def sentence(self) -> str:
        """What a person is told."""
        what = ", ".join(key.replace("_", " ") for key in sorted(self.desktop_fields))
        because = self.detail or (self.code or "").replace("_", " ")
        tail = f" ({because})" if because else ""
        return f"Your change of {_NOUN[self.entity]} {self.name} ({what}): {_REASONS[self.outcome]}{tail}."


class Journal:
    """Writes and reads both lists; writing happens within the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def note(self, at_ms: int, kind: str, status: str, detail: str, row: tuple[str, str] | None = None) -> None:
        """Write a line about a message or a swap, or about one row (entity, id)."""
        source = "desktop" if kind in ("operation", "edit") else "server"
        entity, row_id = row or (None, None)
        values = (at_ms, kind, source, status, entity, row_id, detail[:MAX_DETAIL_CHARS])
        self._connection.execute(
            "INSERT INTO sync_log (at, kind, source, status, entity, id, detail) VALUES (?, ?, ?, ?, ?, ?, ?)", values
        )
        self._trim("sync_log")

    def note_applied(self, at_ms: int) -> None:
        """Write a line for each row that is staged, within the transaction that swaps them in."""
        self._connection.execute(
            "INSERT INTO sync_log (at, kind, source, status, entity, id, detail) SELECT ?, 'apply', source, "
            "CASE WHEN deleted THEN 'gone' ELSE 'applied' END, entity, id, 'version ' || version FROM staging "
            "LIMIT ?",
            (at_ms, MAX_ENTRIES),
        )
        self._trim("sync_log")

    def keep_conflict(self, conflict: KeptConflict) -> None:
        """Keep an edit and what it met; a second time changes nothing."""
        self._connection.execute(
            "INSERT OR IGNORE INTO sync_conflict (at, op_id, entity, id, outcome, code, detail, actor, desktop_fields, "
            "desktop_stamp, server_row, conflict_id, is_read) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                conflict.at_ms,
                conflict.op_id,
                conflict.entity.value,
                conflict.row_id,
                conflict.outcome,
                conflict.code,
                conflict.detail and conflict.detail[:MAX_DETAIL_CHARS],
                conflict.actor,
                json.dumps(conflict.desktop_fields, ensure_ascii=False),
                conflict.desktop_stamp,
                None if conflict.server_row is None else json.dumps(conflict.server_row, ensure_ascii=False),
                conflict.conflict_id,
                int(conflict.is_read),
            ),
        )
        self._trim("sync_conflict")

    def conflicts(self, *, only_unread: bool = False) -> list[KeptConflict]:
        """Return what is kept, oldest first."""
        found = self._connection.execute(
            "SELECT number, at, op_id, entity, id, outcome, code, detail, actor, desktop_fields, desktop_stamp, "
            "server_row, conflict_id, is_read, resolution FROM sync_conflict WHERE is_read = 0 OR ? ORDER BY number",
            (not only_unread,),
        )
        return [_conflict(values) for values in found]

    def mark_read(self, numbers: list[int]) -> None:
        """Note that a person was told of these conflicts."""
        self._connection.executemany("UPDATE sync_conflict SET is_read = 1 WHERE number = ?", [(n,) for n in numbers])

    def resolve(self, number: int, resolution: str) -> None:
        """Note what a person decided about a conflict, within the open transaction."""
        values = (resolution, number)
        self._connection.execute("UPDATE sync_conflict SET resolution = ?, is_read = 1 WHERE number = ?", values)

    def log(self, limit: int = MAX_ENTRIES, before: int | None = None) -> list[LogEntry]:
        """Return the newest lines, or the newest before the line of a number, oldest first."""
        found = self._connection.execute(
            "SELECT number, at, kind, source, status, entity, id, detail FROM sync_log WHERE ?1 IS NULL OR number < ?1 "
            "ORDER BY number DESC LIMIT ?2",
            (before, limit),
        ).fetchall()
        return [LogEntry(*values) for values in reversed(found)]

    def _trim(self, table: str) -> None:
        self._connection.execute(
            f"DELETE FROM {table} WHERE number <= (SELECT max(number) FROM {table}) - ?",  # noqa: S608 -- names of ours
            (MAX_ENTRIES,),
        )


def _conflict(values: tuple[Any, ...]) -> KeptConflict:
    (
        number, at, op_id, entity, row_id, outcome, code, detail, actor, fields, stamp, server, conflict_id, is_read,
        resolution,
    ) = values  # fmt: skip
    return KeptConflict(
        number=number,
        at_ms=at,
        op_id=op_id,
        entity=EditableEntity(entity),
        row_id=row_id,
        outcome=outcome,
        code=code,
        detail=detail,
        actor=actor,
        desktop_fields=json.loads(fields),
        desktop_stamp=stamp,
        server_row=None if server is None else json.loads(server),
        conflict_id=conflict_id,
        is_read=bool(is_read),
        resolution=resolution,
    )
