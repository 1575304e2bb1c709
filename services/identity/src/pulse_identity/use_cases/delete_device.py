"""Deleting a device: off the broker first, then gone; its readings stay, its id stays reserved for its owner."""

from __future__ import annotations

from contextlib import suppress

from pulse_chassis.clock import Clock
from pulse_chassis.errors import UnavailableError
from pulse_chassis.preconditions import ANY_VERSION, Precondition
from pulse_contracts.streams import DeviceChanged
from pulse_identity.domain.devices import DeviceAction
from pulse_identity.use_cases.authorise import Caller
from pulse_identity.use_cases.open_device import open_device
from pulse_identity.use_cases.ports import BrokerAccounts, Work
from pulse_identity.use_cases.register_devices import device_lock
from pulse_identity.use_cases.tell_audit import device_fields, device_resource, tell_audit


class DeleteDevice:
    """Deletes a device and its broker account."""

    def __init__(self, work: Work, broker: BrokerAccounts, clock: Clock) -> None:
        self._work = work
        self._broker = broker
        self._clock = clock

    async def __call__(self, caller: Caller, device_id: str, expected: Precondition = ANY_VERSION) -> None:
        """Delete; raises as every change of a device."""
        async with self._work() as unit:
            actor, view = await open_device(unit, caller, device_id, DeviceAction.DELETE)
            expected.check(view.device.version)
            await unit.devices.delete(device_id, self._clock.now())
            await unit.publish(DeviceChanged(device_id=device_id, is_deleted=True))
            was = device_fields(view.device)
            await tell_audit(unit, "device.deleted", device_resource(device_id), by=actor, before=was)
            # Disabled, not deleted: should the commit fail, the reconciler can enable it again with the same key.
            await self._broker.set_enabled(device_id, is_enabled=False)
        with suppress(UnavailableError):  # The reconciler removes what stays behind.
            await self._remove_account(device_id)

    async def _remove_account(self, device_id: str) -> None:
        async with self._work() as unit:
            await unit.lock(device_lock(device_id))
            if await unit.devices.get(device_id) is None:
                await self._broker.delete([device_id])
