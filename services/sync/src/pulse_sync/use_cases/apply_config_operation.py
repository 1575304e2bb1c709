"""Applies what a desktop edited of configuration: an operation that it signed, once, by the one rule of conflicts.

Guaranteed: the outcome is kept in the transaction that makes it, so that an operation that comes again gets the same
answer; the actor's rights are those of this moment. A desktop that is no workstation changes nothing but its own
entries. A deletion takes back what was set and is a revocation: it wins whichever side made it; after it an entry
begins anew with the next version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, NoReturn
from uuid import UUID

from pydantic import ValidationError

from pulse_chassis.clock import Clock
from pulse_chassis.errors import ForbiddenError, InvalidError, PulseError, UnavailableError
from pulse_contracts.configuration import ConfigAddress, ConfigScope, parse_config_id
from pulse_contracts.operations import ConfigFields, ConflictReport, Operation, OperationOutcome, OutcomeKind
from pulse_contracts.reconciliation import DELETED, Change, Decision, RowState, Winner, decide
from pulse_contracts.stamps import Stamp, clamped, next_stamp, stamp_milliseconds
from pulse_sync.domain.config_entries import ConfigEntry
from pulse_sync.use_cases.config_ports import ConfigActor, ConfigStore, ConfigUnit
from pulse_sync.use_cases.config_rules import check_right, check_sight, check_value
from pulse_sync.use_cases.edit_config import EditConfig, tell_entry
from pulse_sync.use_cases.ports import Desktop

VALUE: Final = "value"


@dataclass(frozen=True, slots=True)
class _Edit:
    operation: Operation
    desktop: Desktop
    address: ConfigAddress
    stamp: Stamp
    value: Any
    is_deletion: bool

    @property
    def change(self) -> Change:
        return Change(DELETED, is_revocation=True) if self.is_deletion else Change(VALUE)

    @property
    def mask(self) -> dict[str, Any]:
        return {DELETED: True} if self.is_deletion else {VALUE: self.value}


class ApplyConfigOperation:
    """Implements `ConfigOwner`."""

    def __init__(self, store: ConfigStore, edit: EditConfig, clock: Clock) -> None:
        self._store = store
        self._edit = edit
        self._clock = clock

    async def restore(self, actor: UUID, row_id: str, fields: Mapping[str, Any]) -> None:
        """Make these fields stand as a new edit by `actor`. Raises PulseError when that is refused."""
        await self._edit.restore(actor, row_id, fields)

    async def apply(self, desktop: Desktop, operation: Operation) -> OperationOutcome:
        """Apply one operation whose signature was verified. Raises UnavailableError."""
        now = self._clock.now()
        try:
            async with self._store.work() as unit:
                answered = await _answered(unit, desktop, operation)
                if answered is not None:
                    return answered
                edit = _read(desktop, operation, now)
                outcome = await _apply(unit, edit, await _actor(unit, edit), now)
                await unit.keep_answer(desktop.device_id, outcome, now)
                return outcome
        except UnavailableError:
            raise
        except PulseError as error:
            return await self._reject(desktop, operation, error, now)

    async def _reject(
        self, desktop: Desktop, operation: Operation, error: PulseError, now: datetime
    ) -> OperationOutcome:
        outcome = OperationOutcome(
            op_id=operation.op_id,
            op_no=operation.op_no,
            outcome=OutcomeKind.REJECTED,
            code="actor_out_of_scope" if error.code == "unknown_device" else error.code,
            detail=error.message,
        )
        async with self._store.work() as unit:
            found = await unit.answer_of(operation.op_id)
            if found is not None:
                # Somebody else's, or answered at this very moment by another request.
                return found[1] if found[0] == desktop.device_id else outcome
            address = parse_config_id(operation.id)
            if address is not None and _is_own(desktop, address):
                entry = await unit.entry(operation.id)
                is_there = entry is not None and not entry.is_deleted
                outcome = outcome.model_copy(update={"row": entry.synced_row() if entry and is_there else None})
            await unit.keep_answer(desktop.device_id, outcome, now)
        return outcome


async def _answered(unit: ConfigUnit, desktop: Desktop, operation: Operation) -> OperationOutcome | None:
    found = await unit.answer_of(operation.op_id)
    if found is None:
        return None
    if found[0] != desktop.device_id:
        message = "another desktop's operation has this id"
        raise InvalidError(message, code="op_id_taken")
    return found[1]


def _read(desktop: Desktop, operation: Operation, now: datetime) -> _Edit:
    if not desktop.is_active:
        message = "this desktop is disabled"
        raise ForbiddenError(message, code="desktop_disabled")
    address = parse_config_id(operation.id)
    if address is None:
        _refuse("invalid_id", "no entry can be named like this")
    try:
        fields = ConfigFields.model_validate(operation.fields)
    except ValidationError:
        _refuse("invalid_fields", "the fields of an entry are `value`, or `deleted: true`")
    if (VALUE in operation.fields) == bool(fields.deleted):
        _refuse("invalid_fields", "an edit sets a value or deletes the entry")
    stamp = clamped(Stamp(operation.updated_at), int(now.timestamp() * 1000))
    return _Edit(operation, desktop, address, stamp, fields.value, is_deletion=bool(fields.deleted))


def _refuse(code: str, message: str) -> NoReturn:
    raise InvalidError(message, code=code)


def _is_own(desktop: Desktop, address: ConfigAddress) -> bool:
    return address.scope is ConfigScope.DEVICE and address.target == desktop.device_id


async def _actor(unit: ConfigUnit, edit: _Edit) -> ConfigActor:
    """Return who edited; raises ForbiddenError or NotFoundError unless they, there, may do this now."""
    actor = await unit.registry.actor(edit.operation.actor)
    if actor is None:
        message = "who edited is not active any more"
        raise ForbiddenError(message, code="user_inactive")
    if not edit.desktop.is_workstation and not _is_own(edit.desktop, edit.address):
        message = "only a workstation may configure more than itself"
        raise ForbiddenError(message, code="not_a_workstation")
    await check_sight(actor, edit.desktop.device_id, unit.registry)
    await check_right(actor, edit.address, unit.registry)
    return actor


async def _apply(unit: ConfigUnit, edit: _Edit, actor: ConfigActor, now: datetime) -> OperationOutcome:
    await unit.lock_key(edit.address.key, is_shared=True)
    await unit.lock_entry(edit.operation.id)
    if not edit.is_deletion:
        check_value((await unit.keys()).get(edit.address.key), edit.value)
    before = await unit.entry(edit.operation.id)
    decision = _decide(edit, before)
    after = before
    if decision.apply and not (before is None and edit.is_deletion):
        after = _edited(edit, before)
        await tell_entry(unit, actor, before, after, edit.desktop.device_id)
        await unit.write([(before, after)], now)
    is_there = after is not None and not after.is_deleted
    return OperationOutcome(
        op_id=edit.operation.op_id,
        op_no=edit.operation.op_no,
        outcome=OutcomeKind.CONFLICT_LOST if decision.winner is Winner.SERVER else OutcomeKind.APPLIED,
        row=after.synced_row() if after is not None and is_there else None,
        conflict=_report(edit, before, decision),
    )


def _decide(edit: _Edit, before: ConfigEntry | None) -> Decision:
    everything = Decision(frozenset({edit.change.key}))
    base = edit.operation.base_version
    if before is None:
        return everything
    if before.is_deleted and not edit.is_deletion and base in {0, before.version}:
        # Set anew by somebody who knows of no former value: stands, unless the entry was deleted after that.
        return everything if edit.stamp > before.stamp else Decision(frozenset(), Winner.SERVER)
    decision = decide(base, edit.stamp, [edit.change], RowState(before.version, before.stamp, before.is_deleted))
    # There is but one thing that an edit of an entry does: whose it is that stands has won.
    return replace(decision, winner=Winner.DESKTOP) if decision.is_conflict and decision.apply else decision


def _edited(edit: _Edit, before: ConfigEntry | None) -> ConfigEntry:
    stamp, version = edit.stamp, edit.operation.base_version + 1
    if before is not None:
        version = before.version + 1
        # A slow clock's edit of what it had seen is later all the same.
        stamp = stamp if stamp > before.stamp else next_stamp(before.stamp, stamp_milliseconds(stamp))
    return ConfigEntry(
        address=edit.address,
        value=edit.value,
        version=version,
        stamp=stamp,
        updated_by=str(edit.operation.actor),
        source="desktop",
        is_deleted=edit.is_deletion,
    )


def _report(edit: _Edit, before: ConfigEntry | None, decision: Decision) -> ConflictReport | None:
    if decision.winner is None or before is None:
        return None
    return ConflictReport(
        winner="desktop" if decision.winner is Winner.DESKTOP else "server",
        desktop_fields=edit.mask,
        desktop_stamp=edit.stamp,
        server_fields=before.fields,
        server_stamp=before.stamp,
        server_updated_by=before.updated_by,
        applied=sorted(decision.apply),
    )
