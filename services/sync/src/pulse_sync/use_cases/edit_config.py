"""Changes configuration entries over the web. A change, its place in the change log, its history, the news of it and
the audit log's line are one transaction.

Guaranteed: of two who change the same version one is told (412); a value that is there already is no new version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from pulse_chassis.audit_events import audit_event
from pulse_chassis.clock import Clock
from pulse_chassis.errors import (
    ForbiddenError,
    InvalidError,
    NotFoundError,
    PreconditionFailedError,
    PreconditionRequiredError,
)
from pulse_chassis.preconditions import ANY_VERSION, Precondition
from pulse_contracts.audit import AuditActor, AuditResource
from pulse_contracts.configuration import ConfigAddress, config_id, parse_config_id
from pulse_contracts.operations import ConfigFields
from pulse_contracts.stamps import NO_STAMP, next_stamp
from pulse_sync.domain.config_entries import ConfigEntry
from pulse_sync.use_cases.config_ports import ConfigActor, ConfigStore, ConfigUnit
from pulse_sync.use_cases.config_rules import check_right, check_value

SERVICE = "sync"


class EditConfig:
    """Creates, changes and deletes entries."""

    def __init__(self, store: ConfigStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def put(
        self, actor: ConfigActor, address: ConfigAddress, value: Any, expected: Precondition | None
    ) -> tuple[ConfigEntry, bool]:
        """Give an entry a value; return it and whether it is new.

        Raises ForbiddenError, NotFoundError, InvalidError, PreconditionFailedError, and PreconditionRequiredError when
        the entry is there already and nothing is `expected`.
        """
        async with self._store.work() as unit:
            await check_right(actor, address, unit.registry)
            before = await _locked(unit, address)
            check_value((await unit.keys()).get(address.key), value)
            is_new = before is None or before.is_deleted
            _check_version(None if is_new else before, expected)
            if before is not None and not is_new and _same(before.value, value):
                return before, False
            return await self._write(unit, actor, (address, before), value=value), is_new

    async def delete(self, actor: ConfigActor, address: ConfigAddress, expected: Precondition) -> None:
        """Delete an entry: what is farther, or the default, holds again. Raises as `put`, NotFoundError without one."""
        async with self._store.work() as unit:
            await check_right(actor, address, unit.registry)
            before = await _locked(unit, address)
            if before is None or before.is_deleted:
                message = "there is no such entry"
                raise NotFoundError(message, code="unknown_config_entry")
            expected.check(before.version)
            await self._write(unit, actor, (address, before), is_deletion=True)

    async def restore(self, actor: UUID, row_id: str, fields: Mapping[str, Any]) -> None:
        """Make these fields stand as a new edit by `actor`, with their rights of now. Raises as `put` and `delete`."""
        address = parse_config_id(row_id)
        try:
            edit = ConfigFields.model_validate(fields)
        except ValidationError:
            edit = None
        if address is None or edit is None:
            message = "this is no edit of a configuration entry"
            raise InvalidError(message, code="invalid_fields")
        async with self._store.work() as unit:
            known = await unit.registry.actor(actor)
        if known is None:
            message = "this user is not active any more"
            raise ForbiddenError(message, code="user_inactive")
        if edit.deleted:
            await self.delete(known, address, ANY_VERSION)
        else:
            await self._overwrite(known, address, edit.value)

    async def _overwrite(self, actor: ConfigActor, address: ConfigAddress, value: Any) -> None:
        async with self._store.work() as unit:
            await check_right(actor, address, unit.registry)
            before = await _locked(unit, address)
            check_value((await unit.keys()).get(address.key), value)
            await self._write(unit, actor, (address, before), value=value)

    async def _write(
        self,
        unit: ConfigUnit,
        actor: ConfigActor,
        place: tuple[ConfigAddress, ConfigEntry | None],
        *,
        value: Any = None,
        is_deletion: bool = False,
    ) -> ConfigEntry:
        address, before = place
        now = self._clock.now()
        seen = NO_STAMP if before is None else before.stamp
        after = ConfigEntry(
            address=address,
            value=None if is_deletion else value,
            version=1 if before is None else before.version + 1,
            stamp=next_stamp(seen, int(now.timestamp() * 1000)),
            updated_by=str(actor.user_id),
            source="web",
            is_deleted=is_deletion,
        )
        await tell_entry(unit, actor, before, after)
        await unit.write([(before, after)], now)
        return after


async def tell_entry(
    unit: ConfigUnit, actor: ConfigActor, before: ConfigEntry | None, after: ConfigEntry, desktop_id: str | None = None
) -> None:
    """Tell the audit log of one change, with both values; `desktop_id` is where it was made, if not on the web."""
    existed = before is not None and not before.is_deleted
    verb = "deleted" if after.is_deleted else "changed" if existed else "created"
    by = {} if desktop_id is None else {"desktop_id": desktop_id}
    event = audit_event(
        SERVICE,
        f"config.{verb}",
        AuditResource(type="config_entry", id=after.id),
        after.updated_at,
        actor=AuditActor(kind="user", id=str(actor.user_id), name=actor.name),
        before=before.fields if before is not None and existed else None,
        after={**after.fields, **by} or None,
    )
    await unit.tell_audit(event)


async def _locked(unit: ConfigUnit, address: ConfigAddress) -> ConfigEntry | None:
    row_id = config_id(address.scope, address.target, address.key)
    await unit.lock_key(address.key, is_shared=True)
    await unit.lock_entry(row_id)
    return await unit.entry(row_id)


def _check_version(entry: ConfigEntry | None, expected: Precondition | None) -> None:
    if entry is None:
        if expected is not None:
            message = "there is no such entry (any more)"
            raise PreconditionFailedError(message, field="If-Match")
        return
    if expected is None:
        message = "this entry is there already: say with If-Match which version you have seen"
        raise PreconditionRequiredError(message, field="If-Match")
    expected.check(entry.version)


def _same(one: Any, other: Any) -> bool:
    # 1 and 1.0 are one number, true is none.
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
