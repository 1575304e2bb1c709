"""A new password given by whoever runs the machine: the way back in when nobody can sign in any more.

Asks for no permission: it is called from the command line, by somebody who holds the service's own secrets.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Final

from pulse_chassis.clock import Clock
from pulse_chassis.errors import NotFoundError
from pulse_chassis.logging import get_logger
from pulse_contracts.streams import AccessChanged
from pulse_identity.domain.passwords import check_password
from pulse_identity.use_cases.end_sessions import end_all
from pulse_identity.use_cases.enforce import enforce
from pulse_identity.use_cases.ports import PasswordHasher, Work
from pulse_identity.use_cases.tell_audit import ITSELF, tell_audit, user_resource

_RANDOM_PASSWORD_BYTES: Final = 15
_log = get_logger("start")


class ResetPassword:
    """Gives a user a new password and ends all sessions of theirs."""

    def __init__(self, work: Work, hasher: PasswordHasher, clock: Clock) -> None:
        self._work = work
        self._hasher = hasher
        self._clock = clock

    async def __call__(self, username: str, password: str | None, *, activates: bool = False) -> str:
        """Return the password, made up unless one is given; raises NotFoundError, InvalidError."""
        chosen = password or secrets.token_urlsafe(_RANDOM_PASSWORD_BYTES)
        enforce(check_password(chosen, username))
        password_hash = await self._hasher.hash(chosen)
        now = self._clock.now()
        async with self._work() as unit:
            credentials = await unit.people.credentials(username)
            user = None if credentials is None else await unit.people.user(credentials.user_id, for_update=True)
            if user is None:
                message = f"there is no user {username!r}"
                raise NotFoundError(message, code="unknown_user", field="username")
            is_active = user.is_active or activates
            changed = replace(user, is_active=is_active, version=user.version + 1, updated_at=now)
            await unit.people.save_user(changed, password_hash)
            await end_all(unit, user.id, "password_reset", now)
            await unit.publish(AccessChanged(kind="user", user_id=user.id))
            told = {"is_active": is_active}
            await tell_audit(unit, "user.password_reset", user_resource(user.id), by=ITSELF, after=told)
        _log.warning("password_reset", username=user.username, is_active=is_active)
        return chosen
