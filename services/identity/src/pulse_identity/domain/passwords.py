"""Which passwords are acceptable: length and not being among those that everybody tries first.

No composition rules: they make passwords worse (security.md, passwords).
"""

from __future__ import annotations

from typing import Final

from pulse_identity.domain.common_passwords import common_passwords
from pulse_identity.domain.refusal import Refusal, invalid

MIN_CHARS: Final = 8
MAX_BYTES: Final = 1024
"""Argon2 would take more; a megabyte of password is an attack on our memory bandwidth, not a password."""


def check_password(password: str, username: str) -> Refusal | None:
    """Return why this password is not acceptable for this user; None when it is."""
    if len(password) < MIN_CHARS:
        return invalid("password_too_short", f"a password has at least {MIN_CHARS} characters", "password")
    if len(password.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return invalid("password_too_long", f"a password has at most {MAX_BYTES} bytes", "password")
    folded = password.casefold()
    if folded in common_passwords() or len(set(folded)) == 1:
        return invalid("password_too_common", "this password is among the first that anyone would try", "password")
    if folded == username.casefold():
        return invalid("password_is_username", "a password is not the username", "password")
    return None
