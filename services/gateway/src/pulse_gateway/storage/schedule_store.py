"""Report schedules and their sendings in PostgreSQL. Of several gateways each due one is claimed by one (SKIP LOCKED)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, time
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_chassis import outbox
from pulse_chassis.database import Database
from pulse_contracts.audit import AuditEvent
from pulse_contracts.streams import AUDIT_STREAM
from pulse_gateway.domain.report import ReportFilter, ReportKind
from pulse_gateway.domain.report_schedule import Schedule, ScheduleWish, Sending, SendingState
from pulse_gateway.domain.rhythm import Rhythm
from pulse_gateway.storage.tables import report_schedules, report_sendings
from pulse_gateway.use_cases.schedule_ports import ScheduleReads, ScheduleUnit

_TAKE_TURN: Final = sa.text("select pg_advisory_xact_lock(hashtextextended('schedules:' || :user_id, 0))")
_FORGET_STRANGERS: Final = sa.text(
    "delete from gateway.report_schedule kept where not exists"
    " (select 1 from identity.user_authority u where u.user_id = kept.user_id)"
)


class PostgresScheduleUnit:
    """A `ScheduleUnit` on one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def schedules(self, user_id: UUID) -> Sequence[Schedule]:
        """Return a person's schedules, the oldest first."""
        wanted = sa.select(report_schedules).where(report_schedules.c.user_id == user_id)
        rows = await self._session.execute(wanted.order_by(report_schedules.c.created_at, report_schedules.c.id))
        return [_schedule(row) for row in rows]

    async def sendings(self, schedule_id: UUID, before: datetime | None, limit: int) -> Sequence[Sending]:
        """Return what became of a schedule's reports that were due before a moment, newest first."""
        wanted = sa.select(report_sendings).where(report_sendings.c.schedule_id == schedule_id)
        if before is not None:
            wanted = wanted.where(report_sendings.c.due_at < before)
        rows = await self._session.execute(wanted.order_by(report_sendings.c.due_at.desc()).limit(limit))
        return [_sending(row) for row in rows]

    async def take_turn(self, user_id: UUID) -> None:
        """Wait until nobody else changes this person's schedules."""
        await self._session.execute(_TAKE_TURN, {"user_id": str(user_id)})

    async def save(self, schedule: Schedule) -> None:
        """Add a schedule, or put it in the place of the one with its id."""
        values = _schedule_values(schedule)
        statement = insert(report_schedules).values(**values)
        await self._session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))

    async def delete(self, schedule_id: UUID) -> None:
        """Delete a schedule and what became of its reports."""
        await self._session.execute(sa.delete(report_schedules).where(report_schedules.c.id == schedule_id))

    async def claim_due(self, now: datetime, limit: int) -> Sequence[Schedule]:
        """Return schedules that are due, each to one transaction only."""
        wanted = sa.select(report_schedules).where(report_schedules.c.next_at <= now)
        wanted = wanted.order_by(report_schedules.c.next_at).limit(limit).with_for_update(skip_locked=True)
        return [_schedule(row) for row in await self._session.execute(wanted)]

    async def claim_sending(self, now: datetime) -> tuple[Sending, Schedule] | None:
        """Return a sending that is to be tried, to one transaction only, with its schedule."""
        waiting = report_sendings.c.state == SendingState.WAITING.value
        wanted = sa.select(report_sendings).where(waiting, report_sendings.c.try_at <= now)
        wanted = wanted.order_by(report_sendings.c.try_at).limit(1).with_for_update(skip_locked=True)
        row = (await self._session.execute(wanted)).one_or_none()
        if row is None:
            return None
        owner = sa.select(report_schedules).where(report_schedules.c.id == row.schedule_id)
        return _sending(row), _schedule((await self._session.execute(owner)).one())

    async def add_sending(self, sending: Sending) -> None:
        """Add a sending, unless there is one of this schedule and due time."""
        statement = insert(report_sendings).values(**_sending_values(sending))
        await self._session.execute(statement.on_conflict_do_nothing(index_elements=["schedule_id", "due_at"]))

    async def save_sending(self, sending: Sending) -> None:
        """Keep how a sending stands; of a schedule that was deleted meanwhile nothing is kept."""
        values = _sending_values(sending)
        await self._session.execute(
            sa.update(report_sendings).where(report_sendings.c.id == sending.id).values(**values)
        )

    async def forget(self, finished_before: datetime) -> None:
        """Delete sendings that ended long ago, and schedules of people whom identity does not know any more."""
        await self._session.execute(sa.delete(report_sendings).where(report_sendings.c.finished_at < finished_before))
        await self._session.execute(_FORGET_STRANGERS)

    async def tell_audit(self, event: AuditEvent) -> None:
        """Tell the audit log in this transaction."""
        await outbox.append(self._session, AUDIT_STREAM, event)


