"""Applying what desktops edited: each operation for itself, at most once, by the one rule of reconciliation.

Guaranteed: an operation's effect and its answer are committed together, and the same operation gets the same answer for
`KEPT`; one that is refused changes nothing and hinders no other; what loses a conflict is in the answer, whole. An
answer without proof of who asked (a bad signature) is not kept. When a dependency is away, UnavailableError ends the
request: what was answered by then is repeated at the next attempt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, Protocol

from pulse_chassis.clock import Clock
from pulse_chassis.errors import ForbiddenError, InvalidError, NotFoundError, PulseError, UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.request_origin import RequestOrigin, current_origin, request_origin
from pulse_contracts.audit import AuditActor
from pulse_contracts.operations import ConflictReport, Operation, OperationOutcome, OutcomeKind
from pulse_contracts.reconciliation import Decision, Winner, decide
from pulse_contracts.stamps import Stamp, clamped
from pulse_identity.domain.desktops import Desktop
from pulse_identity.domain.edits import Editor
from pulse_identity.domain.fields import UserEdit
from pulse_identity.domain.passwords import check_password
from pulse_identity.use_cases.admit_newcomer import admit_newcomer
from pulse_identity.use_cases.edit_rows import NewPassword, acting, change_row, check_right, create_row
from pulse_identity.use_cases.enforce import enforce
from pulse_identity.use_cases.open_operation import Edit, claimed_names, open_operation, read_edit
from pulse_identity.use_cases.ports import PasswordHasher, UnitOfWork, Work
from pulse_identity.use_cases.sync_ports import KnownRow, PasswordBox

KEPT: Final = timedelta(days=180)
"""How long an answer is kept: as long as a tombstone."""
OutcomeName = Literal["operations_applied", "operations_lost", "operations_rejected"]
_NAMES: Final[dict[OutcomeKind, OutcomeName]] = {
    OutcomeKind.APPLIED: "operations_applied",
    OutcomeKind.CONFLICT_LOST: "operations_lost",
    OutcomeKind.REJECTED: "operations_rejected",
}
_CODES: Final = {"role_name_taken": "name_taken"}
"""What desktops call it: the code of a name that is taken is the same for whatever has one."""
_log = get_logger("operations")


class OutcomeCounts(Protocol):
    """Counts answers."""

    def add(self, name: OutcomeName, value: float = 1) -> None:
        """Add to one of the counters."""
        ...


@dataclass(slots=True)
class _Attempt:
    """An authentic operation on its way; once its actor may edit, the row is theirs to see."""

    operation: Operation
    desktop: Desktop
    may_see_row: bool = False


class ApplyOperations:
    """Applies a desktop's operations."""

    def __init__(
        self, work: Work, hasher: PasswordHasher, box: PasswordBox, clock: Clock, count: OutcomeCounts
    ) -> None:
        self._work = work
        self._hasher = hasher
        self._box = box
        self._clock = clock
        self._count = count

    async def __call__(self, desktop_id: str, tokens: Sequence[str]) -> list[OperationOutcome]:
        """Return an answer for each operation, in order; raises UnavailableError."""
        async with self._work() as unit:
            desktop = await unit.desktops.get(desktop_id)
        outcomes = []
        for token in tokens:
            outcome = await self._answer(desktop_id, desktop, token)
            self._count.add(_NAMES[outcome.outcome])
            outcomes.append(outcome)
        return outcomes

    async def _answer(self, desktop_id: str, desktop: Desktop | None, token: str) -> OperationOutcome:
        try:
            if desktop is None:
                message = "this desktop has no keys"
                raise ForbiddenError(message, code="unknown_desktop")
            operation = open_operation(desktop, token)
        except PulseError as error:
            op_id, op_no = claimed_names(token)
            _log.warning("operation_refused", desktop_id=desktop_id, op_id=str(op_id), code=error.code)
            return OperationOutcome(
                op_id=op_id, op_no=op_no, outcome=OutcomeKind.REJECTED, code=error.code, detail=error.message
            )
        attempt = _Attempt(operation, desktop)
        actor = AuditActor(kind="user", id=str(operation.actor))
        # The address is sync's, which says nothing: the person sat at the desktop.
        with request_origin(RequestOrigin(None, current_origin().request_id, actor)):
            try:
                return await self._apply(attempt)
            except UnavailableError:
                raise
            except PulseError as error:
                return await self._reject(attempt, error)

    async def _apply(self, attempt: _Attempt) -> OperationOutcome:
        operation = attempt.operation
        async with self._work() as unit:
            answered = await _answered(unit, operation)
        if answered is not None:
            return answered
        if not attempt.desktop.is_active:
            message = "this desktop is disabled"
            raise ForbiddenError(message, code="desktop_disabled")
        if not attempt.desktop.is_workstation:
            message = "only a workstation may edit people and roles"
            raise ForbiddenError(message, code="not_a_workstation")
        edit = read_edit(operation.entity, operation.id, operation.fields)
        password = await self._password(edit)
        async with self._work() as unit:
            # The operation first: of two that are the same, one waits here and then finds the answer.
            await unit.lock(f"operation:{operation.op_id}", f"row:{edit.entity}:{edit.row_id}")
            answered = await _answered(unit, operation)
            if answered is not None:
                return answered
            outcome = await self._decided(unit, attempt, edit, password)
            await unit.operations.add(operation.desktop_id, outcome, self._clock.now())
        return outcome

    async def _decided(
        self, unit: UnitOfWork, attempt: _Attempt, edit: Edit, password: NewPassword | None
    ) -> OperationOutcome:
        operation, now = attempt.operation, self._clock.now()
        actor = await acting(unit, operation.actor)
        if not await unit.desktops.has_access(operation.desktop_id, actor.user_id):
            message = "who edited has no access to this desktop any more"
            raise ForbiddenError(message, code="actor_out_of_scope")
        check_right(actor, edit)
        attempt.may_see_row = True
        stamp = clamped(Stamp(operation.updated_at), round(now.timestamp() * 1000))
        unit.edit_as(Editor(str(actor.user_id), "desktop", operation.desktop_id, stamp))
        known = await unit.synced_rows.known(edit.entity, edit.row_id)
        decision = Decision(edit.keys)
        if known is not None:
            decision = decide(operation.base_version, stamp, edit.changes, known.state)
            if decision.apply:
                await change_row(unit, actor, edit, decision.apply, password, now)
        elif operation.base_version > 0 and not edit.is_deletion:
            message = "this row was deleted long ago"
            raise NotFoundError(message, code="unknown_row", field="id")
        elif not edit.is_deletion:
            await create_row(unit, actor, edit, password, now)
            if edit.entity == "users":
                await admit_newcomer(unit, actor, operation.desktop_id, edit.row_id, now)
        return OperationOutcome(
            op_id=operation.op_id,
            op_no=operation.op_no,
            outcome=OutcomeKind.CONFLICT_LOST if decision.winner is Winner.SERVER else OutcomeKind.APPLIED,
            row=await unit.synced_rows.row(edit.entity, edit.row_id),
            conflict=_report(operation, stamp, decision, known),
        )

    async def _password(self, edit: Edit) -> NewPassword | None:
        fields = edit.fields
        if not isinstance(fields, UserEdit) or fields.password is None or edit.is_deletion:
            return None
        text = await self._box.open(fields.password)
        # Before it costs anything; with the name that the user has, if that stays, it is looked at once more.
        enforce(check_password(text, fields.username or ""))
        return NewPassword(text, await self._hasher.hash(text))

    async def _reject(self, attempt: _Attempt, error: PulseError) -> OperationOutcome:
        operation = attempt.operation
        _log.warning("operation_refused", desktop_id=operation.desktop_id, op_id=str(operation.op_id), code=error.code)
        outcome = OperationOutcome(
            op_id=operation.op_id,
            op_no=operation.op_no,
            outcome=OutcomeKind.REJECTED,
            code=_CODES.get(error.code, error.code),
            detail=error.message,
        )
        async with self._work() as unit:
            await unit.lock(f"operation:{operation.op_id}")
            answered = await unit.operations.find(operation.op_id)
            if answered is not None:
                # Somebody else's, or answered at this very moment by another request.
                return answered[1] if answered[0] == operation.desktop_id else outcome
            if attempt.may_see_row:
                edit = read_edit(operation.entity, operation.id, operation.fields)
                row = await unit.synced_rows.row(edit.entity, edit.row_id)
                outcome = outcome.model_copy(update={"row": row})
            await unit.operations.add(operation.desktop_id, outcome, self._clock.now())
        return outcome


async def _answered(unit: UnitOfWork, operation: Operation) -> OperationOutcome | None:
    found = await unit.operations.find(operation.op_id)
    if found is None:
        return None
    desktop_id, outcome = found
    if desktop_id != operation.desktop_id:
        message = "another desktop's operation has this id"
        raise InvalidError(message, code="op_id_taken", field="op_id")
    return outcome


def _report(operation: Operation, stamp: Stamp, decision: Decision, known: KnownRow | None) -> ConflictReport | None:
    if decision.winner is None or known is None:
        return None
    wanted: dict[str, Any] = dict(operation.fields)
    if "password" in wanted:
        wanted["password"] = True
    return ConflictReport(
        winner="desktop" if decision.winner is Winner.DESKTOP else "server",
        desktop_fields=wanted,
        desktop_stamp=stamp,
        server_fields=known.row.fields,
        server_stamp=known.row.updated_at,
        server_updated_by=known.row.updated_by,
        applied=sorted(decision.apply),
    )
