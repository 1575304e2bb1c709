"""Channels in PostgreSQL for people: one transaction, one view, and `ChannelWork`, which begins them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cached_property
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_alerts.domain.channel import Channel, ChannelKind, WebhookSecret
from pulse_alerts.storage.channel_rows import SecretBox, channel_of, channel_values
from pulse_alerts.storage.directory import PostgresDirectory, in_scope
from pulse_alerts.storage.notification_tables import channels, messages
from pulse_alerts.use_cases.notification_ports import (
    ChannelReads,
    ChannelUnit,
    DeliveryRow,
    MessageRow,
    MessageState,
    Trial,
)
from pulse_alerts.use_cases.ports import Caller, Page
from pulse_chassis import outbox
from pulse_chassis.database import Database
from pulse_chassis.errors import ConflictError
from pulse_contracts.audit import AuditEvent
from pulse_contracts.streams import AUDIT_STREAM

_TURN: Final = sa.text("select pg_advisory_xact_lock(hashtextextended('alerts:channels', 0))")
_COUNT: Final = sa.select(sa.func.count()).select_from(channels).where(channels.c.deleted_at.is_(None))
_SUPPRESS: Final = sa.text("""
update alerts.delivery set state = 'suppressed', reason = 'channel_disabled'
where channel_id = :channel and state = 'waiting'
""")
_RENEW_ALL: Final = sa.text("update alerts.device_topic set is_stale = true where not is_stale")
_TOPIC_IS_STALE: Final = sa.text("""
insert into alerts.device_topic (device_id, is_stale) values (:device, true)
on conflict (device_id) do update set is_stale = true
""")
_DELIVERIES: Final = """
select d.step_id, s.kind as step_kind, d.channel_id, c.name as channel_name, c.kind as channel_kind,
       case when d.state = 'in_message' then m.state when d.state = 'waiting' then 'queued' else d.state end as state,
       coalesce(d.reason, m.reason) as reason, coalesce(m.attempts, 0) as attempts,
       coalesce(m.doubtful_attempts, 0) as doubtful_attempts, d.created_at, m.settled_at, d.message_id
from alerts.delivery d
join alerts.alarm_step s on s.id = d.step_id
join alerts.channel c on c.id = d.channel_id
left join alerts.message m on m.id = d.message_id
where d.alarm_id = :alarm order by d.seq limit 1000
"""


def _there(channel_id: UUID | None = None) -> sa.Select[Any]:
    query = sa.select(channels).where(channels.c.deleted_at.is_(None))
    return query if channel_id is None else query.where(channels.c.id == channel_id)


class PostgresChannelUnit:
    """A `ChannelUnit` on one session."""

    def __init__(self, session: AsyncSession, box: SecretBox) -> None:
        self._session = session
        self._box = box

    @cached_property
    def directory(self) -> PostgresDirectory:
        """Rights and devices."""
        return PostgresDirectory(self._session)

    async def count(self) -> int:
        """Wait for the turn to add a channel, and return how many there are."""
        await self._session.execute(_TURN)
        return int((await self._session.execute(_COUNT)).scalar_one())

    async def channel(self, channel_id: UUID) -> Channel | None:
        """Return a channel, held until the transaction ends."""
        query = _there(channel_id).with_for_update(key_share=True)
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else channel_of(row)

    async def secret(self, channel_id: UUID) -> WebhookSecret | None:
        """Return a webhook's secret."""
        query = sa.select(channels.c.sealed).where(channels.c.id == channel_id)
        return self._box.open((await self._session.execute(query)).scalar_one_or_none())

    async def add(self, channel: Channel, secret: WebhookSecret | None, by: UUID) -> None:
        """Add a channel."""
        await self._write(sa.insert(channels).values(id=channel.id, **self._values(channel, secret, by)))
        if channel.kind is ChannelKind.MQTT:
            await self._session.execute(_RENEW_ALL)

    async def save(self, channel: Channel, secret: WebhookSecret | None, by: UUID) -> None:
        """Write a changed channel."""
        values = self._values(channel, secret, by)
        await self._write(sa.update(channels).where(channels.c.id == channel.id).values(values))
        await self._changed(channel, is_on=channel.is_enabled)

    async def delete(self, channel: Channel, now: datetime, by: UUID) -> None:
        """Delete a channel, and forget its secret."""
        values = {"deleted_at": now, "updated_at": now, "updated_by": by, "is_enabled": False, "sealed": None}
        await self._session.execute(sa.update(channels).where(channels.c.id == channel.id).values(values))
        await self._changed(channel, is_on=False)

    async def add_trial(self, trial: Trial) -> None:
        """Add a message that tries a channel."""
        await self._session.execute(
            sa.insert(messages).values(
                id=trial.id,
                channel_id=trial.channel_id,
                address=trial.address,
                kind="test",
                state="queued",
                steps=0,
                attempts=0,
                doubtful_attempts=0,
                asked_by_name=trial.by_name,
                created_at=trial.at,
                next_at=trial.at,
                deadline_at=trial.deadline,
            )
        )
        if trial.address:
            # It goes beside what is in order for the device; a renewal in order comes after it.
            await self._session.execute(_TOPIC_IS_STALE, {"device": trial.address})

    async def tell_audit(self, events: Sequence[AuditEvent]) -> None:
        """Tell the audit log when, and only if, the transaction commits."""
        await outbox.append_many(self._session, AUDIT_STREAM, events)

    def _values(self, channel: Channel, secret: WebhookSecret | None, by: UUID) -> dict[str, Any]:
        sealed = None if secret is None else self._box.seal(secret)
        return {**channel_values(channel), "updated_by": by, "sealed": sealed}

    async def _changed(self, channel: Channel, *, is_on: bool) -> None:
        if not is_on:
            await self._session.execute(_SUPPRESS, {"channel": channel.id})
        if channel.kind is ChannelKind.MQTT:
            await self._session.execute(_RENEW_ALL)

    async def _write(self, statement: sa.Insert | sa.Update) -> None:
        try:
            async with self._session.begin_nested():
                await self._session.execute(statement)
        except IntegrityError as error:
            if "channel_name" in str(error.orig):
                message = "another channel has this name"
                raise ConflictError(message, code="channel_name_taken", field="body.name") from None
            if "channel_mqtt" in str(error.orig):
                message = "there is a channel for devices already: they have one topic each"
                raise ConflictError(message, code="mqtt_channel_exists", field="body.kind") from None
            raise


