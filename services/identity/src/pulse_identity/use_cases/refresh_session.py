"""Turning a refresh token in for the next one.

Each token is good once. Its holder may ask again within a minute, because the answer may have been lost, and gets the
same child; a token that comes back in any other way ends the session, for the thief and for the owner.
"""

from __future__ import annotations

from datetime import datetime

from pulse_chassis.clock import Clock
from pulse_chassis.errors import UnauthorizedError
from pulse_chassis.logging import get_logger
from pulse_contracts.streams import AccessChanged
from pulse_identity.domain.credentials import digest
from pulse_identity.domain.people import User
from pulse_identity.domain.sessions import RefreshToken, RefreshVerdict, Session, judge_refresh
from pulse_identity.use_cases.key_ports import AccessTokens, SecretBox
from pulse_identity.use_cases.ports import UnitOfWork, Work
from pulse_identity.use_cases.sign_in import ClientInfo, SessionTimes, SignedIn
from pulse_identity.use_cases.tell_audit import ITSELF, session_resource, tell_audit

_log = get_logger("sessions")


class RefreshSession:
    """Rotates a session's refresh token."""

    def __init__(self, work: Work, box: SecretBox, tokens: AccessTokens, clock: Clock, times: SessionTimes) -> None:
        self._work = work
        self._box = box
        self._tokens = tokens
        self._clock = clock
        self._times = times

    async def __call__(self, token_text: str, client: ClientInfo) -> SignedIn:
        """Return the session's next tokens; raises UnauthorizedError."""
        now = self._clock.now()
        async with self._work() as unit:
            # No exception inside: ending a stolen family must be committed.
            outcome = await self._turn_in(unit, token_text, client, now)
        if outcome is None:
            message = "the session has ended; sign in again"
            raise UnauthorizedError(message, code="invalid_refresh_token")
        user, session, child = outcome
        access = await self._tokens.issue(user, session.id, now)
        return SignedIn(user, session.id, access, self._box.child_of(token_text), child)

    async def _turn_in(
        self, unit: UnitOfWork, token_text: str, client: ClientInfo, now: datetime
    ) -> tuple[User, Session, datetime] | None:
        found = await unit.sessions.find(digest(token_text))
        if found is None:
            return None
        token, session = found
        verdict = judge_refresh(token, session, client.sha256, now)
        if verdict is RefreshVerdict.REVOKE:
            await unit.sessions.revoke(session.id, "refresh_token_reused", now)
            await unit.publish(AccessChanged(kind="session_revoked", user_id=session.user_id, session_id=session.id))
            facts = {"user_id": str(session.user_id), "reason": "refresh_token_reused"}
            await tell_audit(unit, "session.ended", session_resource(session.id), by=ITSELF, after=facts)
            _log.warning("refresh_token_reused", user_id=str(session.user_id), session_id=str(session.id))
        user = await unit.people.user(session.user_id)
        if verdict in {RefreshVerdict.REVOKE, RefreshVerdict.REFUSE} or user is None or not user.is_active:
            return None
        expires_at = min(now + self._times.idle, session.expires_at)
        if verdict is RefreshVerdict.ROTATE:
            child_sha256 = digest(self._box.child_of(token_text))
            child = RefreshToken(child_sha256, session.id, token.generation + 1, expires_at)
            await unit.sessions.rotate(token, child, client.sha256, now)
        return user, session, expires_at
