"""Every device as the `devices` topic shows it: identity's part and ingest's part, merged.

Identity says which devices there are; what ingest says about one that identity has not told of yet is kept and shown
as soon as it has. A field that a change leaves out keeps its value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from pulse_contracts.streams import DeviceChanged, DeviceRegistration, DeviceStatus
from pulse_gateway.domain.keyed import StateEntry

_NO_STATUS: Final[dict[str, Any]] = {
    "status": "OFFLINE",
    "since": None,
    "last_seen": None,
    "buffered": 0,
    "clock_offset_ms": None,
    "agent_version": None,
    "reason": None,
    "completeness": None,
}


DeviceEntry = StateEntry[DeviceChanged]


class _Device:
    __slots__ = ("json", "registration", "status")

    def __init__(self) -> None:
        self.registration: DeviceRegistration | None = None
        self.status: dict[str, Any] = dict(_NO_STATUS)
        self.json: str | None = None

    def as_json(self) -> str:
        if self.json is None:
            assert self.registration is not None, "only registered devices are shown"  # noqa: S101 -- narrows a type
            shown = {**self.registration.model_dump(mode="json"), **self.status}
            self.json = orjson.dumps(shown).decode()
        return self.json


class DeviceBook:
    """All devices, by id, and the groups that they are in. Implements `KeyedBook`."""

    def __init__(self) -> None:
        self._devices: dict[str, _Device] = {}
        self._groups: dict[str, frozenset[str]] = {}

    @property
    def groups(self) -> Mapping[str, frozenset[str]]:
        """The registered devices of each group."""
        return self._groups

    def __contains__(self, device_id: object) -> bool:
        device = self._devices.get(device_id) if isinstance(device_id, str) else None
        return device is not None and device.registration is not None

    def ids(self) -> Iterator[str]:
        """Give the ids of all registered devices."""
        return (device_id for device_id, device in self._devices.items() if device.registration is not None)

    def json(self, key: str) -> str | None:
        """Return a device's object as JSON; None when there is no such device."""
        return self._devices[key].as_json() if key in self else None

    def device_of(self, key: str) -> str | None:
        """Return the device: its id is the key."""
        return key

    def keys(self, device_ids: Collection[str] | None) -> Iterable[str]:
        """Give the ids of the registered devices among these; None means all."""
        return self.ids() if device_ids is None else (device_id for device_id in device_ids if device_id in self)

    def keys_of(self, device_id: str) -> Iterable[str]:
        """Give the id itself, if it is registered."""
        return (device_id,) if device_id in self else ()

    def apply(self, change: DeviceChanged) -> bool:
        """Take a change; return whether groups or the set of devices may be other than before."""
        if change.is_deleted:
            self._devices.pop(change.device_id, None)
            self._regroup()
            return True
        device = self._devices.get(change.device_id)
        if device is None:
            device = self._devices[change.device_id] = _Device()
        device.json = None
        if change.status is not None:
            _merge_status(device.status, change.status)
        if change.registration is None:
            return False
        before, device.registration = device.registration, change.registration
        if before is not None and before.groups == change.registration.groups:
            return before.owner_id != change.registration.owner_id
        self._regroup()
        return True

    def replace(self, registrations: Mapping[str, DeviceRegistration], statuses: Mapping[str, DeviceStatus]) -> None:
        """Start again from what the database holds."""
        self._devices = {}
        for device_id, registration in registrations.items():
            device = self._devices[device_id] = _Device()
            device.registration = registration
        for device_id, status in statuses.items():
            device = self._devices.get(device_id) or self._devices.setdefault(device_id, _Device())
            _merge_status(device.status, status)
        self._regroup()

    def count(self, device_ids: Iterable[str] | None) -> DeviceCounts:
        """Count the registered devices among these; None means all."""
        total = online = buffered = 0
        last_seen: int | None = None
        for device_id in self._devices if device_ids is None else device_ids:
            device = self._devices.get(device_id)
            if device is None or device.registration is None:
                continue
            total += 1
            online += device.registration.is_active and device.status["status"] == "ONLINE"
            buffered += device.status["buffered"] or 0
            seen = device.status["last_seen"]
            if seen is not None and (last_seen is None or seen > last_seen):
                last_seen = seen
        return DeviceCounts(total, online, buffered, last_seen)

    def _regroup(self) -> None:
        groups: dict[str, set[str]] = {}
        for device_id, device in self._devices.items():
            for group in device.registration.groups if device.registration is not None else ():
                groups.setdefault(group, set()).add(device_id)
        self._groups = {group: frozenset(members) for group, members in groups.items()}


@dataclass(frozen=True, slots=True)
class DeviceCounts:
    """The devices of a scope in figures; `last_seen` in Unix milliseconds."""

    total: int
    online: int
    buffered: int
    last_seen: int | None


def _merge_status(known: dict[str, Any], news: DeviceStatus) -> None:
    given = news.model_dump(exclude_none=True)
    if "status" in given and given["status"] != known["status"]:
        # A reason belongs to the status that it came with: ONLINE has no use for "stopped".
        known["reason"] = None
    known.update(given)
