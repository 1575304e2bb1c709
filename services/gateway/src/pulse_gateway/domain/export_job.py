"""An export that is made in the background: what is asked for, how far it is, and its bounds.

queued → running → ready | failed. Its file is kept in chunks beside its row, and both are deleted together: by their
owner, which also cancels what is under way, or a day after it ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from pulse_gateway.domain.export import ExportQuestion, ExportSeries, file_name

KEPT_FOR: Final = timedelta(hours=24)
MAX_ACTIVE_OF_USER: Final = 3
MAX_OF_USER: Final = 20
MAX_ACTIVE: Final = 50
MAX_KEPT_BYTES: Final = 512 * 1024**2
"""Of one file, compressed: some five times as many bytes to download."""
MAX_KEPT_BYTES_IN_ALL: Final = 4 * 1024**3
CHUNK_BYTES: Final = 4 * 1024**2
LEASE: Final = timedelta(minutes=2)
"""A process that says nothing for so long is gone; another one goes on from what was committed."""
MAX_ATTEMPTS: Final = 5


class JobState(StrEnum):
    """Where an export stands."""

    QUEUED = "queued"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """The series of an export, about how many rows it has, and the length of its pieces."""

    series: tuple[ExportSeries, ...]
    rows: int
    piece_us: int


@dataclass(frozen=True, slots=True)
class JobProblem:
    """Why an export failed."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ExportJob:
    """An export as it is kept. `pieces_done` pieces are in its chunks, the heading before the first included."""

    id: UUID
    user_id: UUID
    question: ExportQuestion
    plan: ExportPlan
    state: JobState
    created_at: datetime
    attempts: int = 0
    pieces_done: int = 0
    chunks: int = 0
    rows_done: int = 0
    size_bytes: int = 0
    kept_bytes: int = 0
    problem: JobProblem | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def file_name(self) -> str:
        """The name of the file."""
        return file_name(self.question)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the file: its place among the bytes of the whole, and itself, compressed."""

    number: int
    begins: int
    size: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes of a file that are wanted, the last one included."""

    first: int
    last: int


def read_range(header: str | None, size: int) -> ByteRange | None:
    """Return the one range that a `Range` header asks for; None: the whole. Raises ValueError for one outside."""
    unit, _, text = (header or "").partition("=")
    low, dash, high = text.strip().partition("-")
    is_simple = unit.strip() == "bytes" and dash and "," not in text
    if not is_simple or not (low + high).isascii() or not (low + high).isdigit():
        return None
    first = int(low) if low else max(0, size - int(high))
    last = min(size - 1, int(high)) if low and high else size - 1
    if first > last:
        raise ValueError(header)
    return ByteRange(first, last)
