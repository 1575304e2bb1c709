"""What only the holder of PULSE_IDENTITY_SECRET can do: open sealed keys, and tell the successor of a refresh token.

A key for each purpose is derived with HKDF, so one purpose says nothing about another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from pulse_identity.use_cases.key_ports import WrongSecretError

_NONCE_BYTES: Final = 12
_FORMAT: Final = b"\x01"
"""First byte of what is sealed, so that another cipher can follow this one."""


class KeyedSecretBox:
    """A `SecretBox` over AES-256-GCM and HMAC-SHA-256."""

    def __init__(self, secret: SecretStr) -> None:
        material = secret.get_secret_value().encode()
        self._cipher = AESGCM(_derive(material, b"precisionpulse identity sealing v1"))
        self._chain_key = _derive(material, b"precisionpulse identity refresh chain v1")

    def seal(self, plain: bytes) -> bytes:
        """Encrypt for storage."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, plain, _FORMAT)

    def unseal(self, sealed: bytes) -> bytes:
        """Decrypt; raises WrongSecretError when it was sealed with another secret."""
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, body, _FORMAT)
        except InvalidTag:
            message = "PULSE_IDENTITY_SECRET is not the one that the stored signing keys were sealed with"
            raise WrongSecretError(message) from None

    def child_of(self, token: str) -> str:
        """Return the refresh token that follows this one: always the same, and nobody else can tell it."""
        mac = hmac.digest(self._chain_key, token.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def _derive(material: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose).derive(material)
