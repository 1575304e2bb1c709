"""Exports in the background, and their files, in PostgreSQL: progress and the chunks it is about commit together."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_chassis import outbox
from pulse_chassis.database import Database
from pulse_contracts.audit import AuditEvent
from pulse_contracts.streams import AUDIT_STREAM
from pulse_gateway.domain.export import (
    Decimal,
    ExportForm,
    ExportFormat,
    ExportQuestion,
    ExportSeries,
    Layout,
    Separator,
)
from pulse_gateway.domain.export_job import LEASE, MAX_ATTEMPTS, Chunk, ExportJob, ExportPlan, JobProblem, JobState
from pulse_gateway.use_cases.export_ports import ExportUnit, JobCounts

_TAKE_TURN: Final = sa.text("select pg_advisory_xact_lock(hashtextextended('exports', 0))")
_COUNTS: Final = sa.text("""
select count(*) filter (where user_id = :user_id) as of_user,
       count(*) filter (where user_id = :user_id and state in ('queued', 'running')) as active_of_user,
       count(*) filter (where state in ('queued', 'running')) as active,
       coalesce(sum(kept_bytes), 0)::bigint as kept_bytes
from gateway.export_job
""")
_ADD: Final = sa.text("""
insert into gateway.export_job (id, user_id, question, plan, state, created_at)
values (:id, :user_id, cast(:question as jsonb), cast(:plan as jsonb), :state, :created_at)
""")
_COLUMNS: Final = """
    id, user_id, question, plan, state, created_at, attempts, pieces_done, chunks, rows_done, size_bytes, kept_bytes,
    problem_code, problem_message, ended_at, expires_at
"""
_OF_USER: Final = sa.text(
    f"select {_COLUMNS} from gateway.export_job where user_id = :user_id order by created_at desc, id"  # noqa: S608
)
_FIND: Final = sa.text(
    f"select {_COLUMNS} from gateway.export_job where id = :id and user_id = :user_id"  # noqa: S608 -- our own columns
)
_DELETE: Final = sa.text("delete from gateway.export_job where id = :id")
_CHUNK: Final = sa.text("""
select number, begins, size, data from gateway.export_chunk
where job_id = :id and begins <= :byte and begins + size > :byte
""")
_CLAIM: Final = sa.text(f"""
update gateway.export_job set state = 'running', ticket = :ticket, lease_until = :until, attempts = attempts + 1
where id = (
    select id from gateway.export_job
    where state = 'queued' or (state = 'running' and lease_until < :now and attempts < {MAX_ATTEMPTS})
    order by created_at limit 1 for update skip locked
)
returning {_COLUMNS}
""")  # noqa: S608 -- our own columns
_GIVE_UP: Final = sa.text(f"""
update gateway.export_job set state = 'failed', problem_code = 'export_failed', ended_at = :now, expires_at = :until,
    problem_message = 'it was begun {MAX_ATTEMPTS} times and never came to its end'
where state = 'running' and lease_until < :now and attempts >= {MAX_ATTEMPTS}
""")  # noqa: S608 -- a number of our own
_ADVANCE: Final = sa.text("""
update gateway.export_job set state = :state, pieces_done = :pieces_done, chunks = :chunks, rows_done = :rows_done,
    size_bytes = :size_bytes, kept_bytes = :kept_bytes, problem_code = :problem_code, problem_message = :problem_message,
    ended_at = :ended_at, expires_at = :expires_at, lease_until = :until, attempts = :attempts
