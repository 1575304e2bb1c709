"""Looking up devices within the caller's scope."""

from __future__ import annotations

from pulse_contracts.permissions import Permission
from pulse_identity.domain.devices import DeviceShare, DeviceView
from pulse_identity.domain.queries import DeviceFilter, Page
from pulse_identity.use_cases.authorise import Caller, authorise
from pulse_identity.use_cases.open_device import no_such_device
from pulse_identity.use_cases.ports import Work


class FindDevices:
    """Reads devices."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def page(self, caller: Caller, wanted: DeviceFilter, page: Page) -> tuple[list[DeviceView], int]:
        """Return a page of the devices that the caller sees, and how many match."""
        async with self._work() as unit:
            actor = await authorise(unit, caller, Permission.DEVICES_READ)
            return await unit.devices.views(actor, wanted, page)

    async def one(self, caller: Caller, device_id: str) -> DeviceView:
        """Return a device; raises NotFoundError also when it is not for the caller's eyes."""
        async with self._work() as unit:
            actor = await authorise(unit, caller, Permission.DEVICES_READ)
            view = await unit.devices.view(device_id, actor)
        if view is None:
            raise no_such_device()
        return view

    async def shares(self, caller: Caller, device_id: str) -> list[DeviceShare]:
        """Return with whom a device is shared; raises NotFoundError."""
        async with self._work() as unit:
            actor = await authorise(unit, caller, Permission.DEVICES_READ)
            if await unit.devices.view(device_id, actor) is None:
                raise no_such_device()
            return await unit.shares.shares(device_id)
