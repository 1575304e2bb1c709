"""Reads configuration from PostgreSQL, as far as somebody may see it. Each question sees one state of the data."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_chassis.database import Database
from pulse_contracts.configuration import ConfigAddress, parse_config_id
from pulse_contracts.stamps import Stamp
from pulse_sync.domain.config_entries import AppliedVersion, ConfigChange, ConfigEntry, ConfigKey
from pulse_sync.storage.config_registry import PostgresConfigRegistry
from pulse_sync.storage.config_rows import ENTRY_COLUMNS, ONE_ENTRY, entry_of, read_keys
from pulse_sync.use_cases.config_ports import (
    AppliedFilter,
    AppliedView,
    ConfigActor,
    EntryFilter,
    Level,
)
from pulse_sync.use_cases.view_ports import DeviceScope, Part

_MINE: Final = "select a.device_id from identity.device_access a where a.user_id = cast(:viewer as uuid)"
_ENTRIES: Final = f"""
from sync.config_entry c
where not c.is_deleted
  and (cast(:viewer as uuid) is null or c.scope <> 'device' or c.target in ({_MINE}))
  and (cast(:scope as text) is null or c.scope = :scope)
  and (cast(:target as text) is null or c.target = :target)
  and (cast(:key as text) is null or c.key = :key)
  and (cast(:search as text) is null or c.key ilike :search or c.target ilike :search
       or cast(c.value as text) ilike :search)
"""
_HISTORY: Final = text("""
select version, cast(before as text) as before, cast(after as text) as after, at, updated_by, source
from sync.config_history where entry_id = :id order by version desc limit :limit offset :offset
""")
_VERSIONS: Final = text("select count(*) from sync.config_history where entry_id = :id")
_CONCERNING: Final = text(f"""
select {ENTRY_COLUMNS} from sync.config_entry c
where not c.is_deleted and (c.scope = 'all' or (c.scope = 'group' and c.target = any(cast(:groups as text[])))
      or (c.scope = 'device' and c.target = :device_id))
""")  # noqa: S608
_CONCERNED: Final = text("""
select h.entry_id, h.version, cast(h.after as text) as after, h.stamp, h.updated_by, h.source
from (select distinct on (entry_id) * from sync.config_history where at <= :at order by entry_id, version desc) h
join sync.config_entry c on c.id = h.entry_id
where h.after is not null
  and (c.scope = 'all' or (c.scope = 'group' and c.target = any(cast(:groups as text[])))
       or (c.scope = 'device' and c.target = :device_id))
""")
_APPLIED_ON: Final = text("select entry_id, version, error, at from sync.applied_config where desktop_id = :device_id")
_APPLIED: Final = f"""
from (
    select distinct on (m.desktop_id, c.key) m.desktop_id, c.*
    from sync.membership m join sync.config_entry c on c.id = m.row_id and not c.is_deleted
    where m.entity = 'config' and m.is_member
      and (cast(:viewer as uuid) is null or m.desktop_id in ({_MINE}))
      and (cast(:device_id as text) is null or m.desktop_id = :device_id)
      and (cast(:key as text) is null or c.key = :key)
    order by m.desktop_id, c.key, array_position(array['device', 'group', 'all'], c.scope), c.target collate "C"
) c left join sync.applied_config a on a.desktop_id = c.desktop_id and a.entry_id = c.id
where cast(:is_lagging as bool) is null
   or (a.version is distinct from c.version or a.error is not null) = cast(:is_lagging as bool)
"""  # noqa: S608


class _Registry:
    """Implements `ConfigRegistry`, each question by itself."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def actor(self, user_id: UUID) -> ConfigActor | None:
        """Return an active user with what they may do."""
        async with self._asking() as registry:
            return await registry.actor(user_id)

    async def level(self, user_id: UUID, device_id: str) -> Level | None:
        """Return how a user may use a device."""
        async with self._asking() as registry:
            return await registry.level(user_id, device_id)

    async def groups(self, device_id: str) -> tuple[str, ...] | None:
        """Return the groups of a registered device."""
        async with self._asking() as registry:
            return await registry.groups(device_id)

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[PostgresConfigRegistry]:
        async with self._database.read() as session:
            yield PostgresConfigRegistry(session)


