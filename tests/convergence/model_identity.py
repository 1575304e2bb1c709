"""The owner of people and roles as the model needs it: the one rule over rows in memory, and what it must never break.

The laws are checked here beside the rule and without it: a revocation takes effect whoever is later, and what the server
revoked does not come back by an edit that did not know of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pulse_chassis.clock import ManualClock
from pulse_chassis.errors import UnavailableError
from pulse_chassis.signatures import TrustedKeys
from pulse_contracts import reconciliation
from pulse_contracts.operations import (
    OPERATION_TYPE,
    ConflictReport,
    Operation,
    OperationOutcome,
    OutcomeKind,
    SyncedRow,
)
from pulse_contracts.reconciliation import DELETED, Change, Decision, RowState, Winner
from pulse_contracts.stamps import NO_STAMP, Stamp, clamped, next_stamp
from pulse_contracts.sync import PasswordVerifier
from pulse_sync.domain.rows import LogRow, RowKey
from pulse_sync.storage.in_memory_log import OwnedData
from pulse_sync.use_cases.ports import Desktop

SETS = {"users": "roles", "roles": "permissions"}


@dataclass
class ModelIdentity:
    """A `PeopleOwner` and `Verifiers`."""

    owned: OwnedData
    clock: ManualClock
    is_away: bool = False
    ended: dict[RowKey, RowState] = field(default_factory=dict)
    answers: dict[UUID, OperationOutcome] = field(default_factory=dict)
    losers: dict[UUID, str] = field(default_factory=dict)
    """Operation → the desktop whose edit met another."""
    events: list[RowKey] = field(default_factory=list)
    """Rows that changed and of which sync was not told yet."""

    # -- what people do on the web ---------------------------------------------------------------------------------

    def edit(self, key: RowKey, mask: Mapping[str, Any]) -> None:
        """Do on the web what a mask says; a row that is not there is made."""
        if key in self.ended:
            return
        row = self.owned.rows.get(key) or LogRow(*key, 0, NO_STAMP, None, "web", {SETS[key[0]]: []})
        self._write(row, mask, next_stamp(row.stamp, self._now_ms()), "web")

    # -- what sync asks --------------------------------------------------------------------------------------------

    async def apply(self, device_id: str, operations: Sequence[str]) -> Sequence[OperationOutcome]:
        """Apply operations in this order."""
        if self.is_away:
            raise UnavailableError("identity is away")
        keys = TrustedKeys([self.owned.desktops[device_id][0].sign_jwk])
        opened = [Operation.model_validate_json(keys.open(token, OPERATION_TYPE)) for token in operations]
        return [self._answer(operation) for operation in opened]

    async def restore(self, actor: UUID, entity: str, row_id: str, fields: Mapping[str, Any]) -> None:
        """Make the lost side stand."""
        self.edit((entity, row_id), fields)

    async def verifiers(self, desktop: Desktop, versions: Mapping[str, int]) -> Mapping[str, PasswordVerifier | None]:
        """Return a verifier for everybody, unless identity is away."""
        if self.is_away:
            return {}
        made = PasswordVerifier(salt="c2FsdA==", time_cost=1, memory_kib=8, parallelism=1, hash_bytes=32, mac="bWFj")
        return dict.fromkeys(versions, made)

    # -- the rule --------------------------------------------------------------------------------------------------

    def _answer(self, operation: Operation) -> OperationOutcome:
        if operation.op_id not in self.answers:
            self.answers[operation.op_id] = self._decided(operation)
        return self.answers[operation.op_id]

    def _decided(self, operation: Operation) -> OperationOutcome:
        key = (operation.entity.value, operation.id)
        row = self.owned.rows.get(key)
        if row is None and key not in self.ended:
            return self._outcome(operation, OutcomeKind.REJECTED, None)
        state = self.ended[key] if row is None else RowState(row.version, row.stamp, False, row.revoked)
        stamp = clamped(Stamp(operation.updated_at), self._now_ms())
        changes = changes_of(operation.fields)
        decision = reconciliation.decide(operation.base_version, stamp, changes, state)
        after = row
        if row is not None and decision.apply:
            after = self._write(row, chosen(operation.fields, decision.apply), max(stamp, row.stamp), "desktop")
        check_laws(operation, changes, state, row, after)
        return self._outcome(operation, kind_of(decision), self._report(operation, stamp, decision, row, state))

    def _write(self, row: LogRow, mask: Mapping[str, Any], stamp: Stamp, source: str) -> LogRow | None:
        version = row.version + 1
        self.events.append(row.key)
        if mask.get(DELETED):
            self.owned.rows.pop(row.key, None)
            self.owned.access = {pair for pair in self.owned.access if row.key != ("users", pair[0])}
            self.ended[row.key] = RowState(version, stamp, True, {**row.revoked, DELETED: version})
            if row.entity == "roles":
                self._forget_role(row.id)
            return None
        revoked = {change.key: version for change in changes_of(mask) if change.is_revocation}
        fields = laid_over(row, mask)
        written = LogRow(row.entity, row.id, version, stamp, None, source, fields, revoked={**row.revoked, **revoked})
        self.owned.rows[row.key] = written
        return written

    def _forget_role(self, role_id: str) -> None:
        for row in list(self.owned.rows.values()):
            if row.entity == "users" and role_id in row.fields["roles"]:
                self._write(row, {"roles_removed": [role_id]}, next_stamp(row.stamp, self._now_ms()), "web")

    def _report(
        self, operation: Operation, stamp: Stamp, decision: Decision, row: LogRow | None, state: RowState
    ) -> ConflictReport | None:
        if decision.winner is None:
            return None
        self.losers[operation.op_id] = operation.desktop_id
        return ConflictReport(
            winner="desktop" if decision.winner is Winner.DESKTOP else "server",
            desktop_fields=operation.fields,
            desktop_stamp=stamp,
            server_fields={} if row is None else dict(row.fields),
            server_stamp=state.stamp,
            applied=sorted(decision.apply),
        )

    def _outcome(self, operation: Operation, kind: OutcomeKind, conflict: ConflictReport | None) -> OperationOutcome:
        row = self.owned.rows.get((operation.entity.value, operation.id))
        told = None
        if row is not None:
            told = SyncedRow(
                entity=operation.entity.value,
                id=row.id,
                version=row.version,
                updated_at=row.stamp,
                source=row.source,  # type: ignore[arg-type] -- one of the two
                fields=dict(row.fields),
            )
        return OperationOutcome(op_id=operation.op_id, op_no=operation.op_no, outcome=kind, row=told, conflict=conflict)

    def _now_ms(self) -> int:
        return int(self.clock.now().timestamp() * 1000)


def kind_of(decision: Decision) -> OutcomeKind:
    """Return how an operation that was decided ended."""
    return OutcomeKind.CONFLICT_LOST if decision.winner is Winner.SERVER else OutcomeKind.APPLIED


def changes_of(mask: Mapping[str, Any]) -> list[Change]:
    """Return what a mask does, key by key."""
    if mask.get(DELETED):
        return [Change(DELETED, is_revocation=True)]
    changes = []
    for name, value in mask.items():
        plain, _, kind = name.rpartition("_")
        if kind in {"added", "removed"}:
            changes += [Change(f"{plain}:{member}", is_revocation=kind == "removed") for member in value]
        else:
            changes.append(Change(name, is_revocation=name == "is_active" and not value))
    return changes


def chosen(mask: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    """Return the part of a mask that is applied."""
    part: dict[str, Any] = {}
    for name, value in mask.items():
        plain, _, kind = name.rpartition("_")
        if kind in {"added", "removed"}:
            part[name] = [member for member in value if f"{plain}:{member}" in keys]
        elif name in keys:
            part[name] = value
    return part


def laid_over(row: LogRow, mask: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's fields with a mask on top."""
    name = SETS[row.entity]
    plain = {key: value for key, value in mask.items() if not key.endswith(("_added", "_removed"))}
    members = (set(row.fields[name]) | set(mask.get(f"{name}_added", ()))) - set(mask.get(f"{name}_removed", ()))
    return {**row.fields, **plain, name: sorted(members)}


def check_laws(
    operation: Operation, changes: Sequence[Change], state: RowState, before: LogRow | None, after: LogRow | None
) -> None:
    """Fail when an edit that was answered broke what must hold whoever was later."""
    for change in changes:
        if change.is_revocation:
            assert after is None or not holds(after, change.key), f"the revocation of {change.key} was lost"
    for key, version in state.revoked.items():
        came_back = before is not None and after is not None and holds(after, key) and not holds(before, key)
        assert not (came_back and version > operation.base_version), f"{key} came back by an edit that knew no better"


def holds(row: LogRow, key: str) -> bool:
    """Tell whether a row gives what a revocation of this key takes."""
    if key == DELETED:
        return True
    if key == "is_active":
        return bool(row.fields.get("is_active"))
    name, _, member = key.partition(":")
    return member in row.fields.get(name, ())
