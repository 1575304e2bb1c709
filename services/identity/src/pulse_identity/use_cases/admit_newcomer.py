"""Lending a workstation to somebody who was added on it: else they could not sign in where they were made.

Only where the web would let the actor share it; where it would not, an owner or administrator shares it later.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pulse_contracts.permissions import Permission
from pulse_identity.domain.devices import DeviceAction, Grantee, ShareLevel, check_action
from pulse_identity.domain.people import Actor
from pulse_identity.use_cases.ports import UnitOfWork
from pulse_identity.use_cases.register_devices import device_lock
from pulse_identity.use_cases.share_device import share_within


async def admit_newcomer(unit: UnitOfWork, actor: Actor, device_id: str, user_id: UUID, now: datetime) -> None:
    """Share a desktop with a new user as a part of somebody's transaction, to read, unless they have access anyway."""
    user = await unit.people.user(user_id)
    if user is None or await unit.desktops.has_access(device_id, user_id):
        return
    await unit.lock(device_lock(device_id))
    view = await unit.devices.view(device_id, actor)
    may_share = view is not None and check_action(view.level, DeviceAction.SHARE) is None
    if may_share and actor.can(Permission.DEVICES_WRITE):
        await share_within(unit, actor, device_id, (Grantee("user", user.username), ShareLevel.READ), now)
