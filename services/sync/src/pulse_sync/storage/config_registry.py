"""What identity publishes of people and devices, read in the transaction at hand."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_sync.use_cases.config_ports import ConfigActor, Level

_ACTOR: Final = text("select username, permissions from identity.user_authority where user_id = :user_id and is_active")
_LEVEL: Final = text("select level from identity.device_access where user_id = :user_id and device_id = :device_id")
_GROUPS: Final = text("select groups from identity.device_registry where device_id = :device_id")


class PostgresConfigRegistry:
    """Implements `ConfigRegistry`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def actor(self, user_id: UUID) -> ConfigActor | None:
        """Return an active user with what they may do."""
        row = (await self._session.execute(_ACTOR, {"user_id": user_id})).one_or_none()
        return None if row is None else ConfigActor(user_id, row.username, frozenset(row.permissions))

    async def level(self, user_id: UUID, device_id: str) -> Level | None:
        """Return how a user may use a device."""
        found: Level | None = await self._session.scalar(_LEVEL, {"user_id": user_id, "device_id": device_id})
        return found

    async def groups(self, device_id: str) -> tuple[str, ...] | None:
        """Return the groups of a registered device."""
        found = await self._session.scalar(_GROUPS, {"device_id": device_id})
        return None if found is None else tuple(found)
