"""Making an enrolling device a desktop: its public keys are kept, and it is told its secrets, once.

Enrolling again replaces them all; enrolling without keys takes them away, so that what the last machine signed counts
no more.
"""

from __future__ import annotations

import base64
import secrets
from typing import Final

from pulse_chassis.clock import Clock
from pulse_chassis.errors import InvalidError, UnavailableError
from pulse_chassis.sealing import Sealer, SealError
from pulse_chassis.signatures import TrustedKeys
from pulse_contracts.audit import AuditActor
from pulse_contracts.verifiers import VERIFIER_KEY_BYTES
from pulse_identity.domain.desktops import DesktopKeys, DesktopSecrets
from pulse_identity.domain.devices import Device
from pulse_identity.use_cases.announce import device_changed
from pulse_identity.use_cases.key_ports import SecretBox
from pulse_identity.use_cases.ports import UnitOfWork
from pulse_identity.use_cases.tell_audit import device_resource, tell_audit

_PUBLIC_PARTS: Final = ("kty", "crv", "x", "y", "kid")
_MAX_PART_CHARS: Final = 128


class EquipDesktop:
    """Keeps a desktop's keys and makes its secrets."""

    def __init__(self, box: SecretBox, clock: Clock) -> None:
        self._box = box
        self._clock = clock

    async def within(self, unit: UnitOfWork, device: Device, keys: DesktopKeys | None) -> DesktopSecrets | None:
        """Return what the desktop is told, as a part of its enrolment; None for a device without keys."""
        if keys is None:
            await unit.desktops.remove_keys(device.id)
            return None
        stored = await unit.password_box.get()
        if stored is None:
            message = "the password key is not there yet"
            raise UnavailableError(message, code="password_key_missing")
        verifier_key = secrets.token_bytes(VERIFIER_KEY_BYTES)
        await unit.desktops.put_keys(device.id, keys, self._box.seal(verifier_key), self._clock.now())
        await unit.publish(device_changed(device))
        by = AuditActor(kind="device", id=device.id)
        facts = {"sign_kid": keys.sign_jwk["kid"], "seal_public": keys.seal_key}
        await tell_audit(unit, "desktop.equipped", device_resource(device.id), by=by, after=facts)
        return DesktopSecrets(base64.b64encode(verifier_key).decode(), stored[0])


def checked_keys(sign_jwk: dict[str, str] | None, seal_key: str | None) -> DesktopKeys | None:
    """Return a desktop's keys as they are kept; None when it has none. Raises InvalidError."""
    if sign_jwk is None and seal_key is None:
        return None
    if sign_jwk is None or seal_key is None:
        message = "a desktop has both keys, sign_jwk and seal_key"
        raise InvalidError(message, code="bad_desktop_keys")
    if "d" in sign_jwk:
        message = "a private key stays where it is; send the public half"
        raise InvalidError(message, code="private_key_sent", field="sign_jwk")
    public = {name: sign_jwk.get(name, "") for name in _PUBLIC_PARTS}
    if any(not 0 < len(part) <= _MAX_PART_CHARS for part in public.values()):
        message = f"a public key has {', '.join(_PUBLIC_PARTS)}"
        raise InvalidError(message, code="bad_desktop_keys", field="sign_jwk")
    try:
        TrustedKeys([public])
    except ValueError as error:
        raise InvalidError(str(error), code="bad_desktop_keys", field="sign_jwk") from error
    try:
        # Tried, because there are points that nothing can be sealed to.
        Sealer(seal_key).seal(b"")
    except SealError as error:
        raise InvalidError(str(error), code="bad_desktop_keys", field="seal_key") from error
    return DesktopKeys(public, seal_key)
