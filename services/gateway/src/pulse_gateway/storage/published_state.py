"""The published views of the other services, read as they are: the only SQL behind the live state."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from pulse_chassis.errors import UnavailableError
from pulse_contracts.streams import (
    CompletenessReport,
    ConfigChanged,
    DesktopSyncChanged,
    DeviceRegistration,
    DeviceStatus,
)
from pulse_gateway.domain.scope import Rights
from pulse_gateway.domain.summary import StorageState
from pulse_gateway.domain.telemetry import Reading
from pulse_gateway.domain.times import to_ms
from pulse_gateway.storage.pool import ReadPool
from pulse_gateway.use_cases.ports import DevicesLoaded, UserAccess

_REGISTRY: Final = "select device_id, name, owner_id, is_active, kind, groups, metadata from identity.device_registry"
_STATUS: Final = """
select client_id, status, since, last_seen, buffered, clock_offset_ms, agent_version, reason
from telemetry.device_status
"""
_COMPLETENESS: Final = """
select distinct on (client_id) client_id, epoch, cum, highest, received, missing, lost
from telemetry.completeness order by client_id, epoch desc
"""
_LATEST: Final = """
select v.client_id, v.metric_key, v.metric_value, v.metric_bool, v.metric_text, v.metric_int,
       v.recorded_at, v.received_at, v.quality
from telemetry.latest_value v join identity.device_registry d on d.device_id = v.client_id
"""
_DESKTOPS: Final = """
select device_id, cursor, head, lag, pending, conflicts, last_sync_at, config_lag, error from sync.desktop_state
"""
_CONFIG: Final = """
select id, scope, target, key, value, version, updated_at, updated_by, source from sync.config_view
"""
_STORAGE: Final = """
select state, days_left, used_bytes, capacity_bytes, measured_at from telemetry.storage_use
where state is not null order by day desc limit 1
"""
_IS_PUBLISHED: Final = "select exists (select from pg_views where schemaname = $1 and viewname = $2)"
_AUTHORITY: Final = """
select user_id, username, is_active, roles, permissions from identity.user_authority where user_id = any($1::uuid[])
"""
_ACCESS: Final = "select user_id, device_id from identity.device_access where user_id = any($1::uuid[])"


class PostgresPublishedState:
    """Implements `PublishedState`."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    async def load_devices(self) -> DevicesLoaded:
        """Return every device with what identity and ingest know of it."""
        async with self._pool.connection() as connection:
            registry = await connection.fetch(_REGISTRY)
            statuses = await connection.fetch(_STATUS)
            completeness = await connection.fetch(_COMPLETENESS)
        reports = {row["client_id"]: _report(row) for row in completeness}
        known = {row["client_id"]: row for row in statuses}
        return DevicesLoaded(
            registrations={row["device_id"]: _registration(row) for row in registry},
            statuses={name: _status(known.get(name), reports.get(name)) for name in known.keys() | reports.keys()},
        )

    async def load_latest(self) -> Iterable[Reading]:
        """Return the latest value of every metric of every registered device."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(_LATEST)
        return [_latest(row) for row in rows]

    async def load_desktops(self) -> Iterable[DesktopSyncChanged]:
        """Return how far every desktop is with syncing."""
        async with self._published("sync", "desktop_state") as connection:
            rows = await connection.fetch(_DESKTOPS)
        return [
            DesktopSyncChanged.model_validate({**row, "last_sync_at": _ms_or_none(row["last_sync_at"])}) for row in rows
        ]

    async def load_config(self) -> Iterable[ConfigChanged]:
        """Return every configuration entry."""
        async with self._published("sync", "config_view") as connection:
            rows = await connection.fetch(_CONFIG)
        return [
            ConfigChanged.model_validate({**row, "value": _json(row["value"]), "updated_at": to_ms(row["updated_at"])})
            for row in rows
        ]

    async def load_storage(self) -> StorageState | None:
        """Return how much room there is; None while ingest has not measured it."""
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(_STORAGE)
        if row is None:
            return None
        is_known = row["used_bytes"] is not None and row["capacity_bytes"]
        return StorageState(
            state=row["state"],
            days_left=row["days_left"],
            used_share=row["used_bytes"] / row["capacity_bytes"] if is_known else None,
            measured_at=to_ms(row["measured_at"]),
        )

    async def check_view(self, schema: str, view: str) -> None:
        """Raise UnavailableError unless a service publishes this view."""
        async with self._published(schema, view):
            return

    @asynccontextmanager
    async def _published(
        self, schema: str, view: str
    ) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy[asyncpg.Record]]:
        """Give a connection if there is this view. Asked every second while its service is not installed.

        A query of the view itself would be an error in the server's log each time.
        """
        async with self._pool.connection() as connection:
            if not await connection.fetchval(_IS_PUBLISHED, schema, view):
                message = f"{schema}.{view} is not published"
                raise UnavailableError(message, code="not_published")
            yield connection

    async def load_access(self, user_ids: Collection[UUID]) -> Mapping[UUID, UserAccess]:
        """Return what these users may do and see."""
        wanted = list(user_ids)
        async with (
            self._pool.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            users = await connection.fetch(_AUTHORITY, wanted)
            devices = await connection.fetch(_ACCESS, wanted)
        visible: dict[UUID, set[str]] = {}
        for row in devices:
            visible.setdefault(_uuid(row["user_id"]), set()).add(row["device_id"])
        return {
            _uuid(row["user_id"]): UserAccess(
                Rights(row["username"], row["is_active"], tuple(row["roles"]), frozenset(row["permissions"])),
                frozenset(visible.get(_uuid(row["user_id"]), ())),
            )
            for row in users
        }


def _registration(row: asyncpg.Record) -> DeviceRegistration:
    return DeviceRegistration(
        name=row["name"],
        owner_id=None if row["owner_id"] is None else _uuid(row["owner_id"]),
        is_active=row["is_active"],
        kind=row["kind"],
        groups=list(row["groups"]),
        metadata=_json(row["metadata"]) or {},
    )


def _status(row: asyncpg.Record | None, report: CompletenessReport | None) -> DeviceStatus:
    if row is None:
        return DeviceStatus(completeness=report)
    return DeviceStatus(
        status=row["status"],
        since=_ms_or_none(row["since"]),
        last_seen=_ms_or_none(row["last_seen"]),
        buffered=row["buffered"],
        clock_offset_ms=row["clock_offset_ms"],
        agent_version=row["agent_version"],
        reason=row["reason"],
        completeness=report,
    )


def _report(row: asyncpg.Record) -> CompletenessReport:
    return CompletenessReport(
        epoch=row["epoch"],
        cum=row["cum"],
        highest=row["highest"],
        received=row["received"],
        missing=row["missing"],
        lost=row["lost"],
    )


def _latest(row: asyncpg.Record) -> Reading:
    recorded = to_ms(row["recorded_at"])
    value = next(
        (row[name] for name in ("metric_int", "metric_value", "metric_bool", "metric_text") if row[name] is not None),
        "",
    )
    shown = (row["client_id"], row["metric_key"], recorded, value, row["quality"])
    return Reading(row["client_id"], min(recorded, to_ms(row["received_at"])), (shown,))


def _json(value: Any) -> Any:
    # A connection without a codec of its own gives jsonb as text.
    return orjson.loads(value) if isinstance(value, str) else value


def _ms_or_none(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)


def _uuid(value: Any) -> UUID:
    # asyncpg has a UUID class of its own, which is not the one that dictionaries of ours are keyed by.
    return value if type(value) is UUID else UUID(int=value.int)
