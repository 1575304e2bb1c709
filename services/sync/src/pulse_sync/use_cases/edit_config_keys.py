"""Adds, changes and removes the keys that administrators declare under `custom.`.

Guaranteed: no entry ever holds what its key's spec does not allow, and no entry outlives its key.
"""

from __future__ import annotations

from pulse_chassis.audit_events import audit_event
from pulse_chassis.clock import Clock
from pulse_chassis.errors import ConflictError, InvalidError, NotFoundError
from pulse_chassis.preconditions import Precondition
from pulse_contracts.audit import AuditResource
from pulse_contracts.stamps import next_stamp
from pulse_contracts.value_specs import ValueSpec, value_problem
from pulse_sync.domain.config_entries import MAX_CUSTOM_KEYS, ConfigEntry, ConfigKey, is_custom_key, spec_problem
from pulse_sync.use_cases.config_ports import ConfigActor, ConfigStore, ConfigUnit
from pulse_sync.use_cases.edit_config import SERVICE


class EditConfigKeys:
    """Declares custom keys."""

    def __init__(self, store: ConfigStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def add(self, actor: ConfigActor, key: str, spec: ValueSpec) -> ConfigKey:
        """Add a key. Raises InvalidError, ConflictError."""
        _check_custom(key)
        _check_spec(spec)
        async with self._store.work() as unit:
            await unit.lock_key(key, is_shared=False)
            keys = await unit.keys()
            if key in keys:
                message = "this key is there already"
                raise ConflictError(message, code="config_key_exists", field="body.key")
            if sum(not known.is_built_in for known in keys.values()) >= MAX_CUSTOM_KEYS:
                message = f"there are {MAX_CUSTOM_KEYS} custom keys already"
                raise ConflictError(message, code="too_many_config_keys")
            return await self._write(unit, None, ConfigKey(key, spec, 1, self._clock.now(), str(actor.user_id)))

    async def change(self, actor: ConfigActor, key: str, spec: ValueSpec, expected: Precondition) -> ConfigKey:
        """Change what a key's values may be; what its entries hold has to fit.

        Raises InvalidError, NotFoundError, PreconditionFailedError, ConflictError.
        """
        _check_custom(key)
        _check_spec(spec)
        async with self._store.work() as unit:
            known = await _locked(unit, key)
            expected.check(known.version)
            for entry in await unit.entries_of_key(key):
                problem = value_problem(spec, entry.value)
                if problem is not None:
                    message = f"the entry {entry.id} does not fit: {problem}"
                    raise ConflictError(message, code="config_entries_do_not_fit", field="body.spec")
            changed = ConfigKey(key, spec, known.version + 1, self._clock.now(), str(actor.user_id))
            return await self._write(unit, known, changed)

    async def remove(self, actor: ConfigActor, key: str, expected: Precondition, *, with_entries: bool) -> None:
        """Remove a key; `with_entries` deletes its entries as well.

        Raises InvalidError, NotFoundError, PreconditionFailedError, and ConflictError while there are entries.
        """
        _check_custom(key)
        async with self._store.work() as unit:
            known = await _locked(unit, key)
            expected.check(known.version)
            entries = await unit.entries_of_key(key)
            if entries and not with_entries:
                message = f"there are {len(entries)} entries of this key: delete them first, or use force"
                raise ConflictError(message, code="config_key_in_use")
            now = self._clock.now()
            now_ms = int(now.timestamp() * 1000)
            await unit.delete_key(key)
            event = audit_event(
                SERVICE, "config_key.deleted", AuditResource(type="config_key", id=key), now,
                before={**_told(known), "entries": {entry.id: entry.value for entry in entries}},
            )  # fmt: skip
            await unit.tell_audit(event)
            if entries:
                await unit.write([(entry, _ended(entry, actor, now_ms)) for entry in entries], now)

    async def _write(self, unit: ConfigUnit, before: ConfigKey | None, after: ConfigKey) -> ConfigKey:
        await unit.write_key(after)
        event = audit_event(
            SERVICE,
            "config_key.created" if before is None else "config_key.changed",
            AuditResource(type="config_key", id=after.key),
            self._clock.now(),
            before=None if before is None else _told(before),
            after=_told(after),
        )
        await unit.tell_audit(event)
        return after


async def _locked(unit: ConfigUnit, key: str) -> ConfigKey:
    await unit.lock_key(key, is_shared=False)
    known = (await unit.keys()).get(key)
    if known is None:
        message = "there is no such key"
        raise NotFoundError(message, code="unknown_config_key")
    return known


def _check_custom(key: str) -> None:
    if not is_custom_key(key):
        message = "only keys under custom. can be added, changed and removed"
        raise InvalidError(message, code="not_a_custom_key", field="key")


def _check_spec(spec: ValueSpec) -> None:
    problem = spec_problem(spec)
    if problem is not None:
        field, why = problem
        raise InvalidError(f"{field} {why}", code="invalid_spec", field=f"body.spec.{field}")


def _ended(entry: ConfigEntry, actor: ConfigActor, now_ms: int) -> ConfigEntry:
    stamp = next_stamp(entry.stamp, now_ms)
    return ConfigEntry(entry.address, None, entry.version + 1, stamp, str(actor.user_id), "web", is_deleted=True)


def _told(key: ConfigKey) -> dict[str, object]:
    return {"spec": key.spec.model_dump(mode="json", exclude_none=True)}
