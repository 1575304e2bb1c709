"""What keeping signing keys needs from outside; `ports` has the transaction that this store is a part of."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from pulse_identity.domain.credentials import SealedKey


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
