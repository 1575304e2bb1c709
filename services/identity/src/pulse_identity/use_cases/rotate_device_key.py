"""Giving a device a new API key.

The broker knows one key at a time, so the device is disconnected at once and needs the new one there; over HTTP the old
key may stay good for a while.
"""

from __future__ import annotations

from datetime import timedelta

from pulse_chassis.clock import Clock
from pulse_identity.domain.credentials import ApiKey, new_api_key
from pulse_identity.domain.devices import DeviceAccount, DeviceAction
from pulse_identity.use_cases.authorise import Caller
from pulse_identity.use_cases.open_device import open_device
from pulse_identity.use_cases.ports import BrokerAccounts, Work
from pulse_identity.use_cases.tell_audit import device_resource, tell_audit


class RotateDeviceKey:
    """Replaces a device's API key."""

    def __init__(self, work: Work, broker: BrokerAccounts, clock: Clock) -> None:
        self._work = work
        self._broker = broker
        self._clock = clock

    async def __call__(self, caller: Caller, device_id: str, overlap: timedelta) -> ApiKey:
        """Return the new key; the old one is good over HTTP for `overlap` more. Raises as every change of a device."""
        now = self._clock.now()
        key = new_api_key()
        async with self._work() as unit:
            actor, view = await open_device(unit, caller, device_id, DeviceAction.CREDENTIALS)
            await unit.devices.replace_key(device_id, key, now, now + overlap)
            key_facts = {"prefix": key.prefix, "overlap_seconds": overlap.total_seconds()}
            await tell_audit(unit, "device.key_rotated", device_resource(device_id), by=actor, after=key_facts)
            await self._broker.put([DeviceAccount(device_id, key, is_enabled=view.device.is_active)])
        return key
