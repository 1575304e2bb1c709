"""What every book of desktops promises: one suite over PostgreSQL and over memory."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from pulse_contracts.operations import ConflictReport, Operation, OperationOutcome, OutcomeKind
from pulse_contracts.stamps import make_stamp
from pulse_contracts.sync import Report


def an_operation(op_no: int = 1) -> Operation:
    return Operation(
        op_id=uuid4(),
        desktop_id="D-1",
        op_no=op_no,
        entity="users",
        id="ann",
        base_version=1,
        fields={"email": "a@example.org"},
        updated_at=make_stamp(1),
        actor=uuid4(),
    )


def an_outcome(operation: Operation, kind: OutcomeKind, **more: Any) -> OperationOutcome:
    return OperationOutcome(op_id=operation.op_id, op_no=operation.op_no, outcome=kind, **more)


def a_conflict(winner: str) -> ConflictReport:
    return ConflictReport(
        winner=winner,
        desktop_fields={"email": "a@example.org"},
        desktop_stamp=make_stamp(1),
        server_fields={"email": None},
        server_stamp=make_stamp(2),
    )


async def test_an_outcome_that_comes_again_is_logged_once_and_keeps_its_conflict(world: Any) -> None:
    one, two, three = an_operation(1), an_operation(2), an_operation(3)
    notes = [
        (one, an_outcome(one, OutcomeKind.APPLIED)),
        (two, an_outcome(two, OutcomeKind.CONFLICT_LOST, conflict=a_conflict("server"))),
        (three, an_outcome(three, OutcomeKind.REJECTED, code="forbidden", detail="no")),
    ]
    first = await world.book.note_outcomes("D-1", notes, world.clock.now())
    again = await world.book.note_outcomes("D-1", notes, world.clock.now())
    assert set(first) == {two.op_id}
    assert again == first
    assert isinstance(first[two.op_id], UUID)
    assert await world.lines() == [
        ("up", "applied", None),
        ("up", "conflict_lost", None),
        ("up", "rejected", "forbidden: no"),
    ]
    ids = {operation.op_id for operation, _ in notes}
    assert await world.book.accepted("D-1", ids) == {one.op_id, two.op_id}
    assert await world.book.accepted("D-2", ids) == frozenset()


async def test_an_operation_of_which_nothing_can_be_believed_is_logged_without_its_name(world: Any) -> None:
    forged = an_operation()
    note = (None, an_outcome(forged, OutcomeKind.REJECTED, code="bad_signature"))
    assert await world.book.note_outcomes("D-1", [note], world.clock.now()) == {}
    assert await world.lines() == [("up", "rejected", "bad_signature")]
    assert await world.book.accepted("D-1", {forged.op_id}) == frozenset()
    genuine = (forged, an_outcome(forged, OutcomeKind.APPLIED))
    await world.book.note_outcomes("D-1", [genuine], world.clock.now())
    assert await world.book.accepted("D-1", {forged.op_id}) == {forged.op_id}


async def test_an_error_is_logged_when_it_begins(world: Any) -> None:
    for error in (None, "disk full", "disk full", None, "disk full"):
        await world.book.note_report("D-1", Report(cursor=1, error=error), world.clock.now())
    await world.book.note_refusal("D-1", "snapshot_needed", world.clock.now())
    assert await world.lines() == [
        ("down", "failed", "disk full"),
        ("down", "failed", "disk full"),
        ("down", "refused", "snapshot_needed"),
    ]
