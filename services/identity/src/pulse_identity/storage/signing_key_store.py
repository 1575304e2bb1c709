"""The signing keys at rest, private halves sealed, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_identity.domain.credentials import SealedKey
from pulse_identity.storage.tables import signing_keys


class PostgresSigningKeyStore:
    """A `SigningKeyStore` on one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def all(self) -> list[SealedKey]:
        """Return all keys, newest first."""
        rows = await self._session.execute(sa.select(signing_keys).order_by(signing_keys.c.signs_from.desc()))
        return [
            SealedKey(row.key_id, row.public_jwk, bytes(row.sealed_private), row.signs_from, row.published_until)
            for row in rows
        ]

    async def add(self, key: SealedKey) -> None:
        """Add a key."""
        await self._session.execute(
            sa.insert(signing_keys).values(
                key_id=key.key_id,
                public_jwk=key.public,
                sealed_private=key.sealed_private,
                signs_from=key.signs_from,
                published_until=key.published_until,
            )
        )

    async def retire(self, key_id: str, published_until: datetime) -> None:
        """Say how long a key is still published."""
        await self._session.execute(
            sa.update(signing_keys).where(signing_keys.c.key_id == key_id).values(published_until=published_until)
        )

    async def remove(self, before: datetime) -> int:
        """Delete keys that are not published any more; return how many."""
        result = await self._session.execute(sa.delete(signing_keys).where(signing_keys.c.published_until < before))
        return cast("CursorResult[Any]", result).rowcount
