"""Rules and alarms for people: one transaction that changes them, one view that reads them within a scope."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cached_property
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.elements import ColumnElement

from pulse_alerts.domain.alarm import Alarm, Step
from pulse_alerts.domain.rule import Rule
from pulse_alerts.storage.alarm_writing import locked, write_steps
from pulse_alerts.storage.device_topics import renew_device_topics
from pulse_alerts.storage.directory import PostgresDirectory, in_scope
from pulse_alerts.storage.rows import alarm_changes, alarm_of, rule_of, rule_row, step_of
from pulse_alerts.storage.tables import alarm_steps, alarms, rules
from pulse_alerts.use_cases.ports import AlarmFilter, AlertReads, AlertUnit, Caller, Page
from pulse_chassis import outbox
from pulse_chassis.database import Database
from pulse_contracts.audit import AuditEvent
from pulse_contracts.streams import AUDIT_STREAM

_COUNT_CHANGE: Final = sa.text("update alerts.rule_revision set revision = revision + 1")
_NOTE_EXAMPLES: Final = sa.text(
    "update alerts.rule_revision set has_examples = true where not has_examples returning revision"
)
_RULE_SEEN: Final = """
(:sees_all or device_ids <@ array(select device_id from identity.device_access where user_id = :user))
"""
_OPEN: Final = ("active", "acknowledged")


class PostgresAlertUnit:
    """An `AlertUnit` on one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @cached_property
    def directory(self) -> PostgresDirectory:
        """Rights and devices."""
        return PostgresDirectory(self._session)

    async def locked_alarm(self, alarm_id: UUID) -> Alarm | None:
        """Return an alarm, held until the transaction ends."""
        found = await locked(self._session, alarms.c.id == alarm_id)
        return found[0] if found else None

    async def write_step(self, alarm: Alarm, step: Step, *, is_notified: bool) -> None:
        """Write an alarm as it is after a step, the step, and the news of it."""
        changes = alarm_changes(alarm)
        await self._session.execute(sa.update(alarms).where(alarms.c.id == alarm.id).values(**changes))
        await write_steps(self._session, [(alarm, step)], step.noted_at, is_notified=is_notified)
        await renew_device_topics(self._session, [alarm.device_id])

    async def lock_rules(self) -> int:
        """Wait for the turn to change rules, count the change, and return how many rules there are."""
        await self._session.execute(_COUNT_CHANGE)
        return await self._session.scalar(sa.select(sa.func.count()).select_from(rules)) or 0

    async def has_examples(self) -> bool:
        """Return whether the example rules were made, and note that they are."""
        return await self._session.scalar(_NOTE_EXAMPLES) is None

    async def rule(self, rule_id: UUID) -> Rule | None:
        """Return a rule."""
        row = (await self._session.execute(sa.select(rules).where(rules.c.id == rule_id))).one_or_none()
        return None if row is None else rule_of(row)

    async def is_named(self, name: str, except_id: UUID | None) -> bool:
        """Tell whether another rule has this name, whatever its case."""
        query = sa.select(rules.c.id).where(sa.func.lower(rules.c.name) == sa.func.lower(name))
        if except_id is not None:
            query = query.where(rules.c.id != except_id)
        return await self._session.scalar(query) is not None

    async def write_rule(self, rule: Rule) -> None:
        """Write a rule."""
        row = rule_row(rule)
        changed = {name: value for name, value in row.items() if name != "id" and not name.startswith("created")}
        statement = insert(rules).values(**row)
        await self._session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed))

    async def delete_rule(self, rule_id: UUID) -> None:
        """Delete a rule."""
        await self._session.execute(sa.delete(rules).where(rules.c.id == rule_id))

    async def open_alarms_of(self, rule_id: UUID) -> list[Alarm]:
        """Return the alarms of a rule that are not cleared, held."""
        return await locked(self._session, sa.and_(alarms.c.rule_id == rule_id, alarms.c.state.in_(_OPEN)))

    async def tell_audit(self, events: Sequence[AuditEvent]) -> None:
        """Tell the audit log."""
        await outbox.append_many(self._session, AUDIT_STREAM, events)

    async def forget_alarms(self, before: datetime, limit: int) -> int:
        """Delete cleared alarms that are older."""
        old = (
            sa.select(alarms.c.id)
            .where(alarms.c.raised_at < before, alarms.c.cleared_at < before)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        gone = await self._session.execute(sa.delete(alarms).where(alarms.c.id.in_(old)).returning(alarms.c.id))
        return len(gone.all())


class PostgresAlertReads:
    """An `AlertReads` on one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @cached_property
    def directory(self) -> PostgresDirectory:
        """Rights and devices."""
        return PostgresDirectory(self._session)

    async def rules(self, caller: Caller) -> list[Rule]:
        """Return the rules that the caller sees."""
        query = sa.select(rules).where(_seen(caller)).order_by(sa.func.lower(rules.c.name))
        return [rule_of(row) for row in await self._session.execute(query)]

    async def rule(self, caller: Caller, rule_id: UUID) -> Rule | None:
        """Return a rule that the caller sees."""
        query = sa.select(rules).where(rules.c.id == rule_id, _seen(caller))
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else rule_of(row)

    async def alarms(self, caller: Caller, wanted: AlarmFilter, page: Page) -> list[Alarm]:
        """Return a page of alarms."""
        query = (
            sa.select(alarms)
            .where(in_scope("alerts.alarm.device_id", caller), *_conditions(wanted))
            .order_by(alarms.c.seq.desc())
            .limit(page.limit)
        )
        if page.cursor is not None:
            query = query.where(alarms.c.seq < page.cursor)
        return [alarm_of(row) for row in await self._session.execute(query)]

    async def alarm(self, caller: Caller, alarm_id: UUID) -> Alarm | None:
        """Return an alarm."""
        query = sa.select(alarms).where(alarms.c.id == alarm_id, in_scope("alerts.alarm.device_id", caller))
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else alarm_of(row)

    async def steps(self, alarm_id: UUID) -> list[Step]:
        """Return an alarm's steps."""
        query = sa.select(alarm_steps).where(alarm_steps.c.alarm_id == alarm_id).order_by(alarm_steps.c.seq)
        return [step_of(row) for row in await self._session.execute(query)]

    async def open_counts(self, caller: Caller) -> dict[tuple[str, str], int]:
        """Return how many alarms are not cleared."""
        query = (
            sa.select(alarms.c.severity, alarms.c.state, sa.func.count().label("number"))
            .where(alarms.c.state.in_(_OPEN), in_scope("alerts.alarm.device_id", caller))
            .group_by(alarms.c.severity, alarms.c.state)
        )
        return {(row.severity, row.state): row.number for row in await self._session.execute(query)}


class PostgresWork:
    """A `Work`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def change(self) -> AsyncIterator[AlertUnit]:
        """Give a transaction; it commits at the end of the block."""
        async with self._database.transaction() as session:
            yield PostgresAlertUnit(session)

    @asynccontextmanager
    async def look(self) -> AsyncIterator[AlertReads]:
        """Give a view that cannot write."""
        async with self._database.read() as session:
            yield PostgresAlertReads(session)


def _seen(caller: Caller) -> sa.TextClause:
    return sa.text(_RULE_SEEN).bindparams(user=caller.user_id, sees_all=caller.sees_all_devices)


def _conditions(wanted: AlarmFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.device_id is not None:
        found.append(alarms.c.device_id == wanted.device_id)
    if wanted.rule_id is not None:
        found.append(alarms.c.rule_id == wanted.rule_id)
    if wanted.states:
        found.append(alarms.c.state.in_(wanted.states))
    if wanted.severities:
        found.append(alarms.c.severity.in_(wanted.severities))
    if wanted.is_late is not None:
        found.append(alarms.c.is_late.is_(wanted.is_late))
    if wanted.start is not None:
        found.append(alarms.c.raised_at >= wanted.start)
    if wanted.end is not None:
        found.append(alarms.c.raised_at < wanted.end)
    return found
