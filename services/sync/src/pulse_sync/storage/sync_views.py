"""What people look at, from the tables of sync and the registry that identity publishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_chassis.database import Database
from pulse_chassis.errors import NotFoundError
from pulse_sync.use_cases.view_ports import (
    ConflictFilter,
    ConflictView,
    DesktopFilter,
    DesktopSort,
    DesktopView,
    DeviceScope,
    LogFilter,
    LogView,
    Part,
)

_IN_SCOPE: Final = (
    "(cast(:viewer as uuid) is null or {column} in"
    " (select a.device_id from identity.device_access a where a.user_id = cast(:viewer as uuid)))"
)
_DESKTOPS: Final = f"""
from sync.desktop_state s
join identity.device_registry r on r.device_id = s.device_id
join identity.desktop d on d.device_id = s.device_id
where {_IN_SCOPE.format(column="s.device_id")}
  and (cast(:search as text) is null or s.device_id ilike :search or r.name ilike :search)
  and (cast(:is_lagging as bool) is null or (s.lag > 0) = cast(:is_lagging as bool))
  and (cast(:device as text) is null or s.device_id = cast(:device as text))
"""
_DESKTOP_COLUMNS: Final = (
    "s.device_id, r.name, d.is_active, d.is_workstation, s.cursor, s.head, s.lag, s.pending, s.conflicts,"
    " s.last_sync_at, s.config_lag, s.error"
)
_LOG: Final = f"""
from sync.sync_log l
where (cast(:viewer as uuid) is null or (l.desktop_id is not null and {_IN_SCOPE.format(column="l.desktop_id")}))
  and (cast(:desktop_id as text) is null or l.desktop_id = cast(:desktop_id as text))
  and (cast(:direction as text) is null or l.direction = cast(:direction as text))
  and (cast(:entity as text) is null or l.entity = cast(:entity as text))
  and (cast(:row_id as text) is null or l.row_id = cast(:row_id as text))
  and (cast(:source as text) is null or l.source = cast(:source as text))
  and (cast(:status as text) is null or l.status = cast(:status as text))
  and (cast(:begins as timestamptz) is null or l.at >= cast(:begins as timestamptz))
  and (cast(:ends as timestamptz) is null or l.at < cast(:ends as timestamptz))
"""
_CONFLICTS: Final = f"""
from sync.sync_conflict c
where {_IN_SCOPE.format(column="c.desktop_id")}
  and (cast(:is_open as bool) is null or (c.resolution is null) = cast(:is_open as bool))
  and (cast(:desktop_id as text) is null or c.desktop_id = cast(:desktop_id as text))
  and (cast(:entity as text) is null or c.entity = cast(:entity as text))
  and (cast(:winner as text) is null or c.winner = cast(:winner as text))
"""
_ONE_CONFLICT: Final = f"""
select c.* from sync.sync_conflict c
where c.id = :id and {_IN_SCOPE.format(column="c.desktop_id")}
"""  # noqa: S608 -- put together from the constant above


class PostgresSyncViews:
    """The `SyncViews` of production."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def desktops(
        self, scope: DeviceScope, wanted: DesktopFilter, part: Part
    ) -> tuple[Sequence[DesktopView], int]:
        """Return desktops and how many match."""
        given = {
            "viewer": scope.viewer,
            "search": None if wanted.search is None else f"%{_literal(wanted.search)}%",
            "is_lagging": wanted.is_lagging,
            "device": None,
        }
        async with self._database.read() as session:
            found, total = await _page(session, _DESKTOP_COLUMNS, _DESKTOPS, _order(wanted.sort), given, part)
        return [DesktopView(**row._mapping) for row in found], total  # noqa: SLF001 -- the documented way to a mapping

    async def desktop(self, scope: DeviceScope, device_id: str) -> DesktopView:
        """Return one."""
        given = {"viewer": scope.viewer, "search": None, "is_lagging": None, "device": device_id}
        async with self._database.read() as session:
            row = (await session.execute(text(f"select {_DESKTOP_COLUMNS} {_DESKTOPS}"), given)).one_or_none()
        if row is None:
            raise NotFoundError("there is no such desktop", code="unknown_desktop")
        return DesktopView(**row._mapping)  # noqa: SLF001 -- likewise

    async def log(self, scope: DeviceScope, wanted: LogFilter, part: Part) -> tuple[Sequence[LogView], int]:
        """Return lines, newest first, and how many match."""
        given = {"viewer": scope.viewer} | {name: getattr(wanted, name) for name in LogFilter.__slots__}
        columns = "l.id, l.desktop_id, l.direction, l.op_id, l.entity, l.row_id, l.source, l.status, l.error, l.at"
        async with self._database.read() as session:
            found, total = await _page(session, columns, _LOG, "l.id desc", given, part)
        return [LogView(**row._mapping) for row in found], total  # noqa: SLF001 -- likewise

    async def conflicts(
        self, scope: DeviceScope, wanted: ConflictFilter, part: Part
    ) -> tuple[Sequence[ConflictView], int]:
        """Return conflicts, newest first, and how many match."""
        given = {"viewer": scope.viewer} | {name: getattr(wanted, name) for name in ConflictFilter.__slots__}
        async with self._database.read() as session:
            found, total = await _page(session, "c.*", _CONFLICTS, "c.at desc, c.id", given, part)
        return [conflict_view(row) for row in found], total

    async def conflict(self, scope: DeviceScope, conflict_id: UUID) -> ConflictView:
        """Return one."""
        async with self._database.read() as session:
            row = await one_conflict(session, scope, conflict_id)
        return conflict_view(row)


async def one_conflict(session: AsyncSession, scope: DeviceScope, conflict_id: UUID, *, lock: str = "") -> Row[Any]:
    """Return a conflict's row, locked as `lock` says; raises NotFoundError, also for one out of sight."""
    given = {"id": conflict_id, "viewer": scope.viewer}
    row = (await session.execute(text(f"{_ONE_CONFLICT} {lock}"), given)).one_or_none()
    if row is None:
        raise NotFoundError("there is no such conflict", code="unknown_conflict")
    return row


def conflict_view(row: Row[Any]) -> ConflictView:
    """Return both sides."""
    return ConflictView(**row._mapping)  # noqa: SLF001 -- the documented way to a mapping


async def _page(
    session: AsyncSession, columns: str, clauses: str, order: str, given: Mapping[str, Any], part: Part
) -> tuple[Sequence[Row[Any]], int]:
    statement = f"select {columns} {clauses} order by {order} limit :limit offset :offset"
    found = (await session.execute(text(statement), {**given, "limit": part.limit, "offset": part.offset})).all()
    if part.offset == 0 and len(found) < part.limit:
        return found, len(found)
    total = await session.scalar(text(f"select count(*) {clauses}"), given)
    return found, int(total or 0)


def _order(sort: DesktopSort) -> str:
    name = sort.value.removeprefix("-")
    column = "r.name" if name == "name" else f"s.{name}"
    direction = "desc nulls last" if sort.value.startswith("-") else "asc nulls first"
    return f"{column} {direction}, s.device_id"


def _literal(search: str) -> str:
    return search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
