"""Applies what a desktop edited of configuration: an operation that it signed, once, by the one rule of conflicts.

Guaranteed: the outcome is kept in the transaction that makes it, so that an operation that comes again gets the same
answer; the actor's rights are those of this moment. A desktop that is no workstation changes nothing but its own
entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

from pydantic import ValidationError

from pulse_chassis.clock import Clock
from pulse_chassis.errors import ForbiddenError, InvalidError, PulseError, UnavailableError
from pulse_contracts.configuration import ConfigAddress, ConfigScope, parse_config_id
from pulse_contracts.operations import ConfigFields, Operation, OperationOutcome, OutcomeKind
from pulse_contracts.reconciliation import Winner
from pulse_contracts.stamps import Stamp, clamped
from pulse_sync.domain.config_edits import VALUE, ConfigEdit, conflict_report, decide_edit, edited
from pulse_sync.use_cases.config_ports import ConfigActor, ConfigStore, ConfigUnit
from pulse_sync.use_cases.config_rules import check_right, check_sight, check_value
from pulse_sync.use_cases.edit_config import EditConfig, tell_entry
from pulse_sync.use_cases.ports import Desktop


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
                actor = await _actor(unit, desktop, operation.actor, edit.address)
                outcome = await _apply(unit, actor, operation, edit, now)
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
                if entry is not None and not entry.is_deleted:
                    outcome = outcome.model_copy(update={"row": entry.synced_row()})
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


def _read(desktop: Desktop, operation: Operation, now: datetime) -> ConfigEdit:
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
    return ConfigEdit(
        address=address,
        base_version=operation.base_version,
        stamp=clamped(Stamp(operation.updated_at), int(now.timestamp() * 1000)),
        actor=str(operation.actor),
        value=fields.value,
        is_deletion=bool(fields.deleted),
    )


def _refuse(code: str, message: str) -> NoReturn:
    raise InvalidError(message, code=code)


def _is_own(desktop: Desktop, address: ConfigAddress) -> bool:
    return address.scope is ConfigScope.DEVICE and address.target == desktop.device_id


async def _actor(unit: ConfigUnit, desktop: Desktop, user_id: UUID, address: ConfigAddress) -> ConfigActor:
    """Return who edited; raises ForbiddenError or NotFoundError unless they, there, may do this now."""
    actor = await unit.registry.actor(user_id)
    if actor is None:
        message = "who edited is not active any more"
        raise ForbiddenError(message, code="user_inactive")
    if not desktop.is_workstation and not _is_own(desktop, address):
        message = "only a workstation may configure more than itself"
        raise ForbiddenError(message, code="not_a_workstation")
    await check_sight(actor, desktop.device_id, unit.registry)
    await check_right(actor, address, unit.registry)
    return actor


async def _apply(
    unit: ConfigUnit, actor: ConfigActor, operation: Operation, edit: ConfigEdit, now: datetime
) -> OperationOutcome:
    await unit.lock_key(edit.address.key, is_shared=True)
    await unit.lock_entry(operation.id)
    if not edit.is_deletion:
        check_value((await unit.keys()).get(edit.address.key), edit.value)
    before = await unit.entry(operation.id)
    decision = decide_edit(edit, before)
    after = before
    if decision.apply:
        after = edited(edit, before)
        await tell_entry(unit, actor, before, after, operation.desktop_id)
        await unit.write([(before, after)], now)
    return OperationOutcome(
        op_id=operation.op_id,
        op_no=operation.op_no,
        outcome=OutcomeKind.CONFLICT_LOST if decision.winner is Winner.SERVER else OutcomeKind.APPLIED,
        row=None if after is None or after.is_deleted else after.synced_row(),
        conflict=conflict_report(edit, before, decision),
    )
