"""Make the exports that were asked for, one at a time in each process.

Each piece is written and committed with its progress, so that whoever comes after a process that died goes on behind the
last piece. A database that is away only delays it. Memory: one piece, compressed, and four MiB of lines.
"""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID, uuid4

from pulse_chassis.clock import Clock
from pulse_chassis.errors import InvalidError, UnavailableError
from pulse_chassis.logging import get_logger
from pulse_gateway.domain.export import ending, heading, metrics_of
from pulse_gateway.domain.export_job import (
    CHUNK_BYTES,
    KEPT_FOR,
    MAX_KEPT_BYTES,
    Chunk,
    ExportJob,
    JobProblem,
    JobState,
)
from pulse_gateway.use_cases.export_ports import ExportCopy, ExportStore
from pulse_gateway.use_cases.export_readings import pieces_of

POLL_SECONDS: Final = 5.0
"""How soon an export is found that another process was asked for, or left behind."""
_LEVEL: Final = 1
_log = get_logger("run_exports")


@dataclass(slots=True)
class _File:
    """The end of a file that is being written."""

    begins: int
    number: int
    lines: bytearray = field(default_factory=bytearray)
    chunks: list[Chunk] = field(default_factory=list)

    async def take(self, data: bytes) -> None:
        """Take more of it."""
        self.lines += data
        if len(self.lines) >= CHUNK_BYTES:
            await self.close()

    async def close(self) -> None:
        """Make a chunk of what there is."""
        if not self.lines:
            return
        lines, self.lines = bytes(self.lines), bytearray()
        data = await asyncio.to_thread(zlib.compress, lines, _LEVEL)
        self.chunks.append(Chunk(self.number, self.begins, len(lines), data))
        self.number += 1
        self.begins += len(lines)
        if sum(len(chunk.data) for chunk in self.chunks) > MAX_KEPT_BYTES:
            raise _too_large()


class RunExports:
    """The worker."""

    def __init__(self, store: ExportStore, copy: ExportCopy, clock: Clock) -> None:
        self._store = store
        self._copy = copy
        self._clock = clock
        self._asked = asyncio.Event()

    def wake(self) -> None:
        """Say that an export was asked for."""
        self._asked.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Make exports until `stop`; what is under way then is gone on with by whoever comes next."""
        stopping = asyncio.create_task(stop.wait(), name="exports_stop")
        working = asyncio.create_task(self._work(), name="exports_work")
        try:
            await asyncio.wait({stopping, working}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                await working
        finally:
            stopping.cancel()
            working.cancel()
            await asyncio.wait({working})

    async def _work(self) -> None:
        is_down = False
        while True:
            try:
                while await self.make_one():
                    is_down = False
            except UnavailableError as error:
                if not is_down:
                    _log.warning("exports_postponed", reason=error.message)
                is_down = True
            self._asked.clear()
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._asked.wait()
            except TimeoutError:
                continue

    async def make_one(self) -> bool:
        """Make the next export to its end, if there is one. Raises UnavailableError."""
        ticket = uuid4()
        async with self._store.change() as unit:
            job = await unit.claim(ticket, self._clock.now())
        if job is None:
            return False
        _log.info("export_begun", export=str(job.id), rows=job.plan.rows, pieces_done=job.pieces_done)
        try:
            await self._make(job, ticket)
        except InvalidError as error:
            await self._fail(job, ticket, error)
        return True

    async def _make(self, job: ExportJob, ticket: UUID) -> None:
        form = job.question.form
        pieces = pieces_of(job.question, job.plan)
        while job.pieces_done < len(pieces):
            file = _File(job.size_bytes, job.chunks)
            if job.pieces_done == 0:
                await file.take(heading(form, metrics_of(job.plan.series)).encode())
            rows = await self._copy.copy(job.plan.series, form, pieces[job.pieces_done], file.take)
            job = replace(job, pieces_done=job.pieces_done + 1, rows_done=job.rows_done + rows, attempts=1)
            kept = await self._keep(job, ticket, file)
            if kept is None:
                return
            job = kept
        file = _File(job.size_bytes, job.chunks)
        if not pieces:
            await file.take(heading(form, ()).encode())
        await file.take(ending(form, job.rows_done).encode())
        now = self._clock.now()
        job = replace(job, state=JobState.READY, ended_at=now, expires_at=now + KEPT_FOR)
        if await self._keep(job, ticket, file) is not None:
            _log.info("export_ready", export=str(job.id), rows=job.rows_done, bytes=job.size_bytes)

    async def _keep(self, job: ExportJob, ticket: UUID, file: _File) -> ExportJob | None:
        """Commit what was written; None: the export was deleted, or somebody else goes on with it."""
        await file.close()
        job = replace(
            job,
            chunks=file.number,
            size_bytes=file.begins,
            kept_bytes=job.kept_bytes + sum(len(chunk.data) for chunk in file.chunks),
        )
        if job.kept_bytes > MAX_KEPT_BYTES:
            raise _too_large()
        async with self._store.change() as unit:
            return job if await unit.advance(job, ticket, file.chunks, self._clock.now()) else None

    async def _fail(self, job: ExportJob, ticket: UUID, error: InvalidError) -> None:
        now = self._clock.now()
        _log.warning("export_failed", export=str(job.id), code=error.code)
        failed = replace(
            job,
            state=JobState.FAILED,
            problem=JobProblem(error.code, error.message),
            ended_at=now,
            expires_at=now + KEPT_FOR,
        )
        async with self._store.change() as unit:
            await unit.advance(failed, ticket, (), now)


def _too_large() -> InvalidError:
    message = f"the file is larger than {MAX_KEPT_BYTES:,} bytes, compressed: ask for less at once"
    return InvalidError(message, code="export_too_large")