class PostgresChannelReads:
    """A `ChannelReads` on one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @cached_property
    def directory(self) -> PostgresDirectory:
        """Rights and devices."""
        return PostgresDirectory(self._session)

    async def channels(self) -> list[Channel]:
        """Return all channels by name."""
        query = _there().order_by(sa.func.lower(channels.c.name))
        return [channel_of(row) for row in await self._session.execute(query)]

    async def channel(self, channel_id: UUID) -> Channel | None:
        """Return a channel."""
        row = (await self._session.execute(_there(channel_id))).one_or_none()
        return None if row is None else channel_of(row)

    async def messages(self, channel_id: UUID, states: Sequence[MessageState], page: Page) -> list[MessageRow]:
        """Return a page of a channel's messages, newest first."""
        query = (
            sa.select(messages, channels.c.name.label("channel_name"))
            .join(channels, channels.c.id == messages.c.channel_id)
            .where(messages.c.channel_id == channel_id)
            .order_by(messages.c.seq.desc())
            .limit(page.limit)
        )
        if states:
            query = query.where(messages.c.state.in_(states))
        if page.cursor is not None:
            query = query.where(messages.c.seq < page.cursor)
        return [_message(row) for row in await self._session.execute(query)]

    async def deliveries(self, caller: Caller, alarm_id: UUID) -> list[DeliveryRow] | None:
        """Return what became of an alarm's steps for each channel."""
        scope = in_scope("device_id", caller)
        seen = sa.select(sa.literal(1)).select_from(sa.text("alerts.alarm")).where(sa.text("id = :alarm"), scope)
        if (await self._session.execute(seen, {"alarm": alarm_id})).one_or_none() is None:
            return None
        rows = await self._session.execute(sa.text(_DELIVERIES), {"alarm": alarm_id})
        return [DeliveryRow(**row._mapping) for row in rows]  # noqa: SLF001 -- SQLAlchemy's public name for a row as a mapping


class PostgresChannelWork:
    """A `ChannelWork`."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database = database
        self._box = box

    @asynccontextmanager
    async def change(self) -> AsyncIterator[ChannelUnit]:
        """Give a transaction; it commits at the end of the block."""
        async with self._database.transaction() as session:
            yield PostgresChannelUnit(session, self._box)

    @asynccontextmanager
    async def look(self) -> AsyncIterator[ChannelReads]:
        """Give a view that cannot write."""
        async with self._database.read() as session:
            yield PostgresChannelReads(session)


def _message(row: sa.Row[Any]) -> MessageRow:
    return MessageRow(
        seq=row.seq,
        id=row.id,
        channel_id=row.channel_id,
        channel_name=row.channel_name,
        kind=row.kind,
        address=row.address,
        state=row.state,
        reason=row.reason,
        detail=row.detail,
        steps=row.steps,
        attempts=row.attempts,
        doubtful_attempts=row.doubtful_attempts,
        created_at=row.created_at,
        next_at=row.next_at if row.state == "queued" else None,
        settled_at=row.settled_at,
    )
