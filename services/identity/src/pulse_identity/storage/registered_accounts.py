"""Devices as the accounts of a broker that keeps none of its own: it asks us, and this is what we would answer.

Only what is committed is seen, through a pool of its own: a transaction that waits for this never waits for itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from pulse_chassis.database import Database
from pulse_identity.domain.reconciliation import AccountState
from pulse_identity.storage.tables import device_keys, devices


class PostgresRegisteredAccounts:
    """A `RegisteredAccounts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def states(self, device_ids: Sequence[str]) -> list[AccountState]:
        """Return the accounts of those of the devices that there are."""
        return await self._read(devices.c.id.in_(device_ids))

    async def all(self) -> list[AccountState]:
        """Return every device's account."""
        return await self._read(sa.true())

    async def close(self) -> None:
        """Close the pool."""
        await self._database.dispose()

    async def _read(self, condition: sa.ColumnElement[bool]) -> list[AccountState]:
        newest = (
            sa.select(device_keys.c.prefix)
            .where(device_keys.c.device_id == devices.c.id)
            .order_by(device_keys.c.created_at.desc())
            .limit(1)
            .scalar_subquery()
        )
        query = sa.select(devices.c.id, devices.c.is_active, newest).where(condition)
        async with self._database.read() as session:
            return [AccountState(*row) for row in await session.execute(query)]
