"""Which passwords are acceptable: length and not being among those that everybody tries first.

No composition rules: they make passwords worse (security.md, passwords).
"""

from __future__ import annotations

from typing import Final

from pulse_identity.domain.refusal import Refusal, invalid

MIN_CHARS: Final = 8
MAX_BYTES: Final = 1024
"""Argon2 would take more; a megabyte of password is an attack on our memory bandwidth, not a password."""

# The head of the public lists of leaked passwords, as far as it has eight characters or more.
_COMMON_WORDS: Final = """
    password password1 password12 password123 passw0rd p@ssw0rd p@ssword 12345678 123456789 1234567890 0123456789
    87654321 987654321 0987654321 11111111 111111111 1111111111 00000000 000000000 22222222 88888888 99999999 12341234
    123123123 121212121 12121212 11223344 1122334455 112233445566 1q2w3e4r 1q2w3e4r5t 1qaz2wsx 1qazxsw2 q1w2e3r4
    q1w2e3r4t5 qwertyui qwertyuiop qwerty12 qwerty123 qwerty1234 qwerty12345 qwer1234 asdfasdf asdfghjk asdfghjkl
    asdf1234 zxcvbnm1 zaq12wsx zaq1zaq1 abcd1234 abcdefgh abcdefg1 abc12345 abc123456 a1b2c3d4 aa123456 aaaaaaaa
    iloveyou iloveyou1 sunshine sunshine1 princess princess1 football football1 baseball baseball1 basketball
    superman superman1 starwars whatever trustno1 jennifer michelle computer internet samantha corvette mercedes
    midnight liverpool chocolate butterfly welcome1 welcome123 letmein1 letmein123 changeme changeme1 changeme123
    changeit administrator admin123 admin1234 admin12345 administ rootroot root1234 default1 secret123 test1234
    testtest test12345 guest123 master123 dragon123 monkey123 shadow123 precisionpulse
"""
_COMMON: Final = frozenset(_COMMON_WORDS.split())


def check_password(password: str, username: str) -> Refusal | None:
    """Return why this password is not acceptable for this user; None when it is."""
    if len(password) < MIN_CHARS:
        return invalid("password_too_short", f"a password has at least {MIN_CHARS} characters", "password")
    if len(password.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return invalid("password_too_long", f"a password has at most {MAX_BYTES} bytes", "password")
    folded = password.casefold()
    if folded in _COMMON or len(set(folded)) == 1:
        return invalid("password_too_common", "this password is among the first that anyone would try", "password")
    if folded == username.casefold():
        return invalid("password_is_username", "a password is not the username", "password")
    return None
