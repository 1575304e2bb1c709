"""The keys that access tokens are signed with: opened once, published all, the newest one signs.

Keys are read again every `RELOAD_SECONDS`, so a key that another process added signs here soon after; whoever verifies
asks for an unknown key at once. Private halves live in memory only, unsealed.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pulse_chassis.bearer import generate_signing_key, issue_access_token, public_jwk
from pulse_chassis.clock import Clock
from pulse_contracts.tokens import ACCESS_TOKEN_SECONDS
from pulse_identity.domain.credentials import IssuedAccess, SealedKey
from pulse_identity.domain.people import User
from pulse_identity.use_cases.key_ports import SecretBox
from pulse_identity.use_cases.ports import UnitOfWork, Work

RELOAD_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class _OpenKey:
    sealed: SealedKey
    private: dict[str, str]


class SigningKeys:
    """An `AccessTokens` over the stored keys."""

    def __init__(self, work: Work, box: SecretBox, clock: Clock) -> None:
        self._work = work
        self._box = box
        self._clock = clock
        self._keys: list[_OpenKey] = []
        self._loaded_at: float | None = None
        self._loading = asyncio.Lock()

    async def issue(self, user: User, session_id: uuid.UUID, now: datetime) -> IssuedAccess:
        """Return a signed token with the user's roles and permissions of now."""
        keys = [key for key in await self._current() if key.sealed.signs_from <= now]
        token = issue_access_token(
            keys[0].private,
            user_id=user.id,
            username=user.username,
            roles=list(user.roles),
            permissions=sorted(user.permissions),
            session_id=session_id,
            now=now,
            lifetime=timedelta(seconds=ACCESS_TOKEN_SECONDS),
        )
        return IssuedAccess(token, ACCESS_TOKEN_SECONDS)

    async def published(self) -> dict[str, Any]:
        """Return the JSON Web Key Set: every key whose tokens may still be valid, or soon will be."""
        now = self._clock.now()
        return {
            "keys": [
                key.sealed.public
                for key in await self._current()
                if key.sealed.published_until is None or now < key.sealed.published_until
            ]
        }

    async def _current(self) -> list[_OpenKey]:
        async with self._loading:
            now = self._clock.monotonic()
            if self._loaded_at is None or now - self._loaded_at >= RELOAD_SECONDS:
                async with self._work() as unit:
                    sealed = await unit.signing_keys.all()
                self._keys = [_OpenKey(key, json.loads(self._box.unseal(key.sealed_private))) for key in sealed]
                self._loaded_at = now
        return self._keys


async def ensure_signing_key(unit: UnitOfWork, box: SecretBox, now: datetime) -> None:
    """Make the first signing key, and see that the stored ones open; raises WrongSecretError."""
    stored = await unit.signing_keys.all()
    for key in stored:
        box.unseal(key.sealed_private)
    if not stored:
        await unit.signing_keys.add(make_signing_key(box, now))


def make_signing_key(box: SecretBox, signs_from: datetime) -> SealedKey:
    """Return a new key, its private half sealed."""
    private = generate_signing_key(uuid.uuid4().hex)
    return SealedKey(private["kid"], public_jwk(private), box.seal(json.dumps(private).encode()), signs_from)
