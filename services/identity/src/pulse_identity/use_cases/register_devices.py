"""Registering devices: the row, its key and its broker account, all or nothing.

The account is made inside the transaction, before its commit: broker away means nothing happened. If the commit then
fails, or this process dies in between, an account without a device is left; the reconciler removes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pulse_chassis.clock import Clock
from pulse_chassis.errors import ConflictError, InvalidError
from pulse_contracts.permissions import Permission
from pulse_contracts.streams import AccessChanged
from pulse_identity.domain.credentials import new_api_key
from pulse_identity.domain.desktops import check_kind
from pulse_identity.domain.devices import (
    DEFAULT_KIND,
    AccessLevel,
    Device,
    DeviceAccount,
    DeviceAction,
    NewDevice,
    check_action,
    check_device_id,
    device_id_from,
)
from pulse_identity.domain.people import Actor
from pulse_identity.use_cases.announce import device_changed
from pulse_identity.use_cases.authorise import Caller, authorise
from pulse_identity.use_cases.enforce import enforce
from pulse_identity.use_cases.ports import BrokerAccounts, UnitOfWork, Work
from pulse_identity.use_cases.tell_audit import device_fields, device_resource, tell_audit


@dataclass(frozen=True, slots=True)
class DeviceWish:
    """What is wanted; an id is made up where none is given, the owner is the caller unless said otherwise."""

    id: str | None = None
    name: str | None = None
    kind: str = DEFAULT_KIND
    groups: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict, hash=False)
    owner_id: UUID | None = None


class RegisterDevices:
    """Registers devices."""

    def __init__(self, work: Work, broker: BrokerAccounts, clock: Clock) -> None:
        self._work = work
        self._broker = broker
        self._clock = clock

    async def __call__(self, caller: Caller, wishes: Sequence[DeviceWish]) -> list[NewDevice]:
        """Return the devices with their keys, in order; raises for the first that cannot be, and then none is."""
        async with self._work() as unit:
            actor = await authorise(unit, caller, Permission.DEVICES_WRITE)
            for wish in wishes:
                await check_owner(unit, actor, wish)
            return await self.within(unit, actor, wishes)

    async def within(self, unit: UnitOfWork, actor: Actor, wishes: Sequence[DeviceWish]) -> list[NewDevice]:
        """Do so as the last step of somebody's transaction."""
        for wish in wishes:
            enforce(check_kind(actor, wish.kind))
        new_devices = [NewDevice(self._device(actor, wish), new_api_key()) for wish in wishes]
        ids = [new.device.id for new in new_devices]
        await self._check_ids(unit, actor, ids)
        await unit.devices.add(new_devices)
        for new in new_devices:
            await unit.publish(device_changed(new.device))
            fields = {**device_fields(new.device), "prefix": new.key.prefix}
            await tell_audit(unit, "device.registered", device_resource(new.device.id), by=actor, after=fields)
        for owner_id in {new.device.owner_id for new in new_devices}:
            await unit.publish(AccessChanged(kind="share", user_id=owner_id))
        await self._broker.put([DeviceAccount(new.device.id, new.key) for new in new_devices])
        return new_devices

    async def _check_ids(self, unit: UnitOfWork, actor: Actor, ids: list[str]) -> None:
        for device_id in ids:
            enforce(check_device_id(device_id))
        if len(set(ids)) < len(ids):
            message = "an id occurs twice"
            raise InvalidError(message, code="duplicate_device_id", field="id")
        await unit.lock(*map(device_lock, ids))
        taken = await unit.devices.taken(ids, actor)
        if taken:
            message = f"the id {min(taken)} is taken"
            raise ConflictError(message, code="device_id_taken", field="id")

    def _device(self, actor: Actor, wish: DeviceWish) -> Device:
        now = self._clock.now()
        device_id = wish.id or device_id_from(wish.name or wish.kind)
        return Device(
            id=device_id,
            name=wish.name or device_id,
            kind=wish.kind,
            owner_id=wish.owner_id or actor.user_id,
            is_active=True,
            groups=wish.groups,
            metadata=wish.metadata,
            version=1,
            created_at=now,
            updated_at=now,
        )


def device_lock(device_id: str) -> str:
    """Return the name of the lock under which a device and its broker account change together."""
    return f"device:{device_id}"


async def check_new_owner(unit: UnitOfWork, owner_id: UUID) -> None:
    """Raise InvalidError unless there is such an active user."""
    owner = await unit.people.user(owner_id)
    if owner is None or not owner.is_active:
        message = "there is no such active user"
        raise InvalidError(message, code="unknown_user", field="owner_id")


async def check_owner(unit: UnitOfWork, actor: Actor, wish: DeviceWish) -> None:
    """Raise ForbiddenError or InvalidError when the actor cannot register a device for the owner that is wished."""
    if wish.owner_id is None or wish.owner_id == actor.user_id:
        return
    level = AccessLevel.ALL if actor.sees_all_devices else AccessLevel.OWNER
    enforce(check_action(level, DeviceAction.GIVE_AWAY))
    await check_new_owner(unit, wish.owner_id)
