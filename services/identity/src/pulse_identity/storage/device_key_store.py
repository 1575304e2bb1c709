"""Proposed keys of devices in PostgreSQL, within the transaction of a session."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_identity.domain.credentials import ApiKey
from pulse_identity.storage.tables import device_keys
from pulse_identity.use_cases.device_key_ports import ProposedKey

_IS_PROPOSED = device_keys.c.others_end_at.is_not(None)


class PostgresDeviceKeyStore:
    """A `DeviceKeyStore` on one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def propose(self, device_id: str, key: ApiKey, now: datetime, others_end_at: datetime) -> None:
        """Add a proposed key in place of one proposed before; once settled, the others end at `others_end_at`."""
        await self.withdraw(device_id)
        await self._session.execute(
            sa.insert(device_keys).values(
                sha256=key.sha256,
                device_id=device_id,
                prefix=key.prefix,
                created_at=now,
                expires_at=None,
                others_end_at=others_end_at,
            )
        )

    async def proposed(self, device_id: str) -> ProposedKey | None:
        """Return a device's proposed key."""
        query = sa.select(device_keys.c.prefix, device_keys.c.created_at)
        row = (
            await self._session.execute(query.where(device_keys.c.device_id == device_id, _IS_PROPOSED))
        ).one_or_none()
        return None if row is None else ProposedKey(row.prefix, row.created_at)

    async def all_proposed(self) -> dict[str, ProposedKey]:
        """Return every proposed key, by device."""
        query = sa.select(device_keys.c.device_id, device_keys.c.prefix, device_keys.c.created_at).where(_IS_PROPOSED)
        return {row.device_id: ProposedKey(row.prefix, row.created_at) for row in await self._session.execute(query)}

    async def settle(self, device_id: str, now: datetime) -> None:
        """Make the proposed key the device's key: the others end when that was said, those that ended go."""
        ours = device_keys.c.device_id == device_id
        others_end_at = await self._session.scalar(sa.select(device_keys.c.others_end_at).where(ours, _IS_PROPOSED))
        if others_end_at is None:
            return
        sooner = sa.func.least(device_keys.c.expires_at, others_end_at)
        await self._session.execute(sa.update(device_keys).where(ours, ~_IS_PROPOSED).values(expires_at=sooner))
        await self._session.execute(sa.update(device_keys).where(ours, _IS_PROPOSED).values(others_end_at=None))
        await self._session.execute(sa.delete(device_keys).where(ours, device_keys.c.expires_at <= now))

    async def withdraw(self, device_id: str) -> None:
        """Delete the proposed key."""
        await self._session.execute(sa.delete(device_keys).where(device_keys.c.device_id == device_id, _IS_PROPOSED))
