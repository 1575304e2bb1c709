"""What reports are made from, read from the published views of the other services, each report of one moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from pulse_chassis.errors import InvalidError
from pulse_contracts.audit import AuditEvent
from pulse_gateway.domain.health import BATTERY_PREFIX, LATENCY_ROWS, Battery, DeviceFacts, OfflineTime
from pulse_gateway.storage.pool import ReadPool
from pulse_gateway.use_cases.report_ports import AuditLine, ConfigChange

_AUDIT: Final = """
select seq, entry from identity.audit_entry
where at >= $1 and at < $2 and ($3::text[] is null or (resource_type = 'device' and resource_id = any($3)))
order by seq desc limit $4
"""
_CONFIG: Final = """
select at, scope, target, key, version, before, after, updated_by, source
from sync.config_change
where at >= $1 and at < $2 and ($3::text[] is null or scope <> 'device' or target = any($3))
order by at desc, entry_id, version desc limit $4
"""
_USERS: Final = "select user_id, username from identity.user_authority where user_id = any($1::uuid[])"
_OFFLINE: Final = """
select client_id, started_at, ended_at, reason from telemetry.offline_time
where client_id = any($3::text[]) and started_at < $2 and coalesce(ended_at, 'infinity') > $1
order by started_at desc, id desc limit $4
"""
_NAMES: Final = "select device_id, name from identity.device_registry where device_id = any($1::text[])"
_FACTS: Final = """
select r.device_id, r.name, s.status, s.last_seen, s.buffered, s.clock_offset_ms, s.agent_version,
       coalesce(c.received, 0)::bigint as received, coalesce(c.missing, 0)::bigint as missing,
       coalesce(c.lost, 0)::bigint as lost
from identity.device_registry r
left join telemetry.device_status s on s.client_id = r.device_id
left join (
    select client_id, sum(received) as received, sum(missing) as missing, sum(lost) as lost
    from telemetry.completeness where client_id = any($1::text[]) group by client_id
) c on c.client_id = r.device_id
where r.device_id = any($1::text[]) order by r.device_id
"""
# The first hour that was rolled up, else, for a device of today, its first reading.
_FIRST: Final = """
select i.client_id, min(coalesce(
    (select coalesce(h.first_at, h.bucket) from telemetry.hour_rollup h
     where h.series_id = i.series_id order by h.bucket limit 1),
    (select d.recorded_at from telemetry.sample_data d
     where d.series_id = i.series_id order by d.recorded_at limit 1)
)) as first_reading
from telemetry.series_index i where i.client_id = any($1::text[]) group by i.client_id
"""
_LATENCY: Final = """
select i.client_id, count(*) as rows,
       percentile_cont(array[0.5, 0.95]) within group (
           order by extract(epoch from d.received_at - d.recorded_at)::float8 * 1000
       ) as latency
from telemetry.series_index i
cross join lateral (
    select recorded_at, received_at from telemetry.sample_data
    where series_id = i.series_id and recorded_at >= $2 and recorded_at < $3 and quality = 'good'
    order by recorded_at desc limit $4
) d
where i.client_id = any($1::text[]) group by i.client_id
"""
_BATTERY: Final = """
select distinct on (i.client_id) i.client_id, i.metric_key,
       coalesce(v.metric_value, v.metric_int) as last,
       (select regr_slope(h.value_sum / h.value_count, extract(epoch from h.bucket)::float8 / 86400)
        from telemetry.hour_rollup h
        where h.series_id = i.series_id and h.bucket >= $2 and h.bucket < $3 and h.value_count > 0) as slope
from telemetry.series_index i
join telemetry.latest_value v on v.client_id = i.client_id and v.metric_key = i.metric_key
where i.client_id = any($1::text[]) and starts_with(i.metric_key, $4)
  and (v.metric_value is not null or v.metric_int is not null)
