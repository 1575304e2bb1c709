"""Changing what is written on a device; giving it to another owner is for those who see every device."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from pulse_chassis.clock import Clock
from pulse_chassis.preconditions import ANY_VERSION, Precondition
from pulse_contracts.streams import AccessChanged
from pulse_identity.domain.desktops import check_kind
from pulse_identity.domain.devices import DeviceAction, DeviceView, check_action
from pulse_identity.use_cases.announce import device_changed
from pulse_identity.use_cases.authorise import Caller
from pulse_identity.use_cases.enforce import enforce
from pulse_identity.use_cases.open_device import no_such_device, open_device
from pulse_identity.use_cases.ports import Work
from pulse_identity.use_cases.register_devices import check_new_owner
from pulse_identity.use_cases.tell_audit import device_fields, device_resource, tell_audit


@dataclass(frozen=True, slots=True)
class DeviceChange:
    """What shall be different; None leaves it."""

    name: str | None = None
    kind: str | None = None
    groups: tuple[str, ...] | None = None
    metadata: dict[str, Any] | None = field(default=None, hash=False)
    owner_id: UUID | None = None


class ChangeDevice:
    """Changes a device."""

    def __init__(self, work: Work, clock: Clock) -> None:
        self._work = work
        self._clock = clock

    async def __call__(
        self, caller: Caller, device_id: str, change: DeviceChange, expected: Precondition = ANY_VERSION
    ) -> DeviceView:
        """Return the changed device; raises NotFoundError, PreconditionFailedError, ForbiddenError, InvalidError."""
        async with self._work() as unit:
            actor, view = await open_device(unit, caller, device_id, DeviceAction.EDIT)
            device = view.device
            expected.check(device.version)
            if change.kind is not None and change.kind != device.kind:
                enforce(check_kind(actor, change.kind))
            owner_id = device.owner_id
            if change.owner_id is not None and change.owner_id != owner_id:
                enforce(check_action(view.level, DeviceAction.GIVE_AWAY))
                await check_new_owner(unit, change.owner_id)
                owner_id = change.owner_id
            changed = replace(
                device,
                name=device.name if change.name is None else change.name,
                kind=device.kind if change.kind is None else change.kind,
                groups=device.groups if change.groups is None else change.groups,
                metadata=device.metadata if change.metadata is None else change.metadata,
                owner_id=owner_id,
                version=device.version + 1,
                updated_at=self._clock.now(),
            )
            await unit.devices.save(changed)
            await unit.publish(device_changed(changed))
            fields = {"before": device_fields(device), "after": device_fields(changed)}
            await tell_audit(unit, "device.changed", device_resource(device_id), by=actor, **fields)
            if owner_id != device.owner_id:
                for user_id in (device.owner_id, owner_id):
                    await unit.publish(AccessChanged(kind="share", user_id=user_id, device_id=device_id))
            seen = await unit.devices.view(device_id, actor)
        if seen is None:
            raise no_such_device()
        return seen
