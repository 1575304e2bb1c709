"""What everybody may change of themselves: name, e-mail, and the password, which ends all other sessions."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from pulse_chassis.clock import Clock
from pulse_chassis.errors import ConflictError, InvalidError, UnauthorizedError, UnavailableError
from pulse_chassis.preconditions import ANY_VERSION, Precondition
from pulse_contracts.streams import AccessChanged
from pulse_identity.domain import passwords
from pulse_identity.domain.people import Actor, User
from pulse_identity.use_cases.authorise import Caller, authorise
from pulse_identity.use_cases.end_sessions import end_all
from pulse_identity.use_cases.enforce import enforce
from pulse_identity.use_cases.ports import PasswordHasher, SignInLimits, UnitOfWork, Work
from pulse_identity.use_cases.tell_audit import tell_audit, user_fields, user_resource


class ChangeProfile:
    """Changes the caller's own account."""

    def __init__(self, work: Work, hasher: PasswordHasher, limits: SignInLimits, clock: Clock) -> None:
        self._work = work
        self._hasher = hasher
        self._limits = limits
        self._clock = clock

    async def __call__(
        self, caller: Caller, username: str | None, email: str | None, expected: Precondition = ANY_VERSION
    ) -> User:
        """Return the changed account; a username of None stays. Raises PreconditionFailedError, ConflictError."""
        async with self._work() as unit:
            actor = await authorise(unit, caller)
            user = await _own(unit, caller.user_id)
            expected.check(user.version)
            changed = replace(
                user,
                username=username or user.username,
                email=email,
                version=user.version + 1,
                updated_at=self._clock.now(),
            )
            await unit.people.save_user(changed)
            await unit.publish(AccessChanged(kind="user", user_id=user.id))
            fields = {"before": user_fields(user), "after": user_fields(changed)}
            await tell_audit(unit, "user.changed", user_resource(user.id), by=actor, **fields)
        return changed

    async def password(self, caller: Caller, current: str, new: str, address: str) -> None:
        """Replace the password and end the other sessions.

        Raises InvalidError (wrong or not acceptable), RateLimitedError when guessing, UnavailableError when busy.
        """
        async with self._work() as unit:
            actor = await authorise(unit, caller)
            credentials = await unit.people.credentials(actor.username)
        await self._check_current(actor, current, None if credentials is None else credentials.password_hash, address)
        refusal = passwords.check_password(new, actor.username)
        enforce(None if refusal is None else replace(refusal, field="new_password"))
        if new == current:
            message = "the new password is the old one"
            raise InvalidError(message, code="password_unchanged", field="new_password")
        fresh_hash = await self._hasher.hash(new)
        async with self._work() as unit:
            await authorise(unit, caller)
            user = await _own(unit, caller.user_id)
            held = await unit.people.credentials(user.username)
            if credentials is None or held is None or held.password_hash != credentials.password_hash:
                message = "the password was changed at this very moment"
                raise ConflictError(message, code="password_changed")
            changed = replace(user, version=user.version + 1, updated_at=self._clock.now())
            await unit.people.save_user(changed, fresh_hash)
            await end_all(unit, user.id, "password_changed", self._clock.now(), keep=caller.session_id)
            await unit.publish(AccessChanged(kind="user", user_id=user.id))
            await tell_audit(unit, "user.password_changed", user_resource(user.id), by=actor)

    async def _check_current(self, actor: Actor, current: str, stored: str | None, address: str) -> None:
        # Counted like a sign-in: a stolen session must not become a place to guess the password without delays.
        await self._limits.admit(actor.username, address)
        try:
            is_right = await self._hasher.verify(current[: passwords.MAX_BYTES], stored)
        except UnavailableError:
            await self._limits.abandoned(actor.username, address)
            raise
        if not is_right:
            await self._limits.failed(actor.username, address)
            message = "this is not your current password"
            raise InvalidError(message, code="wrong_password", field="current_password")
        await self._limits.succeeded(actor.username, address)


async def _own(unit: UnitOfWork, user_id: UUID) -> User:
    user = await unit.people.user(user_id, for_update=True)
    if user is None:
        message = "this session has ended"
        raise UnauthorizedError(message, code="session_ended")
    return user
