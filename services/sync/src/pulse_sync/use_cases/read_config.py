"""Reads configuration for somebody: entries, their history, and what holds on a device.

Entries for all and for groups are everybody's to see who may see configuration; one for a device only theirs who see
the device, and to others it is as if it was not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pulse_chassis.errors import NotFoundError
from pulse_contracts.configuration import ConfigAddress, ConfigScope, config_id
from pulse_contracts.permissions import Permission
from pulse_sync.domain.config_entries import (
    ConfigChange,
    ConfigEntry,
    ConfigKey,
    Difference,
    Setting,
    differences,
    effective_settings,
)
from pulse_sync.use_cases.config_ports import AppliedFilter, AppliedView, ConfigActor, ConfigViews, EntryFilter
from pulse_sync.use_cases.config_rules import check_sight
from pulse_sync.use_cases.view_ports import DeviceScope, Part


class ReadConfig:
    """Answers questions about configuration."""

    def __init__(self, views: ConfigViews) -> None:
        self._views = views

    async def keys(self) -> Sequence[ConfigKey]:
        """Return every key, by name."""
        keys = await self._views.keys()
        return [keys[name] for name in sorted(keys)]

    async def key(self, name: str) -> ConfigKey:
        """Return one key. Raises NotFoundError."""
        found = (await self._views.keys()).get(name)
        if found is None:
            message = "there is no such key"
            raise NotFoundError(message, code="unknown_config_key")
        return found

    async def entries(self, actor: ConfigActor, wanted: EntryFilter, part: Part) -> tuple[Sequence[ConfigEntry], int]:
        """Return the entries that the actor may see, by id, and how many match."""
        return await self._views.entries(_scope(actor), wanted, part)

    async def entry(self, actor: ConfigActor, address: ConfigAddress) -> ConfigEntry:
        """Return one entry. Raises NotFoundError."""
        await self._check(actor, address)
        found = await self._views.entry(config_id(address.scope, address.target, address.key))
        if found is None:
            message = "there is no such entry"
            raise NotFoundError(message, code="unknown_config_entry")
        return found

    async def history(
        self, actor: ConfigActor, address: ConfigAddress, part: Part
    ) -> tuple[Sequence[ConfigChange], int]:
        """Return the versions of an entry, also of a deleted one, newest first. Raises NotFoundError."""
        await self._check(actor, address)
        changes, total = await self._views.history(config_id(address.scope, address.target, address.key), part)
        if not total:
            message = "there never was such an entry"
            raise NotFoundError(message, code="unknown_config_entry")
        return changes, total

    async def effective(self, actor: ConfigActor, device_id: str) -> Sequence[Setting]:
        """Return what holds on a device, by key. Raises NotFoundError."""
        groups = await check_sight(actor, device_id, self._views.registry)
        return await self._settings(await self._views.keys(), device_id, groups)

    async def diff(
        self, actor: ConfigActor, device_id: str, other: str | None, times: tuple[datetime | None, datetime | None]
    ) -> Sequence[Difference]:
        """Return the keys that hold something else on two devices, or on one at two moments (None: now).

        At an earlier moment the device is taken to have been in the groups of today. Raises NotFoundError.
        """
        registry = self._views.registry
        keys = await self._views.keys()
        mine = await check_sight(actor, device_id, registry)
        theirs = mine if other is None else await check_sight(actor, other, registry)
        left = await self._settings(keys, device_id, mine, times[0])
        right = await self._settings(keys, other or device_id, theirs, times[1])
        return differences(left, right)

    async def applied(self, actor: ConfigActor, wanted: AppliedFilter, part: Part) -> tuple[Sequence[AppliedView], int]:
        """Return which entries shall be in force on which desktops, and what these said of them."""
        return await self._views.applied(_scope(actor), wanted, part)

    async def _settings(
        self, keys: Mapping[str, ConfigKey], device_id: str, groups: Sequence[str], at: datetime | None = None
    ) -> list[Setting]:
        entries = await self._views.concerning(device_id, groups, at)
        return effective_settings(keys, entries, await self._views.applied_on(device_id))

    async def _check(self, actor: ConfigActor, address: ConfigAddress) -> None:
        if address.scope is ConfigScope.DEVICE:
            await check_sight(actor, address.target, self._views.registry)


def _scope(actor: ConfigActor) -> DeviceScope:
    return DeviceScope(None if Permission.DEVICES_ALL in actor.permissions else actor.user_id)
