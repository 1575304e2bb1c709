"""The digests of devices' keys in PostgreSQL, each read in a transaction of its own."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from pulse_chassis.database import Database
from pulse_identity.storage.tables import device_keys, devices


class PostgresDeviceCredentials:
    """A `DeviceCredentials`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def is_active(self, device_id: str) -> bool:
        """Return whether there is such a device and it is enabled."""
        query = sa.select(devices.c.is_active).where(devices.c.id == device_id)
        async with self._database.read() as session:
            return bool(await session.scalar(query))

    async def digests(self, device_id: str, prefix: str, now: datetime) -> list[bytes]:
        """Return the digests of an active device's keys with this prefix that are valid now."""
        query = (
            sa.select(device_keys.c.sha256)
            .join(devices, devices.c.id == device_keys.c.device_id)
            .where(
                devices.c.id == device_id,
                devices.c.is_active,
                device_keys.c.prefix == prefix,
                sa.or_(device_keys.c.expires_at.is_(None), device_keys.c.expires_at > now),
            )
        )
        async with self._database.read() as session:
            return [bytes(digest) for digest in (await session.execute(query)).scalars()]
