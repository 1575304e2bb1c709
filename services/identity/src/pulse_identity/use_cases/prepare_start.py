"""What must be there before the first request: permissions, built-in roles, a signing key, and somebody to sign in.

Safe when several processes start at once: one does it, the others find it done. There is no default password: the
first admin's comes from the operator, or is made up and returned to be shown once.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import SecretStr

from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_contracts.permissions import BUILT_IN_ROLES, Permission
from pulse_identity.domain.passwords import check_password
from pulse_identity.domain.people import ADMIN_ROLE, User
from pulse_identity.use_cases.ports import PasswordHasher, UnitOfWork, Work
from pulse_identity.use_cases.tell_audit import ITSELF, tell_audit, user_fields, user_resource

_RANDOM_PASSWORD_BYTES: Final = 15
_log = get_logger("start")

EnsureSigningKey = Callable[[UnitOfWork, datetime], Awaitable[None]]


class UnacceptablePasswordError(Exception):
    """The operator's password for the first admin is not one."""

    is_readable = True


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """Who shall be able to sign in first; without a password one is made up."""

    username: str
    password: SecretStr | None = None


class PrepareStart:
    """Makes a fresh database usable and keeps the built-in roles in step with this version."""

    def __init__(self, work: Work, hasher: PasswordHasher, clock: Clock, ensure_signing_key: EnsureSigningKey) -> None:
        self._work = work
        self._hasher = hasher
        self._clock = clock
        self._ensure_signing_key = ensure_signing_key

    async def __call__(self, first_admin: FirstAdmin) -> str | None:
        """Return the made-up password if this call created the first admin with one, else None.

        Raises UnacceptablePasswordError, and WrongSecretError when stored keys cannot be opened.
        """
        made_up = None
        async with self._work() as unit:
            await unit.lock("start")
            texts = {permission.value: permission.description for permission in Permission}
            roles = {name: frozenset(map(str, allowed)) for name, allowed in BUILT_IN_ROLES.items()}
            await unit.people.keep_built_ins(texts, roles)
            await self._ensure_signing_key(unit, self._clock.now())
            if await unit.people.is_empty():
                made_up = await self._add_admin(unit, first_admin)
        return made_up

    async def _add_admin(self, unit: UnitOfWork, wanted: FirstAdmin) -> str | None:
        made_up = None if wanted.password else secrets.token_urlsafe(_RANDOM_PASSWORD_BYTES)
        password = made_up or (wanted.password.get_secret_value() if wanted.password else "")
        refusal = check_password(password, wanted.username)
        if refusal is not None:
            message = f"PULSE_IDENTITY_ADMIN_PASSWORD cannot be the first admin's password: {refusal.message}"
            raise UnacceptablePasswordError(message)
        now = self._clock.now()
        everything = frozenset(map(str, BUILT_IN_ROLES[ADMIN_ROLE]))
        admin = User(
            id=uuid.uuid4(),
            username=wanted.username,
            email=None,
            is_active=True,
            roles=(ADMIN_ROLE,),
            permissions=everything,
            version=1,
            created_at=now,
            updated_at=now,
        )
        await unit.people.add_user(admin, await self._hasher.hash(password))
        await tell_audit(unit, "user.created", user_resource(admin.id), by=ITSELF, after=user_fields(admin))
        _log.info("first_admin_created", username=wanted.username)
        return made_up
