"""Sealed boxes (libsodium): anybody can seal to a public key, only its owner can open, and nobody learns who sealed.

A sealed box proves no sender: what is inside is signed (`pulse_chassis.signatures`). Keys are X25519, in base 64.
"""

from __future__ import annotations

import base64
import binascii

from nacl.exceptions import CryptoError
from nacl.exceptions import RuntimeError as NaclRuntimeError
from nacl.public import PrivateKey, PublicKey, SealedBox


class SealError(Exception):
    """This was not sealed to this key, or was changed on its way, or is no key at all."""


class Sealer:
    """Seals to one public key (base 64). Raises SealError when it is none."""

    def __init__(self, public_key: str) -> None:
        self._box = SealedBox(PublicKey(_key_bytes(public_key)))

    def seal(self, plain: bytes) -> bytes:
        """Return the sealed box, 48 bytes longer; raises SealError for a point that nothing can be sealed to."""
        try:
            return self._box.encrypt(plain)
        except NaclRuntimeError as error:
            raise SealError("nothing can be sealed to this key") from error


class SealKey:
    """A private key that opens what was sealed to it. Raises SealError when `private_key` is none."""

    def __init__(self, private_key: str) -> None:
        self._private = PrivateKey(_key_bytes(private_key))
        self._box = SealedBox(self._private)

    @classmethod
    def generate(cls) -> SealKey:
        """Return a fresh key."""
        return cls(base64.b64encode(PrivateKey.generate().encode()).decode())

    @property
    def private_key(self) -> str:
        """The private half in base 64, to be kept secret."""
        return base64.b64encode(self._private.encode()).decode()

    @property
    def public_key(self) -> str:
        """The public half in base 64: what others seal to."""
        return base64.b64encode(self._private.public_key.encode()).decode()

    def open(self, sealed: bytes) -> bytes:
        """Return what was sealed; raises SealError."""
        try:
            return self._box.decrypt(sealed)
        except (CryptoError, ValueError, TypeError) as error:
            raise SealError("this was not sealed to this key") from error


def _key_bytes(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SealError("this is no key in base 64") from error
    if len(key) != PublicKey.SIZE:
        raise SealError(f"a key has {PublicKey.SIZE} bytes, this one {len(key)}")
    return key
