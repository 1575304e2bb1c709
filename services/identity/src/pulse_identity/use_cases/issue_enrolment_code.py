"""Making a one-time code with which a device enrols itself.

The code is for a device that exists (it gets a new key when the code is used) or for one that its use creates. It dies
with the right of who made it: both are looked at when it is used.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pulse_chassis.clock import Clock
from pulse_chassis.errors import ConflictError
from pulse_contracts.audit import AuditResource
from pulse_contracts.permissions import Permission
from pulse_identity.domain.credentials import code_digest, new_enrolment_code
from pulse_identity.domain.desktops import check_kind
from pulse_identity.domain.devices import DEFAULT_KIND, DeviceAction, EnrolmentCode, check_device_id
from pulse_identity.domain.people import Actor
from pulse_identity.use_cases.authorise import Caller, authorise
from pulse_identity.use_cases.enforce import enforce
from pulse_identity.use_cases.open_device import open_device
from pulse_identity.use_cases.ports import UnitOfWork, Work
from pulse_identity.use_cases.tell_audit import tell_audit

DEFAULT_LIFETIME: Final = timedelta(minutes=15)
LONGEST_LIFETIME: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class CodeWish:
    """What the code is for: the device `device_id` if there is one, else to create it (id made up if none is given)."""

    device_id: str | None = None
    name: str = ""
    kind: str = DEFAULT_KIND
    groups: tuple[str, ...] = ()
    lifetime: timedelta = DEFAULT_LIFETIME


class IssueEnrolmentCode:
    """Makes an enrolment code."""

    def __init__(self, work: Work, clock: Clock) -> None:
        self._work = work
        self._clock = clock

    async def __call__(self, caller: Caller, wish: CodeWish) -> tuple[str, EnrolmentCode]:
        """Return the code, which is shown once, and what is kept of it."""
        text = new_enrolment_code()
        now = self._clock.now()
        async with self._work() as unit:
            actor = await authorise(unit, caller, Permission.DEVICES_WRITE)
            enforce(check_kind(actor, wish.kind))
            is_bound = wish.device_id is not None and await _exists(unit, caller, actor, wish.device_id)
            code = EnrolmentCode(
                id=uuid.uuid4(),
                sha256=code_digest(text),
                device_id=wish.device_id,
                is_bound=is_bound,
                name=wish.name,
                kind=wish.kind,
                groups=wish.groups,
                owner_id=actor.user_id,
                created_by=actor.user_id,
                created_at=now,
                expires_at=now + wish.lifetime,
            )
            await unit.shares.add_code(code)
            facts = {"device_id": code.device_id, "name": code.name, "expires_at": code.expires_at.isoformat()}
            resource = AuditResource(type="enrolment", id=str(code.id))
            await tell_audit(unit, "enrolment.code_issued", resource, by=actor, after=facts)
        return text, code


async def _exists(unit: UnitOfWork, caller: Caller, actor: Actor, device_id: str) -> bool:
    """Return whether the code is for a device that is there; raises when the caller may not have it, or its id."""
    if await unit.devices.view(device_id, actor) is not None:
        _, view = await open_device(unit, caller, device_id, DeviceAction.CREDENTIALS)
        enforce(check_kind(actor, view.device.kind))
        return True
    enforce(check_device_id(device_id))
    if await unit.devices.taken([device_id], actor):
        message = f"the id {device_id} is taken"
        raise ConflictError(message, code="device_id_taken", field="id")
    return False
