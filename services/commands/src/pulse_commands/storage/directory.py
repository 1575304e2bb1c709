"""Rights and devices, as identity publishes them in its views."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_commands.use_cases.ports import Caller, Target

CONTROL_LEVELS: Final = frozenset({"control", "owner"})
_CALLER: Final = sa.text(
    "select user_id, username, permissions from identity.user_authority where user_id = :user and is_active"
)
_SEEN: Final = """
select r.device_id, r.is_active, a.level
from identity.device_registry r
left join identity.device_access a on a.device_id = r.device_id and a.user_id = :user
where (:sees_all or a.level is not null)
"""
_NAMED: Final = sa.text(_SEEN + " and r.device_id = any(cast(:device_ids as text[]))")
_GROUPED: Final = sa.text(
    _SEEN
    + " and (cast(:group as text) is null or cast(:group as text) = any(r.groups)) order by r.device_id limit :most"
)
IN_SCOPE: Final = "(:sees_all or {column} in (select device_id from identity.device_access where user_id = :user))"
"""The condition that a device is in a user's scope."""


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

    async def named(self, caller: Caller, device_ids: Collection[str]) -> dict[str, Target]:
        """Return those of these devices that the caller sees."""
        asked = {**_who(caller), "device_ids": list(device_ids)}
        rows = await self._session.execute(_NAMED, asked)
        return {row.device_id: _target(row, caller) for row in rows}

    async def grouped(self, caller: Caller, group: str | None, limit: int) -> list[Target]:
        """Return the devices of a group, or all, that the caller sees."""
        rows = await self._session.execute(_GROUPED, {**_who(caller), "group": group, "most": limit})
        return [_target(row, caller) for row in rows]


def _who(caller: Caller) -> dict[str, Any]:
    return {"user": caller.user_id, "sees_all": caller.sees_all_devices}


def _target(row: sa.Row[Any], caller: Caller) -> Target:
    return Target(row.device_id, row.is_active, caller.sees_all_devices or row.level in CONTROL_LEVELS)
