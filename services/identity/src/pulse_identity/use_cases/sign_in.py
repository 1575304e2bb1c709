"""Signing in with a username and a password.

Whether the user exists, is disabled or mistyped cannot be told from the answer or from how long it took.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pulse_chassis.clock import Clock
from pulse_chassis.errors import UnauthorizedError, UnavailableError
from pulse_chassis.request_origin import note_actor
from pulse_contracts.audit import AuditActor
from pulse_identity.domain import passwords
from pulse_identity.domain.credentials import Credentials, IssuedAccess, digest, new_token
from pulse_identity.domain.people import User
from pulse_identity.domain.sessions import RefreshToken, Session
from pulse_identity.use_cases.key_ports import AccessTokens
from pulse_identity.use_cases.ports import PasswordHasher, SignInLimits, Work
from pulse_identity.use_cases.tell_audit import session_resource, tell_audit

_SHOWN_CHARS: Final = 256


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """The browser or program that asks, and from where."""

    address: str
    user_agent: str

    @property
    def sha256(self) -> bytes:
        """The digest by which the same client is recognised when it asks again."""
        return hashlib.sha256(f"{self.user_agent}\0{self.address}".encode("utf-8", "surrogatepass")).digest()

    def shown(self) -> dict[str, str]:
        """Return what the list of sessions shows."""
        return {"address": self.address, "user_agent": self.user_agent[:_SHOWN_CHARS]}


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session's newest tokens."""

    user: User
    session_id: uuid.UUID
    access: IssuedAccess
    refresh_token: str = field(repr=False)
    refresh_expires_at: datetime


@dataclass(frozen=True, slots=True)
class SessionTimes:
    """How long a session lasts unused, and at most."""

    idle: timedelta = timedelta(days=30)
    longest: timedelta = timedelta(days=90)


class SignIn:
    """Checks a password and opens a session."""

    def __init__(
        self, work: Work, hasher: PasswordHasher, limits: SignInLimits, tokens: AccessTokens, clock: Clock,
        times: SessionTimes,
    ) -> None:  # fmt: skip
        self._work = work
        self._hasher = hasher
        self._limits = limits
        self._tokens = tokens
        self._clock = clock
        self._times = times

    async def __call__(self, username: str, password: str, client: ClientInfo) -> SignedIn:
        """Return a new session's tokens.

        Raises UnauthorizedError for whatever was wrong, RateLimitedError when guessing, UnavailableError when busy.
        """
        await self._limits.admit(username, client.address)
        async with self._work() as unit:
            credentials = await unit.people.credentials(username)
        if not await self._is_right(username, password, client, credentials) or credentials is None:
            await self._limits.failed(username, client.address)
            if credentials is not None:
                # Whose account it was; an unknown name is not kept, it may be a password in the wrong field.
                note_actor(AuditActor(kind="anonymous", id=str(credentials.user_id), name=username))
            raise _wrong()
        await self._limits.succeeded(username, client.address)
        fresh_hash = None
        if self._hasher.is_outdated(credentials.password_hash):
            fresh_hash = await self._hasher.hash(password)
        return await self._open(credentials, fresh_hash, client)

    async def _is_right(
        self, username: str, password: str, client: ClientInfo, credentials: Credentials | None
    ) -> bool:
        stored = None if credentials is None else credentials.password_hash
        if len(password.encode("utf-8", "surrogatepass")) > passwords.MAX_BYTES:
            stored = None
        try:
            is_right = await self._hasher.verify(password[: passwords.MAX_BYTES], stored)
        except UnavailableError:
            await self._limits.abandoned(username, client.address)
            raise
        return is_right and credentials is not None and credentials.is_active

    async def _open(self, credentials: Credentials, fresh_hash: str | None, client: ClientInfo) -> SignedIn:
        now = self._clock.now()
        text = new_token()
        async with self._work() as unit:
            # Locked, so that a session is opened either before the user is disabled (and ended with the others) or not.
            user = await unit.people.user(credentials.user_id, for_update=True)
            if user is None or not user.is_active:
                raise _wrong()
            if fresh_hash is not None:
                await unit.people.rehash_password(user.id, credentials.password_hash, fresh_hash)
            session = Session(uuid.uuid4(), user.id, 1, now, now + self._times.longest)
            token = RefreshToken(digest(text), session.id, 1, now + self._times.idle)
            await unit.sessions.add(session, token, client.shown())
            await tell_audit(unit, "session.opened", session_resource(session.id), by=user, after=client.shown())
        access = await self._tokens.issue(user, session.id, now)
        return SignedIn(user, session.id, access, text, token.expires_at)


def _wrong() -> UnauthorizedError:
    return UnauthorizedError("the username or the password is wrong", code="invalid_credentials")
