"""A report that is sent again and again, and each time that it was sent, or was not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from pulse_gateway.domain.report import ReportFilter, ReportKind, ReportQuestion
from pulse_gateway.domain.rhythm import Rhythm

MAX_SCHEDULES: Final = 50
"""Of one person."""
MAX_RECEIVERS: Final = 20
RETRY_AFTER: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240))
"""How long until the second attempt, the third …; after the last one it has failed."""
LEASE: Final = timedelta(minutes=10)
"""An attempt that has not ended after this long died with its process: somebody else makes the next one."""
KEPT: Final = timedelta(days=90)

AttachedAs = Literal["csv", "html"]


@dataclass(frozen=True, slots=True)
class ScheduleWish:
    """What a person wants to be sent, to whom and when."""

    name: str
    kind: ReportKind
    attached_as: AttachedAs
    filter: ReportFilter
    rhythm: Rhythm
    receivers: tuple[str, ...]
    is_active: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """A wish that is kept; `next_at` None: it is switched off."""

    id: UUID
    user_id: UUID
    wish: ScheduleWish
    next_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


class SendingState(StrEnum):
    """How it stands: to be tried at `try_at`, sent, its owner had no right to it any more, or given up."""

    WAITING = "waiting"
    SENT = "sent"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Sending:
    """One report of a schedule. `code` and `reason` are those of the last attempt that did not succeed."""

    id: UUID
    schedule_id: UUID
    due_at: datetime
    start: datetime
    end: datetime
    state: SendingState
    attempts: int
    try_at: datetime
    finished_at: datetime | None = None
    rows: int | None = None
    code: str | None = None
    reason: str | None = None

    def question(self, schedule: Schedule) -> ReportQuestion:
        """Return what the report answers."""
        wish = schedule.wish
        return ReportQuestion(wish.kind, self.start, self.end, wish.rhythm.zone, wish.filter)
