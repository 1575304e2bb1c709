"""Giving a device a new API key.

The broker knows one key at a time, so the device is disconnected at once and needs the new one there; over HTTP the old
key may stay good for a while.
"""

from __future__ import annotations

from datetime import timedelta

from pulse_chassis.clock import Clock
from pulse_identity.domain.credentials import ApiKey, new_api_key
from pulse_identity.domain.devices import DeviceAction
from pulse_identity.use_cases.authorise import Caller
from pulse_identity.use_cases.hand_over_key import HandOverKey
from pulse_identity.use_cases.open_device import open_device
from pulse_identity.use_cases.ports import Work
from pulse_identity.use_cases.tell_audit import device_resource, tell_audit


class RotateDeviceKey:
    """Replaces a device's API key."""

    def __init__(self, work: Work, hand_over: HandOverKey, clock: Clock) -> None:
        self._work = work
        self._hand_over = hand_over
        self._clock = clock

    async def __call__(self, caller: Caller, device_id: str, overlap: timedelta) -> ApiKey:
        """Return the new key; the old one is good over HTTP for `overlap` more. Raises as every change of a device."""
        key = new_api_key()
        async with self._work() as unit:
            actor, _ = await open_device(unit, caller, device_id, DeviceAction.CREDENTIALS)
            key_facts = {"prefix": key.prefix, "overlap_seconds": overlap.total_seconds()}
            await tell_audit(unit, "device.key_rotated", device_resource(device_id), by=actor, after=key_facts)
            await self._hand_over.propose(unit, device_id, key, self._clock.now() + overlap)
        await self._hand_over(device_id, key)
        return key
