"""Checking a password against a verifier: Argon2id with its salt and parameters, then the HMAC under K_desktop."""

from __future__ import annotations

import base64
import secrets

from pulse_contracts.sync import PasswordVerifier
from pulse_contracts.verifiers import is_same_mac, verifier_mac

MAX_PASSWORD_BYTES = 1024
MIN_PASSWORD_CHARS = 8
_UNKNOWN = PasswordVerifier(
    salt=base64.b64encode(secrets.token_bytes(16)).decode(),
    time_cost=2,
    memory_kib=19 * 1024,
    parallelism=1,
    hash_bytes=32,
    mac="",
)
"""Identity's own parameters: what an unknown name costs when this desktop knows no verifier at all."""


def is_right(key: bytes, verifier: PasswordVerifier | None, password: str, like: PasswordVerifier | None) -> bool:
    """Compare; without a verifier it takes as long as with `like`, and says no. Takes tens of milliseconds."""
    from argon2.exceptions import HashingError
    from argon2.low_level import Type, hash_secret_raw

    used = verifier or like or _UNKNOWN
    given = password.encode("utf-8", "surrogatepass")
    try:
        digest = hash_secret_raw(
            given[:MAX_PASSWORD_BYTES],
            base64.b64decode(used.salt),
            time_cost=used.time_cost,
            memory_cost=used.memory_kib,
            parallelism=used.parallelism,
            hash_len=used.hash_bytes,
            type=Type.ID,
        )
    except (HashingError, ValueError):  # parameters that no Argon2 takes: nobody's password
        return False
    is_same = is_same_mac(verifier_mac(key, digest), used.mac)
    return is_same and verifier is not None and len(given) <= MAX_PASSWORD_BYTES
