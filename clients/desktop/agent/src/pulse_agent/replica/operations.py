"""Edits made here, from the keystroke to the server's answer: the queue `sync_outbox`.

Guarantees: an edit is on the disk before anybody is told that it is kept. Edits of one row by one person merge into
one operation (one step of the row's version) until it is signed; from then on it is sent byte by byte the same until
answered, and later edits of the row wait for the answer. `op_no` is given at signing: 1, 2, 3 … in the order of
sending. Roles go before users, who may refer to them, and roles that end go last.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pulse_agent.replica.database import ReplicaDatabase
from pulse_agent.replica.identity import DesktopIdentity
from pulse_agent.replica.journal import Journal, KeptConflict
from pulse_agent.replica.masks import PASSWORD, checked_mask, is_deletion, merged, without_secrets
from pulse_agent.replica.refusals import EditRefusedError
from pulse_agent.replica.rows import base_row, delete_row, put_row, row
from pulse_contracts.operations import (
    MAX_OPERATION_BYTES,
    MAX_OPERATIONS,
    OPERATION_TYPE,
    EditableEntity,
    Operation,
    OperationOutcome,
    OutcomeKind,
)
from pulse_contracts.reconciliation import DELETED
from pulse_contracts.stamps import NO_STAMP, Stamp, next_stamp

MAX_PENDING: Final = 10_000
"""Operations that may wait for the server; overflow policy: the edit is refused, in words."""
MAX_PUSH_CHARS: Final = 256 * 1024
HOLD_MS: Final = 30_000
"""So long a row taken from an answer may be ahead of the pages: the change log hears of it a little later."""
_MAX_FIELDS_BYTES: Final = MAX_OPERATION_BYTES * 11 // 16
"""So that the signed operation, in base 64 and with its other fields, stays within MAX_OPERATION_BYTES."""


@dataclass(frozen=True, slots=True)
class PendingOperation:
    """An operation that is not answered yet; `op_no` None: not sent yet."""

    op_id: str
    op_no: int | None
    entity: EditableEntity
    row_id: str
    base_version: int
    fields: dict[str, Any]
    updated_at: str
    actor: str


class Operations:
    """The queue. Methods that write expect no open transaction."""

    def __init__(self, database: ReplicaDatabase, identity: DesktopIdentity) -> None:
        self._database = database
        self._identity = identity
        self._journal = Journal(database.connection)

    # -- edits ------------------------------------------------------------------------------------------------------

    def record(self, actor: UUID, entity: EditableEntity, row_id: str, fields: Mapping[str, Any], now_ms: int) -> None:
        """Keep an edit: of a row that is there, or a new row. Raises EditRefusedError, ValueError for a wrong field."""
        mask = checked_mask(entity, fields)
        with self._database.transaction(durable=True) as connection:
            current = row(connection, entity, row_id)
            waiting = self._last_of(connection, entity, row_id)
            if is_deletion(mask) and current is None:
                raise EditRefusedError("unknown_row", "there is nothing to delete")
            can_revive = entity is EditableEntity.CONFIG and waiting is not None and waiting.op_no is None
            if waiting is not None and current is None and not can_revive:
                raise EditRefusedError("unknown_row", "this is not there any more")
            stamp = self._stamp(now_ms)
            if waiting is not None and waiting.op_no is None and waiting.actor == str(actor):
                self._merge(connection, waiting, mask, stamp)
            else:
                base = base_row(connection, entity, row_id)
                pending = PendingOperation(
                    str(uuid.uuid4()), None, entity, row_id, base.version if base else 0, mask, stamp, str(actor)
                )
                self._insert(connection, pending)

    def _stamp(self, now_ms: int) -> Stamp:
        stamp = next_stamp(Stamp(self._database.value("stamp") or NO_STAMP), now_ms)
        self._database.set_value("stamp", stamp)
        return stamp

    def _merge(
        self, connection: sqlite3.Connection, waiting: PendingOperation, mask: dict[str, Any], stamp: Stamp
    ) -> None:
        fields = merged(waiting.entity, waiting.fields, mask)
        if waiting.base_version == 0 and self._is_first(connection, waiting):
            if is_deletion(fields):
                connection.execute("DELETE FROM sync_outbox WHERE op_id = ?", (waiting.op_id,))
                return  # nobody but us ever knew of it
            fields = {key: value for key, value in fields.items() if not key.endswith("_removed")}
        if {"username", "name", "roles_added", DELETED} & mask.keys():
            # It may rely on what was edited after the operation was begun: a role made, a name freed.
            connection.execute("DELETE FROM sync_outbox WHERE op_id = ?", (waiting.op_id,))
            self._insert(
                connection,
                PendingOperation(
                    waiting.op_id,
                    None,
                    waiting.entity,
                    waiting.row_id,
                    waiting.base_version,
                    fields,
                    stamp,
                    waiting.actor,
                ),
            )
            return
        _check_size(fields)
        connection.execute(
            "UPDATE sync_outbox SET fields = ?, updated_at = ? WHERE op_id = ?",
            (json.dumps(fields), stamp, waiting.op_id),
        )

    def _insert(self, connection: sqlite3.Connection, made: PendingOperation) -> None:
        _check_size(made.fields)
        if self.count() >= MAX_PENDING:
            raise EditRefusedError("too_many_pending", f"{MAX_PENDING} changes already wait for the server")
        connection.execute(
            "INSERT INTO sync_outbox (op_id, entity, id, base_version, fields, updated_at, actor) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                made.op_id,
                made.entity.value,
                made.row_id,
                made.base_version,
                json.dumps(made.fields),
                made.updated_at,
                made.actor,
            ),
        )

    # -- what waits -------------------------------------------------------------------------------------------------

    def count(self) -> int:
        """Return how many operations wait for an answer."""
        return int(self._database.connection.execute("SELECT count(*) FROM sync_outbox").fetchone()[0])

    def pending(self) -> list[PendingOperation]:
        """Return all that wait, in the order in which they were made."""
        return read_operations(self._database.connection, "ORDER BY position")

    def next_push(self) -> list[str]:
        """Return the operations to send now, signed, in order; those sent before come first, the same bytes again."""
        connection = self._database.connection
        if connection.execute("SELECT count(*) FROM sync_outbox WHERE token IS NULL").fetchone()[0]:
            with self._database.transaction(durable=True) as writing:
                self._sign_some(writing)
        tokens: list[str] = []
        room = MAX_PUSH_CHARS
        found = connection.execute(
            "SELECT token FROM sync_outbox WHERE token IS NOT NULL ORDER BY op_no LIMIT ?", (MAX_OPERATIONS,)
        )
        for (token,) in found:
            room -= len(token)
            if tokens and room < 0:
                break
            tokens.append(token)
        return tokens

    def _sign_some(self, connection: sqlite3.Connection) -> None:
        again = read_operations(connection, "WHERE token IS NULL AND op_no IS NOT NULL ORDER BY op_no")
        fresh = sorted(read_operations(connection, "WHERE op_no IS NULL ORDER BY position"), key=_rank)
        number = self._database.number("op_no")
        rows = set(connection.execute("SELECT entity, id FROM sync_outbox WHERE op_no IS NOT NULL"))
        for made in again:
            self._sign(connection, made, made.op_no or 0)
        for made in fresh[: MAX_OPERATIONS * 2]:
            if (made.entity.value, made.row_id) in rows or not self._is_first(connection, made):
                continue  # an earlier edit of this row is on its way: this one waits for its answer
            number += 1
            self._sign(connection, made, number)
        self._database.set_value("op_no", number)

    def _sign(self, connection: sqlite3.Connection, made: PendingOperation, number: int) -> None:
        operation = Operation(
            op_id=UUID(made.op_id),
            desktop_id=self._identity.device_id,
            op_no=number,
            entity=made.entity,
            id=made.row_id,
            base_version=made.base_version,
            fields=made.fields,
            updated_at=made.updated_at,
            actor=UUID(made.actor),
        )
        token = self._identity.signing_key.sign(operation.model_dump_json().encode(), OPERATION_TYPE)
        connection.execute("UPDATE sync_outbox SET op_no = ?, token = ? WHERE op_id = ?", (number, token, made.op_id))

    # -- answers ----------------------------------------------------------------------------------------------------

    def settle(self, connection: sqlite3.Connection, outcome: OperationOutcome, now_ms: int) -> PendingOperation | None:
        """Take an answer within the open transaction; return what it was about, None for one that settles nothing."""
        found = read_operations(connection, "WHERE op_id = ? AND token IS NOT NULL", str(outcome.op_id))
        if not found:
            return None
        (made,) = found
        connection.execute("DELETE FROM sync_outbox WHERE op_id = ?", (made.op_id,))
        self._take_row(connection, made, outcome, now_ms)
        self._note(made, outcome, now_ms)
        self._rebase(connection, made, outcome, now_ms)
        return made

    def _take_row(
        self, connection: sqlite3.Connection, made: PendingOperation, outcome: OperationOutcome, now_ms: int
    ) -> None:
        given = outcome.row
        held = base_row(connection, made.entity, made.row_id)
        if PASSWORD in made.fields and given is not None and (held is None or held.version < given.version):
            # The old password counts no longer; how to check the new one comes with the row's next page.
            connection.execute("DELETE FROM verifier WHERE user_id = ?", (made.row_id,))
        if given is not None and (given.entity, given.id) == (made.entity.value, made.row_id):
            put_row(connection, given, now_ms + HOLD_MS)
            self.saw(Stamp(given.updated_at))
        elif given is None and outcome.outcome is not OutcomeKind.REJECTED:
            delete_row(connection, made.entity, made.row_id)

    def _note(self, made: PendingOperation, outcome: OperationOutcome, now_ms: int) -> None:
        status = outcome.outcome.value
        detail = f"op {made.op_no}: {', '.join(sorted(made.fields))}" + (f" ({outcome.code})" if outcome.code else "")
        self._journal.note(now_ms, "operation", status, detail, (made.entity.value, made.row_id))
        is_applied = outcome.outcome is OutcomeKind.APPLIED
        if not is_applied or outcome.conflict_id is not None:
            self._keep(made, outcome, now_ms, "won" if is_applied else status)

    def _keep(
        self,
        made: PendingOperation,
        outcome: OperationOutcome | None,
        now_ms: int,
        status: str,
        code: str | None = None,
    ) -> None:
        self._journal.keep_conflict(
            KeptConflict(
                number=0,
                at_ms=now_ms,
                op_id=made.op_id,
                entity=made.entity,
                row_id=made.row_id,
                outcome=status,
                code=code or (outcome.code if outcome else None),
                detail=outcome.detail if outcome else None,
                actor=made.actor,
                desktop_fields=without_secrets(made.fields),
                desktop_stamp=made.updated_at,
                server_row=None if outcome is None else _server_side(outcome),
                conflict_id=str(outcome.conflict_id) if outcome and outcome.conflict_id else None,
                is_read=status == "won",
            )
        )

    def _rebase(
        self, connection: sqlite3.Connection, made: PendingOperation, outcome: OperationOutcome, now_ms: int
    ) -> None:
        """Put later edits of the same row onto what became of this one."""
        later = read_operations(
            connection, "WHERE entity = ? AND id = ? ORDER BY position", made.entity.value, made.row_id
        )
        if not later:
            return
        if outcome.outcome is OutcomeKind.APPLIED and outcome.row is not None:
            # Ours was one step; what others did since is not what the person saw, and stays a conflict to be decided.
            version = outcome.row.version
            if outcome.conflict_id is None and made.base_version > 0:
                version = min(version, made.base_version + 1)
            connection.execute(
                "UPDATE sync_outbox SET base_version = ? WHERE entity = ? AND id = ?",
                (version, made.entity.value, made.row_id),
            )
        elif made.base_version == 0:
            for lost in later:  # edits of a row that never came to be
                connection.execute("DELETE FROM sync_outbox WHERE op_id = ?", (lost.op_id,))
                detail = "the row that it edits is not here"
                self._journal.note(now_ms, "operation", "rejected", detail, (lost.entity.value, lost.row_id))
                self._keep(lost, None, now_ms, "rejected", "row_not_here")

    def saw(self, stamp: Stamp) -> None:
        """Note the highest stamp seen, within the open transaction: the next edit's comes after it."""
        if stamp > (self._database.value("stamp") or NO_STAMP):
            self._database.set_value("stamp", stamp)

    # -- inside -----------------------------------------------------------------------------------------------------

    @staticmethod
    def _last_of(connection: sqlite3.Connection, entity: EditableEntity, row_id: str) -> PendingOperation | None:
        found = read_operations(
            connection, "WHERE entity = ? AND id = ? ORDER BY position DESC LIMIT 1", entity.value, row_id
        )
        return found[0] if found else None

    @staticmethod
    def _is_first(connection: sqlite3.Connection, made: PendingOperation) -> bool:
        found = read_operations(
            connection, "WHERE entity = ? AND id = ? ORDER BY position LIMIT 1", made.entity.value, made.row_id
        )
        return bool(found) and found[0].op_id == made.op_id