where id = :id and state = 'running' and ticket = :ticket returning id
""")
_ADD_CHUNK: Final = sa.text("insert into gateway.export_chunk values (:job_id, :number, :begins, :size, :data)")
_EXPIRE: Final = sa.text("delete from gateway.export_job where expires_at < :now")


class PostgresExportUnit:
    """An `ExportUnit` on one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def take_turn(self) -> None:
        """Wait until nobody else asks for an export."""
        await self._session.execute(_TAKE_TURN)

    async def counts(self, user_id: UUID) -> JobCounts:
        """Return how many there are."""
        rows = await self._session.execute(_COUNTS, {"user_id": user_id})
        return JobCounts(**rows.mappings().one())

    async def add(self, job: ExportJob) -> None:
        """Keep a new export."""
        await self._session.execute(
            _ADD,
            {
                "id": job.id,
                "user_id": job.user_id,
                "question": json.dumps(dataclasses.asdict(job.question)),
                "plan": json.dumps(dataclasses.asdict(job.plan)),
                "state": job.state,
                "created_at": job.created_at,
            },
        )

    async def of_user(self, user_id: UUID) -> Sequence[ExportJob]:
        """Return somebody's exports, newest first."""
        rows = await self._session.execute(_OF_USER, {"user_id": user_id})
        return [_job(row) for row in rows.mappings()]

    async def find(self, job_id: UUID, user_id: UUID) -> ExportJob | None:
        """Return an export of somebody."""
        rows = await self._session.execute(_FIND, {"id": job_id, "user_id": user_id})
        row = rows.mappings().one_or_none()
        return None if row is None else _job(row)

    async def delete(self, job_id: UUID) -> None:
        """Delete an export and its file."""
        await self._session.execute(_DELETE, {"id": job_id})

    async def chunk(self, job_id: UUID, byte: int) -> Chunk | None:
        """Return the chunk with this byte of the file."""
        rows = await self._session.execute(_CHUNK, {"id": job_id, "byte": byte})
        row = rows.mappings().one_or_none()
        return None if row is None else Chunk(**row)

    async def claim(self, ticket: UUID, now: datetime) -> ExportJob | None:
        """Take the oldest export that nobody works on; give up what was begun too often."""
        await self._session.execute(_GIVE_UP, {"now": now, "until": now + LEASE})
        rows = await self._session.execute(_CLAIM, {"ticket": ticket, "now": now, "until": now + LEASE})
        row = rows.mappings().one_or_none()
        return None if row is None else _job(row)

    async def advance(self, job: ExportJob, ticket: UUID, chunks: Sequence[Chunk], now: datetime) -> bool:
        """Keep the progress of an export and its new chunks."""
        values: dict[str, Any] = {
            name: getattr(job, name)
            for name in (
                "id", "state", "pieces_done", "chunks", "rows_done", "size_bytes", "kept_bytes", "ended_at", "expires_at",
                "attempts",
            )
        }  # fmt: skip
        values["problem_code"] = None if job.problem is None else job.problem.code
        values["problem_message"] = None if job.problem is None else job.problem.message
        done = await self._session.execute(_ADVANCE, values | {"ticket": ticket, "until": now + LEASE})
        if done.one_or_none() is None:
            return False
        for chunk in chunks:
            await self._session.execute(_ADD_CHUNK, {"job_id": job.id, **dataclasses.asdict(chunk)})
        return True

    async def expire(self, now: datetime) -> None:
        """Delete exports whose time is over."""
        await self._session.execute(_EXPIRE, {"now": now})

    async def tell_audit(self, event: AuditEvent) -> None:
        """Tell the audit log in this transaction."""
        await outbox.append(self._session, AUDIT_STREAM, event)


class PostgresExportStore:
    """Implements `ExportStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def change(self) -> AsyncIterator[ExportUnit]:
        """Give a transaction; it is committed when the block ends."""
        async with self._database.transaction() as session:
            yield PostgresExportUnit(session)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ExportUnit]:
        """Give a view, in which nothing is changed."""
        async with self._database.read() as session:
            yield PostgresExportUnit(session)


def _job(row: sa.RowMapping) -> ExportJob:
    fields: dict[str, Any] = {str(name): value for name, value in row.items()}
    code, message = fields.pop("problem_code"), fields.pop("problem_message")
    fields["state"] = JobState(fields["state"])
    fields["question"] = _question(fields["question"])
    fields["plan"] = _plan(fields["plan"])
    return ExportJob(**fields, problem=None if code is None else JobProblem(code, message))


def _question(kept: Any) -> ExportQuestion:
    fields = dict(json.loads(kept) if isinstance(kept, str) else kept)
    form = fields["form"]
    fields["form"] = ExportForm(
        ExportFormat(form["format"]),
        Layout(form["layout"]),
        Separator(form["separator"]),
        Decimal(form["decimal"]),
        form["has_bom"],
    )
    fields["device_ids"] = tuple(fields["device_ids"])
    fields["metrics"] = None if fields["metrics"] is None else tuple(fields["metrics"])
    return ExportQuestion(**fields)


def _plan(kept: Any) -> ExportPlan:
    fields = dict(json.loads(kept) if isinstance(kept, str) else kept)
    return ExportPlan(tuple(ExportSeries(**series) for series in fields["series"]), fields["rows"], fields["piece_us"])
