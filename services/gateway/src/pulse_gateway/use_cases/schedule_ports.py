"""Where schedules and their sendings are kept: the roles that the use cases need."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from pulse_contracts.audit import AuditEvent
from pulse_gateway.domain.report_schedule import Schedule, Sending


class ScheduleReads(Protocol):
    """One view of what is kept."""

    async def schedules(self, user_id: UUID) -> Sequence[Schedule]:
        """Return a person's schedules, the oldest first."""
        ...

    async def sendings(self, schedule_id: UUID, before: datetime | None, limit: int) -> Sequence[Sending]:
        """Return what became of a schedule's reports that were due before a moment, newest first."""
        ...


class ScheduleUnit(ScheduleReads, Protocol):
    """One transaction."""

    async def take_turn(self, user_id: UUID) -> None:
        """Wait until nobody else changes this person's schedules."""
        ...

    async def save(self, schedule: Schedule) -> None:
        """Add a schedule, or put it in the place of the one with its id."""
        ...

    async def delete(self, schedule_id: UUID) -> None:
        """Delete a schedule and what became of its reports."""
        ...

    async def claim_due(self, now: datetime, limit: int) -> Sequence[Schedule]:
        """Return schedules that are due, each to one transaction only."""
        ...

    async def claim_sending(self, now: datetime) -> tuple[Sending, Schedule] | None:
        """Return a sending that is to be tried, to one transaction only, with its schedule."""
        ...

    async def add_sending(self, sending: Sending) -> None:
        """Add a sending, unless there is one of this schedule and due time."""
        ...

    async def save_sending(self, sending: Sending) -> None:
        """Keep how a sending stands."""
        ...

    async def forget(self, finished_before: datetime) -> None:
        """Delete sendings that ended long ago, and schedules of people whom identity does not know any more."""
        ...

    async def tell_audit(self, event: AuditEvent) -> None:
        """Tell the audit log in this transaction."""
        ...


class ScheduleStore(Protocol):
    """Begins transactions. Raises UnavailableError while the database is away."""

    def read(self) -> AbstractAsyncContextManager[ScheduleReads]:
        """Give a view of what is kept."""
        ...

    def change(self) -> AbstractAsyncContextManager[ScheduleUnit]:
        """Give a transaction; it is committed when the block ends."""
        ...
