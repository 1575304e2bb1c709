"""What exports need from outside: roles, not technologies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from pulse_contracts.audit import AuditEvent
from pulse_gateway.domain.export import ExportForm, ExportSeries, Piece
from pulse_gateway.domain.export_job import Chunk, ExportJob

Sink = Callable[[bytes], Awaitable[None]]
"""Takes what is written next; it may make its caller wait, and raises when nobody wants more."""


@dataclass(frozen=True, slots=True)
class JobCounts:
    """How many exports there are, of somebody and in all; active ones are queued or running."""

    of_user: int
    active_of_user: int
    active: int
    kept_bytes: int


class ExportCopy(Protocol):
    """Writes readings as lines."""

    async def copy(self, series: Sequence[ExportSeries], form: ExportForm, piece: Piece, sink: Sink) -> int:
        """Write the lines of a piece into the sink, and return how many. Raises UnavailableError."""
        ...


class ExportUnit(Protocol):
    """One transaction over the exports that are made in the background."""

    async def take_turn(self) -> None:
        """Wait until nobody else asks for an export."""
        ...

    async def counts(self, user_id: UUID) -> JobCounts:
        """Return how many there are."""
        ...

    async def add(self, job: ExportJob) -> None:
        """Keep a new export."""
        ...

    async def of_user(self, user_id: UUID) -> Sequence[ExportJob]:
        """Return somebody's exports, newest first."""
        ...

    async def find(self, job_id: UUID, user_id: UUID) -> ExportJob | None:
        """Return an export of somebody."""
        ...

    async def delete(self, job_id: UUID) -> None:
        """Delete an export and its file."""
        ...

    async def chunk(self, job_id: UUID, byte: int) -> Chunk | None:
        """Return the chunk with this byte of the file."""
        ...

    async def claim(self, ticket: UUID, now: datetime) -> ExportJob | None:
        """Take the oldest export that nobody works on, as running under this ticket."""
        ...

    async def advance(self, job: ExportJob, ticket: UUID, chunks: Sequence[Chunk], now: datetime) -> bool:
        """Keep the progress of an export and its new chunks; False: it is not ours any more."""
        ...

    async def expire(self, now: datetime) -> None:
        """Delete exports whose time is over."""
        ...

    async def tell_audit(self, event: AuditEvent) -> None:
        """Tell the audit log in this transaction."""
        ...


class ExportStore(Protocol):
    """Where exports and their files are kept. Everything raises UnavailableError."""

    def change(self) -> AbstractAsyncContextManager[ExportUnit]:
        """Give a transaction; it is committed when the block ends."""
        ...

    def read(self) -> AbstractAsyncContextManager[ExportUnit]:
        """Give a view, in which nothing is changed."""
        ...
