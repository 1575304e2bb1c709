"""Count what the KPI cards show, for a set of devices and the parts of the system as they were last seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pulse_gateway.domain.desktops import DesktopBook, DesktopCounts
from pulse_gateway.domain.devices import DeviceBook, DeviceCounts
from pulse_gateway.domain.summary import PartState, StorageState, Summary


class Summarise:
    """Counts over the devices and desktops in memory; parts and storage are kept current by whoever watches them."""

    def __init__(self, devices: DeviceBook, desktops: DesktopBook) -> None:
        self._devices = devices
        self._desktops = desktops
        self._parts: dict[str, PartState] = {}
        self._storage: StorageState | None = None

    def set_parts(self, parts: Mapping[str, PartState]) -> bool:
        """Note how the parts of the system are; return whether that is news."""
        is_news = dict(parts) != self._parts
        self._parts = dict(parts)
        return is_news

    def set_storage(self, storage: StorageState | None) -> bool:
        """Note how much room there is; return whether that is news."""
        is_news = storage != self._storage
        self._storage = storage
        return is_news

    def desktops(self) -> DesktopCounts:
        """Return the figures over all desktops."""
        return self._desktops.count()

    def devices(self) -> DeviceCounts:
        """Return the figures over all devices."""
        return self._devices.count(None)

    def __call__(self, device_ids: Collection[str] | None) -> Summary:
        """Return the figures over these devices; None means all."""
        counts = self._devices.count(device_ids)
        is_ok = all(part.ok for part in self._parts.values())
        return Summary(
            active_devices=counts.online,
            devices=counts.total,
            offline_devices=counts.total - counts.online,
            buffered_records=counts.buffered,
            last_seen=counts.last_seen,
            last_sync=self._desktops.last_sync(device_ids),
            system_status="ok" if is_ok else "degraded",
            parts=self._parts,
            storage=self._storage,
        )
