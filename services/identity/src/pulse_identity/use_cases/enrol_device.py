"""A device enrolling itself with a one-time code.

The code is used up in the transaction that makes the key: of two devices with one code, one enrols. If anything fails,
the code is still good, and so is the old key of a device that was to get a new one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pulse_chassis.clock import Clock
from pulse_chassis.errors import ForbiddenError, PulseError
from pulse_contracts.audit import AuditActor
from pulse_contracts.permissions import Permission
from pulse_identity.domain.credentials import ApiKey, code_digest, new_api_key
from pulse_identity.domain.desktops import DesktopKeys, DesktopSecrets, check_kind
from pulse_identity.domain.devices import (
    Device,
    DeviceAction,
    EnrolmentCode,
    check_action,
    device_id_from,
)
from pulse_identity.domain.people import Actor
from pulse_identity.use_cases.equip_desktop import EquipDesktop
from pulse_identity.use_cases.hand_over_key import HandOverKey
from pulse_identity.use_cases.ports import SignInLimits, UnitOfWork, Work
from pulse_identity.use_cases.register_devices import DeviceWish, RegisterDevices, device_lock
from pulse_identity.use_cases.tell_audit import device_resource, tell_audit

_NAME_CHARS: Final = 128


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The device and its key, and what a desktop is told besides: shown once."""

    device: Device
    key: ApiKey
    is_renewed: bool = False
    """Whether it had a key before."""
    secrets: DesktopSecrets | None = None


class EnrolDevice:
    """Enrols a device with a code."""

    def __init__(
        self, work: Work, register: RegisterDevices, hand_over: HandOverKey, limits: SignInLimits, clock: Clock,
        equip: EquipDesktop,
    ) -> None:  # fmt: skip
        self._work = work
        self._register = register
        self._hand_over = hand_over
        self._limits = limits
        self._clock = clock
        self._equip = equip

    async def __call__(self, code_text: str, hostname: str, address: str, keys: DesktopKeys | None = None) -> Enrolled:
        """Return the device and its key, to a desktop (`keys`) its secrets too.

        Raises ForbiddenError (bad code), RateLimitedError, UnavailableError.
        """
        await self._limits.admit_enrolment(address)
        sha256 = code_digest(code_text)
        async with self._work() as unit:
            enrolled = await self._enrol(unit, sha256, hostname)
            secrets = await self._equip.within(unit, enrolled.device, keys)
            enrolled = replace(enrolled, secrets=secrets)
        if enrolled.is_renewed:
            await self._finish(enrolled, sha256)
        await self._limits.enrolled(address)
        return enrolled

    async def _enrol(self, unit: UnitOfWork, sha256: bytes, hostname: str) -> Enrolled:
        now = self._clock.now()
        known = await unit.shares.find_code(sha256)
        if known is not None and known.is_bound and known.device_id is not None:
            # Before the code's own row is locked: everybody takes the device first.
            await unit.lock(device_lock(known.device_id))
        code = await unit.shares.use_code(sha256, now)
        if code is None:
            raise _bad_code()
        maker = await _still_allowed(unit, code)
        if code.is_bound and code.device_id is not None:
            enrolled = await self._renew(unit, maker, code.device_id)
            await _tell(unit, enrolled.device.id, enrolled.key, code)
            return enrolled
        name = code.name or _readable(hostname)
        wish = DeviceWish(
            id=code.device_id or device_id_from(name or code.kind),
            name=name or None,
            kind=code.kind,
            groups=code.groups,
        )
        (new,) = await self._register.within(unit, maker, [wish])
        await _tell(unit, new.device.id, new.key, code)
        return Enrolled(new.device, new.key)

    async def _renew(self, unit: UnitOfWork, maker: Actor, device_id: str) -> Enrolled:
        view = await unit.devices.view(device_id, maker)
        if view is None or not view.device.is_active or check_action(view.level, DeviceAction.CREDENTIALS) is not None:
            raise _bad_code()
        if check_kind(maker, view.device.kind) is not None:
            # Whoever holds a workstation's keys edits people: the code's maker lost the right to hand that out.
            raise _bad_code()
        key = new_api_key()
        await self._hand_over.propose(unit, device_id, key, self._clock.now())
        return Enrolled(view.device, key, is_renewed=True)

    async def _finish(self, enrolled: Enrolled, sha256: bytes) -> None:
        try:
            await self._hand_over(enrolled.device.id, enrolled.key)
        except PulseError:
            async with self._work() as unit:
                await unit.shares.release_code(sha256)
            raise


async def _still_allowed(unit: UnitOfWork, code: EnrolmentCode) -> Actor:
    maker = await unit.people.user(code.created_by)
    if maker is None or not maker.is_active or Permission.DEVICES_WRITE not in maker.permissions:
        raise _bad_code()
    return Actor(maker.id, maker.username, maker.permissions)


async def _tell(unit: UnitOfWork, device_id: str, key: ApiKey, code: EnrolmentCode) -> None:
    by = AuditActor(kind="device", id=device_id)
    facts = {"prefix": key.prefix, "enrolment": str(code.id), "allowed_by": str(code.created_by)}
    await tell_audit(unit, "device.enrolled", device_resource(device_id), by=by, after=facts)


def _readable(hostname: str) -> str:
    """Return what a device calls itself as a name that can be shown and logged."""
    return "".join(character for character in hostname if character.isprintable()).strip()[:_NAME_CHARS]


def _bad_code() -> ForbiddenError:
    return ForbiddenError("the enrolment code is unknown, used or expired", code="invalid_enrolment_code", field="code")