class PostgresScheduleStore:
    """Implements `ScheduleStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ScheduleReads]:
        """Give a view of what is kept."""
        async with self._database.read() as session:
            yield PostgresScheduleUnit(session)

    @asynccontextmanager
    async def change(self) -> AsyncIterator[ScheduleUnit]:
        """Give a transaction; it is committed when the block ends."""
        async with self._database.transaction() as session:
            yield PostgresScheduleUnit(session)


def _schedule_values(schedule: Schedule) -> dict[str, Any]:
    wish = schedule.wish
    chosen, rhythm = wish.filter, wish.rhythm
    return {
        "id": schedule.id,
        "user_id": schedule.user_id,
        "name": wish.name,
        "kind": wish.kind.value,
        "attached_as": wish.attached_as,
        "filter": {
            "device_ids": None if chosen.device_ids is None else sorted(chosen.device_ids),
            "groups": None if chosen.groups is None else sorted(chosen.groups),
            "metrics": None if chosen.metrics is None else list(chosen.metrics),
            "period": chosen.period,
        },
        "rhythm": {
            "every": rhythm.every,
            "at": rhythm.at.isoformat("minutes"),
            "zone": rhythm.zone,
            "weekday": rhythm.weekday,
            "day": rhythm.day,
        },
        "receivers": list(wish.receivers),
        "next_at": schedule.next_at,
        "version": schedule.version,
        "created_at": schedule.created_at,
        "updated_at": schedule.updated_at,
    }


def _schedule(row: sa.Row[Any]) -> Schedule:
    chosen = ReportFilter(
        device_ids=None if row.filter["device_ids"] is None else frozenset(row.filter["device_ids"]),
        groups=None if row.filter["groups"] is None else frozenset(row.filter["groups"]),
        metrics=None if row.filter["metrics"] is None else tuple(row.filter["metrics"]),
        period=row.filter["period"],
    )
    rhythm = Rhythm(**{**row.rhythm, "at": time.fromisoformat(row.rhythm["at"])})
    wish = ScheduleWish(
        name=row.name,
        kind=ReportKind(row.kind),
        attached_as=row.attached_as,
        filter=chosen,
        rhythm=rhythm,
        receivers=tuple(row.receivers),
        is_active=row.next_at is not None,
    )
    return Schedule(row.id, row.user_id, wish, row.next_at, row.version, row.created_at, row.updated_at)


def _sending_values(sending: Sending) -> dict[str, Any]:
    return {
        "id": sending.id,
        "schedule_id": sending.schedule_id,
        "due_at": sending.due_at,
        "covers_from": sending.start,
        "covers_to": sending.end,
        "state": sending.state.value,
        "attempts": sending.attempts,
        "try_at": sending.try_at,
        "finished_at": sending.finished_at,
        "rows": sending.rows,
        "code": sending.code,
        "reason": sending.reason,
    }


def _sending(row: sa.Row[Any]) -> Sending:
    return Sending(
        id=row.id,
        schedule_id=row.schedule_id,
        due_at=row.due_at,
        start=row.covers_from,
        end=row.covers_to,
        state=SendingState(row.state),
        attempts=row.attempts,
        try_at=row.try_at,
        finished_at=row.finished_at,
        rows=row.rows,
        code=row.code,
        reason=row.reason,
    )
