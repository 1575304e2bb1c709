"""Opaque secrets that are shown once: API keys, refresh tokens, enrolment codes.

All are random with at least 100 bits (codes, which live for minutes) or 256 bits, so a plain SHA-256 is what is kept.
"""

from __future__ import annotations

import hashlib
import secrets
import string
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from pulse_contracts.device_keys import key_prefix, key_sha256

_KEY_TAG: Final = "ppk_"
_KEY_TAG_CHARS: Final = 8
_SECRET_BYTES: Final = 32
_PREFIX_ALPHABET: Final = string.ascii_lowercase + string.digits
# Crockford's base 32: nothing that a person confuses when reading a code to another.
_CODE_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_CHARS: Final = 20
_CODE_GROUP: Final = 4
_READ_AS: Final = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A device's new API key; `text` is shown once, the rest is kept."""

    text: str = field(repr=False)
    prefix: str
    sha256: bytes = field(repr=False)


def new_api_key() -> ApiKey:
    """Return a fresh API key of 256 bits with a recognisable, public beginning of 12 characters."""
    tag = "".join(secrets.choice(_PREFIX_ALPHABET) for _ in range(_KEY_TAG_CHARS))
    text = f"{_KEY_TAG}{tag}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return ApiKey(text, key_prefix(text), key_sha256(text))


def new_token() -> str:
    """Return an opaque token of 256 bits."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def new_enrolment_code() -> str:
    """Return a one-time code of 100 bits in groups of four, for people to read out."""
    code = "".join(secrets.choice(_CODE_ALPHABET) for _ in range(_CODE_CHARS))
    return "-".join(code[start : start + _CODE_GROUP] for start in range(0, _CODE_CHARS, _CODE_GROUP))


def code_digest(code: str) -> bytes:
    """Return what is kept of a code; case, hyphens, spaces and look-alike letters do not matter."""
    return digest(code.upper().translate(_READ_AS))


def digest(token: str) -> bytes:
    """Return the SHA-256 of an opaque token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class Credentials:
    """What sign-in compares a password with."""

    user_id: UUID
    password_hash: str = field(repr=False)
    is_active: bool


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A signing key as it is stored: the private half sealed, the public half to be published."""

    key_id: str
    public: dict[str, str] = field(hash=False)
    sealed_private: bytes = field(repr=False)
    signs_from: datetime
    published_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class IssuedAccess:
    """An access token and how long it is good."""

    token: str = field(repr=False)
    expires_in: int
