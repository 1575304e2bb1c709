"""Taking a share of a device back."""

from __future__ import annotations

from uuid import UUID

from pulse_chassis.errors import NotFoundError
from pulse_contracts.streams import AccessChanged
from pulse_identity.domain.devices import DeviceAction
from pulse_identity.use_cases.authorise import Caller
from pulse_identity.use_cases.open_device import open_device
from pulse_identity.use_cases.ports import Work
from pulse_identity.use_cases.tell_audit import device_resource, share_fields, tell_audit


class UnshareDevice:
    """Removes a share."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def __call__(self, caller: Caller, device_id: str, share_id: UUID) -> None:
        """Remove it; raises as every change of a device, NotFoundError when there is no such share."""
        async with self._work() as unit:
            actor, _ = await open_device(unit, caller, device_id, DeviceAction.SHARE)
            share = await unit.shares.remove(device_id, share_id)
            if share is None:
                message = "there is no such share"
                raise NotFoundError(message, code="unknown_share")
            await unit.publish(AccessChanged(kind="share", user_id=share.user_id, device_id=device_id))
            fields = share_fields(share)
            await tell_audit(unit, "device.unshared", device_resource(device_id), by=actor, before=fields)
