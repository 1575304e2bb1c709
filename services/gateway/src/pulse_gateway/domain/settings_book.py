"""Every configuration entry by its id, as the `config` topic shows it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from pulse_contracts.configuration import ConfigScope, parse_config_id
from pulse_contracts.streams import ConfigChanged
from pulse_gateway.domain.keyed import StateEntry

ConfigEntry = StateEntry[ConfigChanged]
_NOT_SHOWN: Final = {"v", "id", "is_deleted"}


class SettingsBook:
    """All entries. Implements `KeyedBook`: a device's own entries are its, those for groups and for all everybody's."""

    def __init__(self) -> None:
        self._entries: dict[str, ConfigChanged] = {}
        self._by_device: dict[str, dict[str, None]] = {}
        self._shared: dict[str, None] = {}

    def apply(self, change: ConfigChanged) -> None:
        """Take a change; an older version than the one known changes nothing."""
        known = self._entries.get(change.id)
        if known is not None and known.version > change.version:
            return
        if not change.is_deleted:
            self._entries[change.id] = change
            self._index(change.id)
            return
        self._entries.pop(change.id, None)
        self._shared.pop(change.id, None)
        mine = self._by_device.get(self.device_of(change.id) or "")
        if mine is not None:
            mine.pop(change.id, None)

    def replace(self, entries: Iterable[ConfigChanged]) -> None:
        """Start again from what the database holds."""
        self._entries, self._by_device, self._shared = {}, {}, {}
        for entry in entries:
            self.apply(entry)

    def device_of(self, key: str) -> str | None:
        """Return the device that an entry is for; None for a group's and everybody's."""
        address = parse_config_id(key)
        return address.target if address is not None and address.scope is ConfigScope.DEVICE else None

    def json(self, key: str) -> str | None:
        """Return an entry as JSON; None when there is none."""
        entry = self._entries.get(key)
        return None if entry is None else entry.model_dump_json(exclude=_NOT_SHOWN)

    def keys(self, device_ids: Collection[str] | None) -> Iterable[str]:
        """Give the ids of these devices' entries (None: all devices') and of those that are for everybody."""
        if device_ids is None:
            return list(self._entries)
        return [*self._shared, *(key for device_id in device_ids for key in self.keys_of(device_id))]

    def keys_of(self, device_id: str) -> Iterable[str]:
        """Give the ids of a device's own entries."""
        return list(self._by_device.get(device_id, ()))

    def _index(self, key: str) -> None:
        device_id = self.device_of(key)
        if device_id is None:
            self._shared[key] = None
        else:
            self._by_device.setdefault(device_id, {})[key] = None