class PostgresConfigViews:
    """Implements `ConfigViews`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.registry = _Registry(database)

    async def keys(self) -> Mapping[str, ConfigKey]:
        """Return every key."""
        async with self._database.read() as session:
            return await read_keys(session)

    async def entry(self, entry_id: str) -> ConfigEntry | None:
        """Return an entry that is not deleted."""
        async with self._database.read() as session:
            row = (await session.execute(ONE_ENTRY, {"id": entry_id})).one_or_none()
        return None if row is None or row.is_deleted else entry_of(row)

    async def entries(self, scope: DeviceScope, wanted: EntryFilter, part: Part) -> tuple[Sequence[ConfigEntry], int]:
        """Return entries by id and how many match."""
        given = {
            "viewer": scope.viewer,
            "scope": None if wanted.scope is None else wanted.scope.value,
            "target": wanted.target,
            "key": wanted.key,
            "search": None if wanted.search is None else f"%{_literal(wanted.search)}%",
        }
        async with self._database.read() as session:
            rows, total = await _page(session, (ENTRY_COLUMNS, _ENTRIES, "c.id"), given, part)
        return [entry_of(row) for row in rows], total

    async def history(self, entry_id: str, part: Part) -> tuple[Sequence[ConfigChange], int]:
        """Return the versions of an entry, newest first, and how many there are."""
        given = {"id": entry_id}
        async with self._database.read() as session:
            total = int(await session.scalar(_VERSIONS, given) or 0)
            rows = (await session.execute(_HISTORY, {**given, "limit": part.limit, "offset": part.offset})).all()
        changes = [
            ConfigChange(row.version, _value(row.before), _value(row.after), row.at, row.updated_by, row.source)
            for row in rows
        ]
        return changes, total

    async def concerning(
        self, device_id: str, groups: Collection[str], at: datetime | None = None
    ) -> Sequence[ConfigEntry]:
        """Return the entries for a device, its groups and all, as they are or were at a moment."""
        given = {"device_id": device_id, "groups": list(groups)}
        async with self._database.read() as session:
            if at is None:
                return [entry_of(row) for row in await session.execute(_CONCERNING, given)]
            rows = (await session.execute(_CONCERNED, {**given, "at": at})).all()
        return [
            ConfigEntry(
                _address(row.entry_id), _value(row.after), row.version, Stamp(row.stamp), row.updated_by, row.source
            )
            for row in rows
        ]

    async def applied_on(self, device_id: str) -> Sequence[AppliedVersion]:
        """Return what a desktop made of its entries."""
        async with self._database.read() as session:
            rows = (await session.execute(_APPLIED_ON, {"device_id": device_id})).all()
        return [AppliedVersion(row.entry_id, row.version, row.error, row.at) for row in rows]

    async def applied(self, scope: DeviceScope, wanted: AppliedFilter, part: Part) -> tuple[Sequence[AppliedView], int]:
        """Return the entries that shall be in force, by desktop and key, and how many match."""
        columns = f"c.desktop_id, {ENTRY_COLUMNS}, c.id, a.version as applied_version, a.error, a.at"
        given = {
            "viewer": scope.viewer,
            "device_id": wanted.device_id,
            "key": wanted.key,
            "is_lagging": wanted.is_lagging,
        }
        async with self._database.read() as session:
            rows, total = await _page(session, (columns, _APPLIED, "c.desktop_id, c.key"), given, part)
        return [
            AppliedView(
                row.desktop_id,
                entry_of(row),
                None if row.at is None else AppliedVersion(row.id, row.applied_version, row.error, row.at),
            )
            for row in rows
        ], total


async def _page(
    session: AsyncSession, query: tuple[str, str, str], given: Mapping[str, Any], part: Part
) -> tuple[Sequence[Any], int]:
    """Run a query (columns, from and where, order) for one part of it, and count it whole."""
    columns, source, order = query
    total = int(await session.scalar(text(f"select count(*) {source}"), given) or 0)
    statement = text(f"select {columns} {source} order by {order} limit :limit offset :offset")
    rows = (await session.execute(statement, {**given, "limit": part.limit, "offset": part.offset})).all()
    return rows, total


def _literal(part: str) -> str:
    return part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _value(kept: str | None) -> Any:
    return None if kept is None else json.loads(kept)


def _address(entry_id: str) -> ConfigAddress:
    address = parse_config_id(entry_id)
    assert address is not None, "an entry's id is checked when it is written"  # noqa: S101 -- narrows a type
    return address
