"""What keys and secrets need from outside; `ports` has the transaction that the store is a part of."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from pulse_identity.domain.credentials import IssuedAccess, SealedKey
from pulse_identity.domain.people import User


class SigningKeyStore(Protocol):
    """The signing keys at rest."""

    async def all(self) -> list[SealedKey]:
        """Return all keys, newest first."""
        ...

    async def add(self, key: SealedKey) -> None:
        """Add a key."""
        ...

    async def retire(self, key_id: str, published_until: datetime) -> None:
        """Say how long a key is still published."""
        ...

    async def remove(self, before: datetime) -> int:
        """Delete keys that are not published any more; return how many."""
        ...


class SecretBox(Protocol):
    """What only this service's own secret can do."""

    def seal(self, plain: bytes) -> bytes:
        """Encrypt for storage."""
        ...

    def unseal(self, sealed: bytes) -> bytes:
        """Decrypt; raises WrongSecretError when it was sealed with another secret."""
        ...

    def child_of(self, token: str) -> str:
        """Return the refresh token that follows this one: always the same, and nobody else can tell it."""
        ...


class WrongSecretError(Exception):
    """What is stored was sealed with another PULSE_IDENTITY_SECRET."""

    is_readable = True


class AccessTokens(Protocol):
    """Signs access tokens."""

    async def issue(self, user: User, session_id: UUID, now: datetime) -> IssuedAccess:
        """Return a signed token with the user's roles and permissions of now."""
        ...
