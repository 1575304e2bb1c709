"""Open sessions: seeing them and ending them, one's own and, for who may, another user's.

An ended session is out everywhere within a second: here because the database is asked, elsewhere by the announcement.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pulse_chassis.clock import Clock
from pulse_chassis.errors import NotFoundError
from pulse_contracts.permissions import Permission
from pulse_contracts.streams import AccessChanged
from pulse_identity.domain import people
from pulse_identity.domain.sessions import SessionView
from pulse_identity.use_cases.authorise import Caller, authorise
from pulse_identity.use_cases.enforce import enforce
from pulse_identity.use_cases.ports import UnitOfWork, Work
from pulse_identity.use_cases.tell_audit import session_resource, tell_audit


class EndSessions:
    """Lists and ends sessions."""

    def __init__(self, work: Work, clock: Clock) -> None:
        self._work = work
        self._clock = clock

    async def own(self, caller: Caller) -> list[SessionView]:
        """Return the caller's open sessions, the one used last first."""
        async with self._work() as unit:
            await authorise(unit, caller)
            return await unit.sessions.open_of(caller.user_id, self._clock.now())

    async def end_own(self, caller: Caller, session_id: UUID) -> None:
        """End one of the caller's sessions, this one included; raises NotFoundError."""
        async with self._work() as unit:
            await authorise(unit, caller)
            await self._end_one(unit, caller.user_id, session_id)

    async def end_others(self, caller: Caller) -> int:
        """End all of the caller's sessions but this one; return how many."""
        async with self._work() as unit:
            await authorise(unit, caller)
            return await end_all(unit, caller.user_id, "ended_by_user", self._clock.now(), keep=caller.session_id)

    async def end_everywhere(self, caller: Caller) -> int:
        """End all of the caller's sessions, this one too; return how many."""
        async with self._work() as unit:
            await authorise(unit, caller)
            return await end_all(unit, caller.user_id, "ended_by_user", self._clock.now())

    async def of_user(self, caller: Caller, user_id: UUID) -> list[SessionView]:
        """Return a user's open sessions; raises NotFoundError."""
        async with self._work() as unit:
            await authorise(unit, caller, Permission.USERS_READ)
            if await unit.people.user(user_id) is None:
                raise _no_such_user()
            return await unit.sessions.open_of(user_id, self._clock.now())

    async def end_of_user(self, caller: Caller, user_id: UUID, session_id: UUID | None = None) -> None:
        """End one or (None) all sessions of a user; raises NotFoundError, ForbiddenError."""
        async with self._work() as unit:
            actor = await authorise(unit, caller, Permission.USERS_WRITE)
            target = await unit.people.user(user_id, for_update=True)
            if target is None:
                raise _no_such_user()
            enforce(people.check_power_over(actor, target))
            if session_id is None:
                await end_all(unit, user_id, "ended_by_admin", self._clock.now())
            else:
                await self._end_one(unit, user_id, session_id)

    async def _end_one(self, unit: UnitOfWork, user_id: UUID, session_id: UUID) -> None:
        now = self._clock.now()
        if session_id not in {view.session.id for view in await unit.sessions.open_of(user_id, now)}:
            message = "there is no such open session"
            raise NotFoundError(message, code="unknown_session")
        await unit.sessions.revoke(session_id, "ended_by_user", now)
        await unit.publish(AccessChanged(kind="session_revoked", user_id=user_id, session_id=session_id))
        was = {"user_id": str(user_id), "reason": "ended_by_user"}
        await tell_audit(unit, "session.ended", session_resource(session_id), after=was)


async def end_all(unit: UnitOfWork, user_id: UUID, reason: str, now: datetime, *, keep: UUID | None = None) -> int:
    """End a user's sessions but for `keep` as a part of somebody's transaction; return how many."""
    ended = await unit.sessions.revoke_all(user_id, reason, now, keep)
    for session_id in ended:
        await unit.publish(AccessChanged(kind="session_revoked", user_id=user_id, session_id=session_id))
        was = {"user_id": str(user_id), "reason": reason}
        await tell_audit(unit, "session.ended", session_resource(session_id), after=was)
    return len(ended)


def _no_such_user() -> NotFoundError:
    return NotFoundError("there is no such user", code="unknown_user")
