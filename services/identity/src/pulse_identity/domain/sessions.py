"""Sessions and their chain of refresh tokens.

A session is one sign-in: its refresh tokens are a family of which only the newest is good. The one before it may come
again within a minute from the client that turned it in, because that client's answer may have been lost; anything else
means that two parties hold the chain, and ends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final
from uuid import UUID

RETRY_WINDOW: Final = timedelta(seconds=60)
"""How long a client whose answer was lost may ask again (security.md, tokens)."""


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in of one user on one client; `generation` is that of its newest refresh token."""

    id: UUID
    user_id: UUID
    generation: int
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether it can still be refreshed."""
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class SessionView:
    """An open session as its owner sees it: where from, with what, and when last."""

    session: Session
    address: str
    user_agent: str
    last_used_at: datetime


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """What is kept of a refresh token; `rotated_by` is the digest of the client that turned it in."""

    sha256: bytes
    session_id: UUID
    generation: int
    expires_at: datetime
    rotated_at: datetime | None = None
    rotated_by: bytes | None = None


class RefreshVerdict(Enum):
    """What to do with a refresh token that was presented."""

    ROTATE = "rotate"
    REPEAT = "repeat"
    """The previous token again, from the same client, in time: the same child once more."""
    REFUSE = "refuse"
    """The session is over; nothing more to protect."""
    REVOKE = "revoke"
    """Reuse: the whole family ends."""


def judge_refresh(token: RefreshToken, session: Session, client: bytes, now: datetime) -> RefreshVerdict:
    """Decide about a known token; `client` is the digest of who presents it."""
    if not session.is_open(now):
        return RefreshVerdict.REFUSE
    if token.generation == session.generation:
        return RefreshVerdict.ROTATE if now < token.expires_at else RefreshVerdict.REFUSE
    is_previous = token.generation == session.generation - 1
    in_time = token.rotated_at is not None and now - token.rotated_at <= RETRY_WINDOW
    if is_previous and in_time and token.rotated_by == client:
        return RefreshVerdict.REPEAT
    return RefreshVerdict.REVOKE
