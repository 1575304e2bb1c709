"""What the other services hear about a device."""

from __future__ import annotations

from pulse_contracts.streams import DeviceChanged, DeviceRegistration
from pulse_identity.domain.devices import Device


def device_changed(device: Device) -> DeviceChanged:
    """Return the event that says how a device is registered now."""
    registration = DeviceRegistration(
        name=device.name,
        owner_id=device.owner_id,
        is_active=device.is_active,
        kind=device.kind,
        groups=list(device.groups),
        metadata=device.metadata,
    )
    return DeviceChanged(device_id=device.id, registration=registration)
