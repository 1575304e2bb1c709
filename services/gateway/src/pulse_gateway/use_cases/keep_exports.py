"""Exports in the background, for whoever asked for them: ask, look, download, delete. Nobody sees another's."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final
from uuid import UUID, uuid4

from pulse_chassis.audit_events import audit_event
from pulse_chassis.clock import Clock
from pulse_chassis.errors import ConflictError, NotFoundError, RateLimitedError, UnavailableError
from pulse_contracts.audit import AuditResource
from pulse_gateway.domain.export import MAX_JOB_ROWS, ExportQuestion
from pulse_gateway.domain.export_job import (
    MAX_ACTIVE,
    MAX_ACTIVE_OF_USER,
    MAX_KEPT_BYTES_IN_ALL,
    MAX_OF_USER,
    ByteRange,
    ExportJob,
    JobState,
)
from pulse_gateway.use_cases.export_ports import ExportStore, JobCounts
from pulse_gateway.use_cases.export_readings import plan_export
from pulse_gateway.use_cases.history_ports import SeriesReader

SERVICE: Final = "gateway"
RESOURCE: Final = "export"
_INSTEAD: Final = "ask for a shorter range, fewer devices or metrics"
_RETRY_SECONDS: Final = 60.0


class KeepExports:
    """What people do with their exports."""

    def __init__(self, store: ExportStore, reader: SeriesReader, clock: Clock, wake: Callable[[], None]) -> None:
        self._store = store
        self._reader = reader
        self._clock = clock
        self._wake = wake

    async def ask(self, user_id: UUID, question: ExportQuestion) -> ExportJob:
        """Have an export made. Raises InvalidError, RateLimitedError, UnavailableError."""
        plan = await plan_export(question, self._reader, MAX_JOB_ROWS, _INSTEAD)
        now = self._clock.now()
        job = ExportJob(uuid4(), user_id, question, plan, JobState.QUEUED, now)
        async with self._store.change() as unit:
            await unit.take_turn()
            await unit.expire(now)
            _refuse_too_many(await unit.counts(user_id))
            await unit.add(job)
            resource = AuditResource(type=RESOURCE, id=str(job.id))
            asked = {"device_ids": list(question.device_ids), "metrics": question.metrics, "rows": plan.rows}
            await unit.tell_audit(audit_event(SERVICE, "telemetry.export", resource, now, after=asked))
        self._wake()
        return job

    async def all(self, user_id: UUID) -> Sequence[ExportJob]:
        """Return somebody's exports, newest first."""
        async with self._store.read() as unit:
            return await unit.of_user(user_id)

    async def one(self, user_id: UUID, job_id: UUID) -> ExportJob:
        """Return one export of somebody. Raises NotFoundError."""
        async with self._store.read() as unit:
            job = await unit.find(job_id, user_id)
        if job is None:
            message = "there is no such export"
            raise NotFoundError(message, code="unknown_export")
        return job

    async def delete(self, user_id: UUID, job_id: UUID) -> None:
        """Delete an export, its file, and the work on it. Raises NotFoundError."""
        await self.one(user_id, job_id)
        async with self._store.change() as unit:
            await unit.delete(job_id)
            resource = AuditResource(type=RESOURCE, id=str(job_id))
            await unit.tell_audit(audit_event(SERVICE, "export.deleted", resource, self._clock.now()))

    async def forget_old(self) -> None:
        """Delete what expired. Raises UnavailableError."""
        async with self._store.change() as unit:
            await unit.expire(self._clock.now())

    async def ready(self, user_id: UUID, job_id: UUID) -> ExportJob:
        """Return an export whose file is there. Raises NotFoundError, ConflictError."""
        job = await self.one(user_id, job_id)
        if job.state is not JobState.READY:
            message = f"the file is not there: the export is {job.state}"
            raise ConflictError(message, code="export_not_ready")
        return job

    async def content(self, job_id: UUID, wanted: ByteRange) -> AsyncGenerator[bytes, None]:
        """Give bytes of a file. Raises UnavailableError when it is deleted meanwhile."""
        at = wanted.first
        while at <= wanted.last:
            async with self._store.read() as unit:
                chunk = await unit.chunk(job_id, at)
            if chunk is None:
                message = "the file is not there any more"
                raise UnavailableError(message, code="export_gone")
            data = await asyncio.to_thread(zlib.decompress, chunk.data)
            yield data[at - chunk.begins : wanted.last + 1 - chunk.begins]
            at = chunk.begins + chunk.size


def _refuse_too_many(counts: JobCounts) -> None:
    if counts.active_of_user >= MAX_ACTIVE_OF_USER or counts.of_user >= MAX_OF_USER or counts.active >= MAX_ACTIVE:
        message = (
            f"there are {counts.active_of_user} of your exports under way and {counts.of_user} in all; at most"
            f" {MAX_ACTIVE_OF_USER} and {MAX_OF_USER}, and {MAX_ACTIVE} of everybody under way: wait, or delete some"
        )
        raise RateLimitedError(message, code="too_many_exports", retry_after=_RETRY_SECONDS)
    if counts.kept_bytes >= MAX_KEPT_BYTES_IN_ALL:
        message = "the place for files is taken: delete exports that are not needed, or wait until some expire"
        raise RateLimitedError(message, code="exports_full", retry_after=_RETRY_SECONDS)
