"""The audit log in PostgreSQL.

One appender at a time (advisory lock) continues the chain from what was signed last, never from what merely stands last:
rows that somebody cut off stay missing, rows that somebody added stay outside of the chain.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_chassis import outbox
from pulse_chassis.clock import Clock
from pulse_chassis.database import Database
from pulse_chassis.logging import get_logger
from pulse_contracts.audit import AuditEvent, AuditWritten
from pulse_contracts.streams import AUDIT_LOG_STREAM, MAX_ENTRY_BYTES
from pulse_identity.domain.audit_chain import (
    START,
    AuditFilter,
    AuditRow,
    Checkpoint,
    Link,
    checkpoint_payload,
    extend,
)
from pulse_identity.storage.audit_tables import audit_checkpoints, audit_head, audit_log
from pulse_identity.use_cases.audit_ports import CheckpointSigner

CHECKPOINT_ROWS: Final = 1_000
CHECKPOINT_SECONDS: Final = 300.0
WALK_ROWS: Final = 2_000
_ALL_OF_A_THING: Final = ".*"
_LOCK: Final = sa.text("select pg_advisory_xact_lock(hashtextextended('identity:audit', 0))")
_NAMES: Final = (
    "event_id", "at", "service", "actor_kind", "actor_id", "actor_name", "action", "resource_type", "resource_id",
    "outcome",
)  # fmt: skip
_log = get_logger("audit_log")


class PostgresAuditLog:
    """An `AuditLog`."""

    def __init__(self, database: Database, signer: CheckpointSigner, clock: Clock) -> None:
        self._database = database
        self._signer = signer
        self._clock = clock

    async def append(self, events: Sequence[AuditEvent]) -> int:
        """Add those that are not there yet, in this order; return how many."""
        if not events:
            return 0
        async with self._database.transaction() as session:
            await session.execute(_LOCK)
            ids = [event.id for event in events]
            known = set(await session.scalars(sa.select(audit_log.c.event_id).where(audit_log.c.event_id.in_(ids))))
            rows = extend(await self._end(session), [event for event in events if event.id not in known])
            if rows:
                await session.execute(sa.insert(audit_log), [_values(row) for row in rows])
                await self._sign(session, rows)
                await outbox.append_many(session, AUDIT_LOG_STREAM, [_written(row) for row in rows])
        return len(rows)

    async def page(self, wanted: AuditFilter, before: int | None, limit: int) -> list[AuditRow]:
        """Return matching rows below number `before`, newest first."""
        conditions = _conditions(wanted)
        if before is not None:
            conditions.append(audit_log.c.seq < before)
        query = sa.select(audit_log).where(*conditions).order_by(audit_log.c.seq.desc()).limit(limit)
        async with self._database.read() as session:
            return [_row(row) for row in await session.execute(query)]

    async def walk(self) -> AsyncGenerator[AuditRow, None]:
        """Give all rows in order, in a bounded amount of memory, as of one moment."""
        async with self._database.read() as session:
            # By number, not by place: a row whose number somebody lowered below 1 is not skipped either.
            query = sa.select(audit_log).order_by(audit_log.c.seq).limit(WALK_ROWS)
            rows = (await session.execute(query)).all()
            while rows:
                for row in rows:
                    yield _row(row)
                rows = (await session.execute(query.where(audit_log.c.seq > rows[-1].seq))).all()

    async def checkpoints(self) -> list[Checkpoint]:
        """Return all checkpoints, oldest first."""
        async with self._database.read() as session:
            rows = await session.execute(sa.select(audit_checkpoints).order_by(audit_checkpoints.c.seq))
            return [_checkpoint(row) for row in rows]

    async def head(self) -> Checkpoint | None:
        """Return the head; None when nothing was ever written."""
        async with self._database.read() as session:
            return await _head(session)

    async def _end(self, session: AsyncSession) -> Link:
        """Return the place to go on from: what was signed last, behind whatever rows there are.

        Rows beyond it are not ours: they stay, and the chain visibly does not go through them.
        """
        anchor = START
        for signed in (await _head(session), await _newest_checkpoint(session)):
            if signed is not None and self._signer.is_ours(signed.payload(), signed.signature):
                anchor = signed.link
                break
        last = await session.scalar(sa.select(sa.func.max(audit_log.c.seq))) or 0
        if last != anchor.seq:
            _log.critical("audit_log_does_not_end_where_it_was_signed", last_row=last, signed_row=anchor.seq)
        return Link(max(last, anchor.seq), anchor.digest)

    async def _sign(self, session: AsyncSession, rows: Sequence[AuditRow]) -> None:
        now = self._clock.now()
        signed = {}
        for link in self._due(rows, await _newest_checkpoint(session)):
            signed[link] = self._signer.sign(checkpoint_payload(link, now))
        if signed:
            values = [
                {"seq": link.seq, "digest": link.digest, "at": now, "signature": signature}
                for link, signature in signed.items()
            ]
            # A place that is signed already stays as it is.
            await session.execute(insert(audit_checkpoints).on_conflict_do_nothing(), values)
            _log.info("audit_checkpoint_signed", seq=max(link.seq for link in signed), digest=rows[-1].digest.hex())
        end = rows[-1].link
        values_now: dict[str, Any] = {
            "seq": end.seq,
            "digest": end.digest,
            "at": now,
            "signature": signed.get(end) or self._signer.sign(checkpoint_payload(end, now)),
        }
        upsert = insert(audit_head).values(is_only=True, **values_now)
        await session.execute(upsert.on_conflict_do_update(index_elements=["is_only"], set_=values_now))

    def _due(self, rows: Sequence[AuditRow], newest: Checkpoint | None) -> list[Link]:
        """Return the places among these rows that become checkpoints: by number, and the last one by time."""
        due = [row.link for row in rows if row.seq % CHECKPOINT_ROWS == 0]
        is_old = newest is None or (self._clock.now() - newest.at).total_seconds() >= CHECKPOINT_SECONDS
        if is_old and rows[-1].link not in due:
            due.append(rows[-1].link)
        return due


def _conditions(wanted: AuditFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    column = audit_log.c
    if wanted.actor is not None:
        conditions.append(sa.or_(column.actor_id == wanted.actor, column.actor_name == wanted.actor))
    if wanted.action is not None and wanted.action.endswith(_ALL_OF_A_THING):
        conditions.append(column.action.startswith(wanted.action[:-1], autoescape=True))
    elif wanted.action is not None:
        conditions.append(column.action == wanted.action)
    if wanted.resource is not None:
        kind, has_id, identifier = wanted.resource.partition(":")
        conditions.append(column.resource_type == kind)
        if has_id:
            conditions.append(column.resource_id == identifier)
    if wanted.outcome is not None:
        conditions.append(column.outcome == wanted.outcome.value)
    if wanted.start is not None:
        conditions.append(column.at >= wanted.start)
    if wanted.end is not None:
        conditions.append(column.at < wanted.end)
    return conditions


async def _head(session: AsyncSession) -> Checkpoint | None:
    row = (await session.execute(sa.select(audit_head))).one_or_none()
    return None if row is None else _checkpoint(row)


async def _newest_checkpoint(session: AsyncSession) -> Checkpoint | None:
    query = sa.select(audit_checkpoints).order_by(audit_checkpoints.c.seq.desc()).limit(1)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _checkpoint(row)


def _checkpoint(row: sa.Row[Any]) -> Checkpoint:
    return Checkpoint(Link(row.seq, bytes(row.digest)), row.at, bytes(row.signature))


def _written(row: AuditRow) -> AuditWritten:
    told = AuditWritten(**row.event().model_dump(), seq=row.seq, digest=row.digest.hex())
    # The entry is ASCII, and so its length in bytes; the number and the digest come on top.
    if len(row.entry) <= MAX_ENTRY_BYTES - 256:
        return told
    return told.model_copy(update={"before": None, "after": None, "is_cut": True})


def _values(row: AuditRow) -> dict[str, Any]:
    shown = dict(zip(_NAMES, row.shown, strict=True))
    return {"seq": row.seq, "entry": row.entry, "previous": row.previous, "digest": row.digest, **shown}


def _row(row: sa.Row[Any]) -> AuditRow:
    shown = tuple(getattr(row, name) for name in _NAMES)
    return AuditRow(row.seq, row.entry, bytes(row.previous), bytes(row.digest), shown)
