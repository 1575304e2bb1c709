"""What desktops said and what became of their operations: `sync.desktop`, `sync.sync_log`, `sync.sync_conflict`.

Each outcome is logged once, and each conflict kept once, by desktop and operation: a push that comes again finds them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import text

from pulse_chassis.database import Database, pool_outages_as_unavailable
from pulse_contracts.operations import Operation, OperationOutcome
from pulse_contracts.sync import Report
from pulse_sync.storage.gathering import Gathered, in_rounds
from pulse_sync.use_cases.ports import OutcomeNote

_REPORTS: Final = """
with given as (
    select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::int[], $5::text[], $6::timestamptz[])
        as g(device_id, cursor, revocation_no, pending, error, at)
),
told as (
    insert into sync.sync_log (desktop_id, direction, source, status, error, at)
    select g.device_id, 'down', 'desktop', 'failed', g.error, g.at
    from given g left join sync.desktop d on d.device_id = g.device_id
    where g.error is not null and d.error is distinct from g.error
)
insert into sync.desktop as d (device_id, cursor, revocation_no, pending, error, last_sync_at)
select device_id, cursor, revocation_no, pending, error, at from given order by device_id
on conflict (device_id) do update
set cursor = excluded.cursor, revocation_no = excluded.revocation_no, pending = excluded.pending,
    error = excluded.error, last_sync_at = excluded.last_sync_at
"""
_REFUSAL: Final = text(
    "insert into sync.sync_log (desktop_id, direction, source, status, error, at)"
    " values (:device, 'down', 'web', 'refused', :code, :at)"
)
_LOG: Final = text(
    "insert into sync.sync_log (desktop_id, direction, op_id, entity, row_id, source, status, error, at)"
    " values (:device, 'up', :op_id, :entity, :row_id, 'desktop', :status, :error, :at)"
    " on conflict (desktop_id, op_id) where op_id is not null do nothing"
)
_ACCEPTED: Final = text(
    "select op_id from sync.sync_log where desktop_id = :device and op_id = any(cast(cast(:ops as text[]) as uuid[]))"
    " and status <> 'rejected'"
)
_CONFLICT: Final = text("""
insert into sync.sync_conflict (id, desktop_id, op_id, entity, row_id, actor, winner, desktop_fields, desktop_stamp,
                                server_fields, server_stamp, server_updated_by, applied, at)
values (:id, :device, :op_id, :entity, :row_id, :actor, :winner, cast(:desktop_fields as jsonb), :desktop_stamp,
        cast(:server_fields as jsonb), :server_stamp, :server_updated_by, cast(:applied as text[]), :at)
on conflict (desktop_id, op_id) do nothing
""")
_CONFLICT_IDS: Final = text(
    "select op_id, id from sync.sync_conflict"
    " where desktop_id = :device and op_id = any(cast(cast(:ops as text[]) as uuid[]))"
)


class PostgresDesktopBook:
    """The `DesktopBook` of production."""

    def __init__(self, database: Database, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._database = database
        self._pool = pool
        # Every desktop reports after every change: one statement for all that wait, past the session.
        self._reported = Gathered(self._note_reports)

    async def note_report(self, device_id: str, report: Report, at: datetime) -> None:
        """Note how far a desktop is; a new error of its own is logged."""
        await self._reported((device_id, report, at))

    async def note_refusal(self, device_id: str, code: str, at: datetime) -> None:
        """Note that a pull could not be served."""
        async with self._database.transaction() as session:
            await session.execute(_REFUSAL, {"device": device_id, "code": code, "at": at})

    async def accepted(self, device_id: str, op_ids: Collection[UUID]) -> frozenset[UUID]:
        """Return those of these operations that the owner of their row has taken before."""
        given = {"device": device_id, "ops": [str(op_id) for op_id in op_ids]}
        async with self._database.read() as session:
            return frozenset(await session.scalars(_ACCEPTED, given))

    async def note_outcomes(self, device_id: str, outcomes: Sequence[OutcomeNote], at: datetime) -> Mapping[UUID, UUID]:
        """Log outcomes and keep their conflicts; return conflict ids by operation."""
        lines = [_line(device_id, operation, outcome, at) for operation, outcome in outcomes]
        conflicts = [
            _conflict(device_id, operation, outcome, at)
            for operation, outcome in outcomes
            if operation is not None and outcome.conflict is not None
        ]
        if not lines:
            return {}
        async with self._database.transaction() as session:
            await session.execute(_LOG, lines)
            if not conflicts:
                return {}
            await session.execute(_CONFLICT, conflicts)
            ops = [str(conflict["op_id"]) for conflict in conflicts]
            found = await session.execute(_CONFLICT_IDS, {"device": device_id, "ops": ops})
            return {row.op_id: row.id for row in found}

    async def _note_reports(self, reports: Sequence[tuple[str, Report, datetime]]) -> list[None]:
        for part in in_rounds(reports, lambda reported: reported[0]):
            columns = zip(
                *((device_id, r.cursor, r.revocation_no, r.pending, r.error, at) for device_id, r, at in part),
                strict=True,
            )
            async with pool_outages_as_unavailable():
                await self._pool.execute(_REPORTS, *columns)
        return [None] * len(reports)


def _line(device_id: str, operation: Operation | None, outcome: OperationOutcome, at: datetime) -> dict[str, Any]:
    error = None if outcome.code is None else f"{outcome.code}: {outcome.detail or ''}".rstrip(": ")
    return {
        "device": device_id,
        "op_id": None if operation is None else operation.op_id,
        "entity": None if operation is None else operation.entity.value,
        "row_id": None if operation is None else operation.id,
        "status": outcome.outcome.value,
        "error": error,
        "at": at,
    }


def _conflict(device_id: str, operation: Operation, outcome: OperationOutcome, at: datetime) -> dict[str, Any]:
    report = outcome.conflict
    assert report is not None  # noqa: S101 -- the caller has looked
    return {
        "id": uuid4(),
        "device": device_id,
        "op_id": operation.op_id,
        "entity": operation.entity.value,
        "row_id": operation.id,
        "actor": operation.actor,
        "winner": report.winner,
        "desktop_fields": json.dumps(report.desktop_fields),
        "desktop_stamp": report.desktop_stamp,
        "server_fields": json.dumps(report.server_fields),
        "server_stamp": report.server_stamp,
        "server_updated_by": report.server_updated_by,
        "applied": report.applied,
        "at": at,
    }
