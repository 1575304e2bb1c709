"""The first step of every change to one device: in scope, allowed, locked.

A device outside the caller's scope is answered like one that is not there.
"""

from __future__ import annotations

from pulse_chassis.errors import NotFoundError
from pulse_contracts.permissions import Permission
from pulse_identity.domain.devices import DeviceAction, DeviceView, check_action
from pulse_identity.domain.people import Actor
from pulse_identity.use_cases.authorise import Caller, authorise
from pulse_identity.use_cases.enforce import enforce
from pulse_identity.use_cases.ports import UnitOfWork
from pulse_identity.use_cases.register_devices import device_lock


async def open_device(
    unit: UnitOfWork, caller: Caller, device_id: str, action: DeviceAction
) -> tuple[Actor, DeviceView]:
    """Return who acts and the device, locked; raises NotFoundError, ForbiddenError, UnauthorizedError."""
    actor = await authorise(unit, caller, Permission.DEVICES_WRITE)
    await unit.lock(device_lock(device_id))
    view = await unit.devices.view(device_id, actor)
    if view is None:
        raise no_such_device()
    enforce(check_action(view.level, action))
    return actor, view


def no_such_device() -> NotFoundError:
    """Return the answer for a device that is not there, or not for these eyes."""
    return NotFoundError("there is no such device", code="unknown_device")
