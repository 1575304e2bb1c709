"""Rights and devices, as identity publishes them in its views."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_alerts.use_cases.ports import Caller

IN_SCOPE: Final = "(:sees_all or {column} in (select device_id from identity.device_access where user_id = :user))"
"""The condition that a device is in a user's scope."""
_CALLER: Final = sa.text(
    "select user_id, username, permissions from identity.user_authority where user_id = :user and is_active"
)
_SEEN: Final = sa.text(f"""
select device_id from identity.device_registry
where device_id = any(cast(:device_ids as text[])) and {IN_SCOPE.format(column="device_id")}
""")  # noqa: S608 -- our own condition


def in_scope(column: str, caller: Caller) -> sa.TextClause:
    """Return the condition that the device of this column is in the caller's scope."""
    condition = sa.text(IN_SCOPE.format(column=column))
    return condition.bindparams(user=caller.user_id, sees_all=caller.sees_all_devices)


class PostgresDirectory:
    """A `Directory` on one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def caller(self, user_id: UUID) -> Caller | None:
        """Return an active user with the rights of now."""
        row = (await self._session.execute(_CALLER, {"user": user_id})).one_or_none()
        return None if row is None else Caller(user_id, row.username, frozenset(row.permissions))

    async def seen(self, caller: Caller, device_ids: Collection[str]) -> set[str]:
        """Return those of these devices that the caller sees."""
        asked = {"user": caller.user_id, "sees_all": caller.sees_all_devices, "device_ids": list(device_ids)}
        return set(await self._session.scalars(_SEEN, asked))
