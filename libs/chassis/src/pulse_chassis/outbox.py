"""The transactional outbox: what a service tells others is committed together with what it changed.

`append` writes a row in the caller's transaction; `OutboxRelay` publishes the rows in order and deletes a row only
after Redis has it. A crash in between publishes it again: consumers dedupe. Nothing is lost while Redis is away.

What Redis has it may lose, and nobody would notice that an audit event is missing. So the row of one stays until the
audit log has it (identity's view `audit_stored` says so), and is published again every few minutes until then.
Whoever may not read that view, or reads it before identity was migrated, keeps its rows.

A row that a recorded trace made carries its `traceparent` to the stream; where there is none nothing is written for it.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from pydantic import BaseModel
from redis.asyncio import Redis
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_chassis.backoff import Backoff
from pulse_chassis.database import OUTBOX_KEY, OUTBOX_WRITTEN_KEY, Database
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.run import Worker
from pulse_chassis.streams import StreamWriter
from pulse_chassis.tracing import current_traceparent, is_sampled
from pulse_contracts.audit import AuditEvent
from pulse_contracts.streams import STREAM_MAXLEN

POLL_SECONDS: Final = 1.0
"""How late an event can be that another process wrote; our own commits wake the relay at once."""
BATCH_ROWS: Final = 500
DEFAULT_MAXLEN: Final = 10_000
AGAIN_SECONDS: Final = 300.0
"""After how long an audit event that is not in the log is published again: rare enough not to fill the stream with them."""
_STORED: Final = sa.text("select event_id from identity.audit_stored where event_id = any(:ids)")

_log = get_logger("outbox")


def outbox_table(metadata: sa.MetaData, schema: str) -> sa.Table:
    """Declare the table `<schema>.outbox`; a migration creates it with `outbox_table(MetaData(), schema).create(…)`."""
    return sa.Table(
        "outbox",
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("entry", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        # Of audit events: what the log knows them by, and when they were published last.
        sa.Column("event_id", sa.Uuid),
        sa.Column("published_at", sa.DateTime(timezone=True)),
        sa.Column("traceparent", sa.Text),
        schema=schema,
    )


def add_confirmation(schema: str) -> str:
    """Return the SQL that gives a table of before 2026-11 the columns of audit events."""
    return (
        f"alter table {schema}.outbox"
        " add column if not exists event_id uuid, add column if not exists published_at timestamptz"
    )


def add_trace(schema: str) -> str:
    """Return the SQL that gives a table of before 2026-12 the column of traces."""
    return f"alter table {schema}.outbox add column if not exists traceparent text"


async def append(session: AsyncSession, stream: str, event: BaseModel) -> None:
    """Have `event` published on `stream` if, and only if, the session's transaction commits.

    The session comes from a `Database(…, outbox=table)`.
    """
    await append_many(session, stream, [event])


async def append_many(session: AsyncSession, stream: str, events: Sequence[BaseModel]) -> None:
    """Do as `append` with several events of one stream, in this order."""
    table = session.info.get(OUTBOX_KEY)
    if table is None:
        message = "this session knows no outbox: construct its Database with outbox=outbox_table(…)"
        raise RuntimeError(message)
    if not events:
        return
    traceparent = current_traceparent()
    trace = {"traceparent": traceparent} if traceparent is not None and is_sampled(traceparent) else {}
    rows = [
        {
            "stream": stream,
            "entry": event.model_dump_json().encode(),
            "event_id": event.id if isinstance(event, AuditEvent) else None,
            **trace,
        }
        for event in events
    ]
    await session.execute(sa.insert(table), rows)
    session.info[OUTBOX_WRITTEN_KEY] = True


class OutboxRelay:
    """Moves committed rows to Redis, oldest first. Of several relays of one table one works at a time."""

    def __init__(
        self, db: Database, table: sa.Table, redis: Redis, *, maxlen: Mapping[str, int] = STREAM_MAXLEN
    ) -> None:
        self._db = db
        self._table = table
        self._redis = redis
        self._maxlen = maxlen
        self._wake = asyncio.Event()
        self._lock_name = f"outbox:{table.schema}.{table.name}"
        self._is_down = False
        self._is_log_hidden = False
        self._looked_at = float("-inf")
        db.on_outbox_commit(self._wake.set)

    def worker(self) -> Worker:
        """Return the worker; asked to stop, it publishes what is committed and returns."""
        return Worker("outbox_relay", self._run)

    async def publish_pending(self) -> int:
        """Publish one batch; return how many rows it was (0: none left, or another relay has the turn)."""
        table = self._table
        async with self._db.transaction() as session:
            has_turn = await session.scalar(
                sa.select(sa.func.pg_try_advisory_xact_lock(sa.func.hashtextextended(self._lock_name, 0)))
            )
            if not has_turn:
                return 0
            again = sa.func.now() - timedelta(seconds=AGAIN_SECONDS)
            due = sa.or_(table.c.published_at.is_(None), table.c.published_at < again)
            oldest = sa.select(table).where(due).order_by(table.c.id).limit(BATCH_ROWS)
            rows = (await session.execute(oldest)).all()
            for (stream, traceparent), run in itertools.groupby(rows, key=lambda row: (row.stream, row.traceparent)):
                writer = StreamWriter(self._redis, stream, self._maxlen.get(stream, DEFAULT_MAXLEN))
                traces = () if traceparent is None else (traceparent,)
                # Neighbours of one stream: order within a stream stays, and so does order between streams.
                await writer.append_many([row.entry for row in run], traces)
            done = [row.id for row in rows if row.event_id is None]
            kept = [row.id for row in rows if row.event_id is not None]
            if done:
                await session.execute(sa.delete(table).where(table.c.id.in_(done)))
            if kept:
                await session.execute(sa.update(table).where(table.c.id.in_(kept)).values(published_at=sa.func.now()))
        return len(rows)

    async def forget_stored(self) -> int:
        """Delete the rows of audit events that the log has; return how many. Without its view that is none."""
        table = self._table
        published = sa.select(table.c.event_id).where(table.c.published_at.is_not(None)).limit(BATCH_ROWS)
        try:
            async with self._db.transaction() as session:
                ids = list(await session.scalars(published.order_by(table.c.id)))
                stored = list(await session.scalars(_STORED, {"ids": ids})) if ids else []
                if stored:
                    await session.execute(sa.delete(table).where(table.c.event_id.in_(stored)))
        except ProgrammingError as error:
            if not self._is_log_hidden:
                _log.warning("audit_log_not_readable", reason=str(error.orig))
            self._is_log_hidden = True
            return 0
        self._is_log_hidden = False
        return len(stored)

    async def _run(self, stop: asyncio.Event) -> None:
        backoff = Backoff(0.2, 5.0)
        while not stop.is_set():
            try:
                await self._publish_all()
                self._note(is_down=False)
                backoff.reset()
                delay = POLL_SECONDS
            except UnavailableError as error:
                self._note(is_down=True, detail=error.message)
                delay = backoff.next_delay()
            await self._pause(stop, delay)
        try:
            await self._publish_all()
        except UnavailableError as error:
            _log.warning("outbox_left_for_next_start", detail=error.message)

    async def _publish_all(self) -> None:
        self._wake.clear()
        while await self.publish_pending() == BATCH_ROWS:
            pass
        if time.monotonic() - self._looked_at >= POLL_SECONDS:
            while await self.forget_stored() == BATCH_ROWS:
                pass
            self._looked_at = time.monotonic()

    async def _pause(self, stop: asyncio.Event, seconds: float) -> None:
        waits = {asyncio.ensure_future(stop.wait())}
        if not self._is_down:
            waits.add(asyncio.ensure_future(self._wake.wait()))
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _note(self, *, is_down: bool, detail: str | None = None) -> None:
        if is_down and not self._is_down:
            _log.warning("outbox_publishing_paused", detail=detail)
        elif self._is_down and not is_down:
            _log.info("outbox_publishing_resumed")
        self._is_down = is_down
