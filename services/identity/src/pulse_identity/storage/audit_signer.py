"""Signatures over places in the audit log: ES256 with a key that is derived from PULSE_IDENTITY_SECRET.

The key is in no table, so that whoever can write to the database cannot sign; it does not rotate, so that an old
checkpoint stays verifiable for as long as the secret is kept.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the group of P-256 (FIPS 186-4, D.1.2.3): a private key is 1 to this, exclusive."""
_MATERIAL_BYTES: Final = 48
"""128 bits more than the order has, so that the remainder shows no bias (FIPS 186-4, B.4.1)."""
_ES256: Final = ec.ECDSA(hashes.SHA256())


class AuditSigner:
    """A `CheckpointSigner`."""

    def __init__(self, secret: SecretStr) -> None:
        derive = HKDF(
            algorithm=hashes.SHA256(), length=_MATERIAL_BYTES, salt=None, info=b"precisionpulse identity audit v1"
        )
        material = int.from_bytes(derive.derive(secret.get_secret_value().encode()), "big")
        self._private = ec.derive_private_key(material % (_ORDER - 1) + 1, ec.SECP256R1())
        self._public = self._private.public_key()

    def sign(self, payload: bytes) -> bytes:
        """Return the signature, DER."""
        return self._private.sign(payload, _ES256)

    def is_ours(self, payload: bytes, signature: bytes) -> bool:
        """Whether this key signed that."""
        try:
            self._public.verify(signature, payload, _ES256)
        except InvalidSignature:
            return False
        return True