order by i.client_id, i.metric_key
"""


class PostgresReportData:
    """Implements `ReportData`."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    async def audit(
        self, start: datetime, end: datetime, device_ids: Collection[str] | None, limit: int
    ) -> Sequence[AuditLine]:
        """Return rows of the audit log, newest first; only those about some devices where they are given."""
        async with self._snapshot() as connection:
            rows = await connection.fetch(_AUDIT, start, end, _listed(device_ids), limit)
        return [AuditLine(row["seq"], AuditEvent.model_validate_json(row["entry"])) for row in rows]

    async def config_changes(
        self, start: datetime, end: datetime, device_ids: Collection[str] | None, limit: int
    ) -> Sequence[ConfigChange]:
        """Return changes of configuration for all, for groups and for these devices (None: any), newest first."""
        async with self._snapshot() as connection:
            rows = await connection.fetch(_CONFIG, start, end, _listed(device_ids), limit)
            names = await _names_of(connection, {row["updated_by"] for row in rows})
        return [
            ConfigChange(
                at=row["at"],
                scope=row["scope"],
                target=row["target"],
                key=row["key"],
                version=row["version"],
                before=_value(row["before"]),
                after=_value(row["after"]),
                updated_by=names.get(row["updated_by"], row["updated_by"]),
                source=row["source"],
            )
            for row in rows
        ]

    async def offline_times(
        self, start: datetime, end: datetime, device_ids: Collection[str], limit: int
    ) -> Sequence[OfflineTime]:
        """Return the times in which these devices were away that touch the range, newest first."""
        async with self._snapshot() as connection:
            rows = await connection.fetch(_OFFLINE, start, end, list(device_ids), limit)
        return [OfflineTime(row["client_id"], row["started_at"], row["ended_at"], row["reason"]) for row in rows]

    async def device_names(self, device_ids: Collection[str]) -> dict[str, str]:
        """Return the names of these devices, as far as there are such devices."""
        async with self._snapshot() as connection:
            return {row["device_id"]: row["name"] for row in await connection.fetch(_NAMES, list(device_ids))}

    async def device_facts(self, start: datetime, end: datetime, device_ids: Collection[str]) -> Sequence[DeviceFacts]:
        """Return what is known of these devices, by id."""
        wanted = list(device_ids)
        async with self._snapshot() as connection:
            facts = await connection.fetch(_FACTS, wanted)
            first = await connection.fetch(_FIRST, wanted)
            latency = await connection.fetch(_LATENCY, wanted, start, end, LATENCY_ROWS)
            battery = await connection.fetch(_BATTERY, wanted, start, end, BATTERY_PREFIX)
        firsts = {row["client_id"]: row["first_reading"] for row in first}
        speeds = {row["client_id"]: row for row in latency}
        batteries = {row["client_id"]: Battery(row["metric_key"], row["last"], row["slope"]) for row in battery}
        return [
            _facts(row, firsts.get(row["device_id"]), speeds.get(row["device_id"]), batteries.get(row["device_id"]))
            for row in facts
        ]

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy[asyncpg.Record]]:
        """Give a connection with one view of the data; what takes too long is the question's fault, not an outage."""
        async with self._pool.connection() as connection:
            try:
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    yield connection
            except asyncpg.QueryCanceledError as error:
                message = "this takes too long: ask for a shorter range, or for fewer devices"
                raise InvalidError(message, code="report_too_slow") from error


def _facts(
    row: asyncpg.Record, first_reading: datetime | None, speed: asyncpg.Record | None, battery: Battery | None
) -> DeviceFacts:
    latency = (None, None) if speed is None else speed["latency"]
    return DeviceFacts(
        **row,
        first_reading=first_reading,
        latency_p50_ms=latency[0],
        latency_p95_ms=latency[1],
        latency_rows=0 if speed is None else speed["rows"],
        battery=battery,
    )


async def _names_of(
    connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record], writers: Collection[str | None]
) -> Mapping[str | None, str]:
    """Return the names of those writers that are people."""
    ids = []
    for writer in writers:
        try:
            ids.append(UUID(writer or ""))
        except ValueError:
            continue
    return {str(row["user_id"]): row["username"] for row in await connection.fetch(_USERS, ids)}


def _listed(values: Collection[str] | None) -> list[str] | None:
    return None if values is None else list(values)


def _value(value: Any) -> Any:
    # A connection without a codec of its own gives jsonb as text.
    return orjson.loads(value) if isinstance(value, str) else value
