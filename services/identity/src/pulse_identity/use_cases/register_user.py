"""Registering oneself, where the operator allows it. The new account has no role: an administrator gives one."""

from __future__ import annotations

import uuid
from typing import Final

from pulse_chassis.clock import Clock
from pulse_chassis.errors import ForbiddenError
from pulse_contracts.streams import AccessChanged
from pulse_identity.domain.passwords import check_password
from pulse_identity.domain.people import User
from pulse_identity.use_cases.enforce import enforce
from pulse_identity.use_cases.ports import PasswordHasher, SignInLimits, Work
from pulse_identity.use_cases.tell_audit import tell_audit, user_fields, user_resource

NO_ROLES: Final[tuple[str, ...]] = ()


class RegisterUser:
    """Adds an account that may do nothing yet."""

    def __init__(
        self, work: Work, hasher: PasswordHasher, limits: SignInLimits, clock: Clock, *, is_open: bool
    ) -> None:
        self._work = work
        self._hasher = hasher
        self._limits = limits
        self._clock = clock
        self._is_open = is_open

    async def __call__(self, username: str, password: str, email: str | None, address: str) -> User:
        """Return the new user.

        Raises ForbiddenError when registration is off, RateLimitedError, InvalidError, ConflictError (name taken).
        """
        if not self._is_open:
            message = "accounts are made by an administrator here"
            raise ForbiddenError(message, code="registration_disabled")
        enforce(check_password(password, username))
        await self._limits.admit_registration(address)
        password_hash = await self._hasher.hash(password)
        now = self._clock.now()
        user = User(
            id=uuid.uuid4(),
            username=username,
            email=email,
            is_active=True,
            roles=NO_ROLES,
            permissions=frozenset(),
            version=1,
            created_at=now,
            updated_at=now,
        )
        async with self._work() as unit:
            await unit.people.add_user(user, password_hash)
            await unit.publish(AccessChanged(kind="user", user_id=user.id))
            await tell_audit(unit, "user.registered", user_resource(user.id), by=user, after=user_fields(user))
        return user
