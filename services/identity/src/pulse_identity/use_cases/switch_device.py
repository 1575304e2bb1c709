"""Enabling and disabling a device; a disabled one is off the broker before the answer is given."""

from __future__ import annotations

from dataclasses import replace

from pulse_chassis.clock import Clock
from pulse_chassis.errors import ConflictError
from pulse_chassis.preconditions import ANY_VERSION, Precondition
from pulse_identity.domain.devices import DeviceAction, DeviceView
from pulse_identity.use_cases.announce import device_changed
from pulse_identity.use_cases.authorise import Caller
from pulse_identity.use_cases.open_device import open_device
from pulse_identity.use_cases.ports import BrokerAccounts, Work
from pulse_identity.use_cases.tell_audit import device_resource, tell_audit


class SwitchDevice:
    """Enables or disables a device and its broker account."""

    def __init__(self, work: Work, broker: BrokerAccounts, clock: Clock) -> None:
        self._work = work
        self._broker = broker
        self._clock = clock

    async def __call__(
        self, caller: Caller, device_id: str, *, is_active: bool, expected: Precondition = ANY_VERSION
    ) -> DeviceView:
        """Return the device; raises as every change of a device, ConflictError when the broker lost its account."""
        async with self._work() as unit:
            actor, view = await open_device(unit, caller, device_id, DeviceAction.SWITCH)
            expected.check(view.device.version)
            if view.device.is_active != is_active:
                device = replace(
                    view.device,
                    is_active=is_active,
                    version=view.device.version + 1,
                    updated_at=self._clock.now(),
                )
                view = replace(view, device=device)
                await unit.devices.save(device)
                await unit.publish(device_changed(device))
            action = "device.enabled" if is_active else "device.disabled"
            await tell_audit(unit, action, device_resource(device_id), by=actor)
            # Also when nothing changed here: asking again mends a broker that differs.
            has_account = await self._broker.set_enabled(device_id, is_enabled=is_active)
            if is_active and not has_account:
                message = "the broker has no account for this device; rotate its key first"
                raise ConflictError(message, code="broker_account_missing")
        return view
