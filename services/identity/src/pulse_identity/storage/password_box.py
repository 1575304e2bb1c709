"""The key that desktops seal passwords to: made at the first start, kept sealed like the signing keys, one for all.

Sync passes sealed passwords on and can open none. The private half lives in memory only, unsealed.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from pulse_chassis.errors import InvalidError, UnavailableError
from pulse_chassis.sealing import SealError, SealKey
from pulse_identity.use_cases.key_ports import SecretBox
from pulse_identity.use_cases.ports import UnitOfWork, Work


class SealedPasswordBox:
    """A `PasswordBox` over the stored key, which is read once."""

    def __init__(self, work: Work, box: SecretBox) -> None:
        self._work = work
        self._box = box
        self._key: SealKey | None = None

    async def public_key(self) -> str:
        """Return what to seal to, in base 64."""
        return (await self._loaded()).public_key

    async def open(self, sealed: str) -> str:
        """Return the password in a sealed box (base 64); raises InvalidError (`bad_password_box`)."""
        key = await self._loaded()
        try:
            return key.open(base64.b64decode(sealed, validate=True)).decode()
        except (SealError, binascii.Error, ValueError):
            # Not chained: what could not be decoded may be a password.
            message = "the password was not sealed to identity's key"
            raise InvalidError(message, code="bad_password_box", field="password") from None

    async def _loaded(self) -> SealKey:
        if self._key is None:
            async with self._work() as unit:
                stored = await unit.password_box.get()
            if stored is None:
                message = "the password key is not there yet"
                raise UnavailableError(message, code="password_key_missing")
            self._key = SealKey(self._box.unseal(stored[1]).decode())
        return self._key


async def ensure_password_box(unit: UnitOfWork, box: SecretBox, now: datetime) -> None:
    """Make the key at the first start, and see that the stored one opens; raises WrongSecretError."""
    stored = await unit.password_box.get()
    if stored is not None:
        box.unseal(stored[1])
        return
    fresh = SealKey.generate()
    await unit.password_box.add(fresh.public_key, box.seal(fresh.private_key.encode()), now)
