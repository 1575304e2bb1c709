"""Somebody who signed in on this desktop, and why somebody else could not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pulse_contracts.permissions import Permission


@dataclass(frozen=True, slots=True)
class LocalSession:
    """A signed-in user. Rights are the lease's, as of when this was made; every edit looks again."""

    user_id: str
    username: str
    roles: tuple[str, ...]
    permissions: frozenset[str]
    lease_until: datetime

    def can(self, permission: Permission) -> bool:
        """Whether the user has a permission."""
        return permission in self.permissions


class LoginRefusal(StrEnum):
    """Why a sign-in was refused."""

    WRONG_CREDENTIALS = "wrong_credentials"
    """Unknown user or wrong password: which of them, nobody learns."""
    LOCKED_OUT = "locked_out"
    CLOCK_SET_BACK = "clock_set_back"
    PASSWORD_NOT_KNOWN_HERE = "password_not_known_here"  # noqa: S105 -- a reason
    DISABLED = "disabled"
    REVOKED = "revoked"
    NO_LEASE = "no_lease"
    LEASE_EXPIRED = "lease_expired"


_SENTENCES = {
    LoginRefusal.WRONG_CREDENTIALS: "the username or the password is wrong",
    LoginRefusal.LOCKED_OUT: "too many wrong passwords: wait before the next try",
    LoginRefusal.CLOCK_SET_BACK: "this computer's clock shows a time that is past: connect to the server first",
    LoginRefusal.PASSWORD_NOT_KNOWN_HERE: "this password is not known on this computer yet: connect to the server first",
    LoginRefusal.DISABLED: "this account is disabled",
    LoginRefusal.REVOKED: "the server has taken back the right to sign in here: connect to the server first",
    LoginRefusal.NO_LEASE: "there is no permit to sign in here without the server: connect to the server first",
    LoginRefusal.LEASE_EXPIRED: "the permit to sign in here without the server has run out: connect to the server first",
}


class LoginRefusedError(Exception):
    """Nobody is signed in; `retry_after` in seconds for a lock-out."""

    def __init__(self, reason: LoginRefusal, retry_after: int | None = None) -> None:
        super().__init__(_SENTENCES[reason] + (f" ({retry_after} s)" if retry_after else ""))
        self.reason = reason
        self.retry_after = retry_after
