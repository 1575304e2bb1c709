"""Which user a sign-in provider's subject is, in PostgreSQL, within the transaction of a session."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_identity.storage.tables import user_identities


class PostgresIdentityLinkStore:
    """An `IdentityLinkStore` on one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def user_of(self, issuer: str, subject: str) -> UUID | None:
        """Return the user."""
        is_it = sa.and_(user_identities.c.issuer == issuer, user_identities.c.subject == subject)
        found: UUID | None = await self._session.scalar(sa.select(user_identities.c.user_id).where(is_it))
        return found

    async def link(self, issuer: str, subject: str, user_id: UUID, now: datetime) -> None:
        """Note the user."""
        await self._session.execute(
            sa.insert(user_identities).values(issuer=issuer, subject=subject, user_id=user_id, created_at=now)
        )
