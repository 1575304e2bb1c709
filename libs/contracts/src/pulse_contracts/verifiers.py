"""How a desktop checks a password without holding the server's hash (sync.md, 7).

Both sides compute Argon2id with the same salt and parameters; a desktop keeps only its HMAC under a key of its own,
which is in the keyring and not in the database. One side is worthless without the other.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

VERIFIER_KEY_BYTES: Final = 32


def verifier_mac(key: bytes, digest: bytes) -> str:
    """Return HMAC-SHA256(key, digest) in base 64, where `digest` is the raw output of Argon2id."""
    return base64.b64encode(hmac.digest(key, digest, hashlib.sha256)).decode()


def is_same_mac(one: str, other: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())