def _server_side(outcome: OperationOutcome) -> dict[str, Any] | None:
    """Return what the edit met: the row before, as its owner reports it, else the row that stands."""
    met = outcome.conflict
    if met is not None:
        return {"fields": met.server_fields, "updated_at": met.server_stamp, "updated_by": met.server_updated_by}
    if outcome.row is None or outcome.outcome is OutcomeKind.APPLIED:
        return None
    return outcome.row.model_dump(mode="json")


def _check_size(fields: dict[str, Any]) -> None:
    if len(json.dumps(fields)) > _MAX_FIELDS_BYTES:
        raise EditRefusedError("too_large", "this change is too large to send")


def _rank(made: PendingOperation) -> int:
    if made.entity is EditableEntity.ROLES:
        return 3 if is_deletion(made.fields) else 0
    return 1 if made.entity is EditableEntity.USERS else 2


def read_operations(connection: sqlite3.Connection, clause: str, *values: object) -> list[PendingOperation]:
    """Return the operations that a clause of ours selects."""
    found = connection.execute(
        "SELECT op_id, op_no, entity, id, base_version, fields, updated_at, actor FROM sync_outbox " + clause,  # noqa: S608 -- ours
        values,
    ).fetchall()
    return [
        PendingOperation(op_id, op_no, EditableEntity(entity), row_id, base, json.loads(fields), stamp, actor)
        for op_id, op_no, entity, row_id, base, fields, stamp, actor in found
    ]
