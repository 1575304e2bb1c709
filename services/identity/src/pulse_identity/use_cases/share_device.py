"""Lending a device to a user, or to all who have a role."""

from __future__ import annotations

from datetime import datetime

from pulse_chassis.clock import Clock
from pulse_chassis.errors import InvalidError
from pulse_contracts.streams import AccessChanged
from pulse_identity.domain.devices import DeviceAction, DeviceShare, Grantee, ShareLevel
from pulse_identity.domain.people import Actor
from pulse_identity.use_cases.authorise import Caller
from pulse_identity.use_cases.open_device import open_device
from pulse_identity.use_cases.ports import UnitOfWork, Work
from pulse_identity.use_cases.tell_audit import device_resource, share_fields, tell_audit


class ShareDevice:
    """Shares a device, or changes the level of a share."""

    def __init__(self, work: Work, clock: Clock) -> None:
        self._work = work
        self._clock = clock

    async def __call__(self, caller: Caller, device_id: str, grantee: Grantee, level: ShareLevel) -> DeviceShare:
        """Return the share; raises as every change of a device, InvalidError for an unknown user or role."""
        async with self._work() as unit:
            actor, _ = await open_device(unit, caller, device_id, DeviceAction.SHARE)
            return await share_within(unit, actor, device_id, (grantee, level), self._clock.now())


async def share_within(
    unit: UnitOfWork, actor: Actor, device_id: str, wish: tuple[Grantee, ShareLevel], now: datetime
) -> DeviceShare:
    """Share a device, which is locked and the actor's to share, as a part of somebody's transaction.

    Raises InvalidError for an unknown user or role.
    """
    grantee, level = wish
    share = await unit.shares.put(device_id, grantee, level, now)
    if share is None:
        message = f"there is no {grantee.kind} {grantee.name!r}"
        raise InvalidError(message, code=f"unknown_{grantee.kind}", field=grantee.kind)
    await unit.publish(AccessChanged(kind="share", user_id=share.user_id, device_id=device_id))
    await tell_audit(unit, "device.shared", device_resource(device_id), by=actor, after=share_fields(share))
    return share
