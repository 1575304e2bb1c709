"""Ending a session with its refresh token."""

from __future__ import annotations

from pulse_chassis.clock import Clock
from pulse_contracts.streams import AccessChanged
from pulse_identity.domain.credentials import digest
from pulse_identity.use_cases.ports import Work
from pulse_identity.use_cases.tell_audit import session_resource, tell_audit


class SignOut:
    """Ends the session that a refresh token belongs to."""

    def __init__(self, work: Work, clock: Clock) -> None:
        self._work = work
        self._clock = clock

    async def __call__(self, token_text: str) -> None:
        """End it; an unknown token has nothing to end, which is what was wanted."""
        async with self._work() as unit:
            found = await unit.sessions.find(digest(token_text))
            if found is None:
                return
            _, session = found
            if await unit.sessions.revoke(session.id, "signed_out", self._clock.now()):
                await unit.publish(
                    AccessChanged(kind="session_revoked", user_id=session.user_id, session_id=session.id)
                )
                user = await unit.people.user(session.user_id)
                await tell_audit(unit, "session.closed", session_resource(session.id), by=user)
