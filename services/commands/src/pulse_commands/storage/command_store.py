"""Commands in PostgreSQL: one transaction that changes them (`CommandUnit`), and `Work`, which begins transactions.

Rows are locked in the order of their ids, so that transactions that want the same ones take turns.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cached_property
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_chassis import outbox
from pulse_chassis.database import Database
from pulse_chassis.errors import ConflictError
from pulse_commands.domain.asking import Patience
from pulse_commands.domain.command import Batch, Changed, Command
from pulse_commands.domain.life import OPEN
from pulse_commands.domain.specifications import needed_permissions
from pulse_commands.storage.command_reads import PostgresCommandReads, declarations
from pulse_commands.storage.command_rows import COMMAND_COLUMNS, announced, changing, command_of, new_row, step_row
from pulse_commands.storage.directory import PostgresDirectory
from pulse_commands.storage.tables import batches, capabilities, command_events, commands, refusals
from pulse_commands.use_cases.ports import CommandReads, CommandUnit, Declaration, Due, Moment, Refusal, Turn
from pulse_contracts.audit import AuditEvent
from pulse_contracts.commands import CommandState
from pulse_contracts.streams import AUDIT_STREAM, COMMANDS_STREAM

_OPEN: Final = "('" + "', '".join(state.value for state in OPEN) + "')"
_TAKE_TURNS: Final = sa.text("""
insert into commands.device_counter as held (device_id, counter)
select device_id, cast(:floor as bigint) from unnest(cast(:device_ids as text[])) as device_id order by device_id
on conflict (device_id) do update set counter = greatest(held.counter + 1, excluded.counter)
returning device_id, counter
""")
_WAITING: Final = sa.text(f"""
select device_id, count(*) as waiting from commands.command
where device_id = any(cast(:device_ids as text[])) and state in {_OPEN} group by device_id
""")  # noqa: S608 -- our own states
# Of each device that is there the first open command, and those unknown ones that it is still asked for. A device that
# came, or a broker that came back, since a command was published has perhaps never got it.
_DUE: Final = f"""
select h.id, h.device_id, h.token, h.expires_at, h.published_at
from telemetry.device_status s
cross join lateral (
    select c.id, c.device_id, c.token, c.expires_at, c.published_at, c.ask_at from commands.command c
    where c.device_id = s.client_id and c.state in {_OPEN} order by c.counter limit 1
) h
where s.status = 'ONLINE' and {{devices}} and {{is_time}}
union all
select h.id, h.device_id, h.token, h.expires_at, h.published_at
from commands.command h join telemetry.device_status s on s.client_id = h.device_id and s.status = 'ONLINE'
where h.ask_until > :now and {{devices}} and {{is_time}}
limit :most
"""  # noqa: S608 -- our own states
_IS_TIME: Final = (
    "(h.published_at is null or h.ask_at <= :now"
    " or (h.published_at < :long_ago and (h.published_at < s.since or h.published_at < :connected_at)))"
)
_DUE_ANYWHERE: Final = sa.text(_DUE.format(devices="true", is_time=_IS_TIME))
_DUE_OF: Final = sa.text(_DUE.format(devices="s.client_id = any(cast(:device_ids as text[]))", is_time=_IS_TIME))
_SENDERS: Final = sa.text("""
select c.id, c.name, u.permissions,
       coalesce('devices:all' = any(u.permissions) or a.level in ('control', 'owner'), false) as has_access
from commands.command c
left join identity.user_authority u on u.user_id = c.actor_id and u.is_active
left join identity.device_access a on a.user_id = c.actor_id and a.device_id = c.device_id
where c.id = any(cast(:ids as uuid[]))
""")
_NOTE_REFUSAL: Final = sa.text("""
insert into commands.refusal as held (device_id, side, code, minute, first_at, last_at, detail, jti)
values (:device_id, :side, :code, :minute, :at, :at, :detail, :jti)
on conflict (device_id, side, code, minute) do update
set times = held.times + 1, last_at = excluded.last_at, detail = excluded.detail, jti = excluded.jti
returning times
""")


class PostgresCommandUnit:
    """A `CommandUnit` on one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @cached_property
    def directory(self) -> PostgresDirectory:
        """Rights and devices."""
        return PostgresDirectory(self._session)

    async def declarations(self, device_ids: Collection[str]) -> dict[str, Declaration]:
        """Return what these devices declared."""
        return await declarations(self._session, device_ids)

    async def declare(self, device_id: str, declaration: Declaration) -> None:
        """Replace what a device declared."""
        fields = {
            "specs": [spec.model_dump(mode="json") for spec in declaration.specs],
            "reported_at": declaration.reported_at,
        }
        statement = insert(capabilities).values(device_id=device_id, **fields)
        await self._session.execute(statement.on_conflict_do_update(index_elements=["device_id"], set_=fields))

    async def earlier_batch(self, digest: bytes, since: datetime) -> UUID | None:
        """Return the batch that the same request made since then; one from before is forgotten."""
        ours = batches.c.request_digest == digest
        await self._session.execute(
            sa.update(batches).where(ours, batches.c.created_at < since).values(request_digest=None)
        )
        found: UUID | None = await self._session.scalar(sa.select(batches.c.id).where(ours))
        return found

    async def take_turns(self, device_ids: Collection[str], floor: int) -> dict[str, Turn]:
        """Count up and hold the devices' turns."""
        asked = {"device_ids": list(device_ids)}
        counters = (await self._session.execute(_TAKE_TURNS, {**asked, "floor": floor})).all()
        # Counted behind the lock: what was committed while we waited for it is in.
        waiting = {row.device_id: row.waiting for row in await self._session.execute(_WAITING, asked)}
        return {row.device_id: Turn(row.counter, waiting.get(row.device_id, 0)) for row in counters}

    async def add(self, batch: Batch, digest: bytes | None, added: Sequence[tuple[Changed, str]]) -> None:
        """Add a batch with its commands. Raises ConflictError when the same request is being made elsewhere."""
        refused = [
            {"device_id": one.device_id, "code": one.code, "detail": one.detail, "field": one.field}
            for one in batch.refused
        ]
        values = {
            "id": batch.id,
            "actor_id": batch.actor_id,
            "actor_name": batch.actor_name,
            "name": batch.name,
            "created_at": batch.created_at,
            "refused": refused,
            "request_digest": digest,
        }
        try:
            async with self._session.begin_nested():
                await self._session.execute(sa.insert(batches).values(**values))
        except IntegrityError as error:
            message = "the same request is under way"
            raise ConflictError(message, code="idempotent_request_in_flight", retry_after=1.0) from error
        await self._session.execute(sa.insert(commands), [new_row(changed.command, token) for changed, token in added])
        await self._tell([changed for changed, _ in added])

    async def locked(self, ids: Collection[UUID], *, skip: bool = False) -> dict[UUID, Command]:
        """Return these commands, held until the transaction ends."""
        if not ids:
            return {}
        query = sa.select(*COMMAND_COLUMNS).where(commands.c.id.in_(list(ids))).order_by(commands.c.id)
        rows = await self._session.execute(query.with_for_update(skip_locked=skip))
        return {row.id: command_of(row) for row in rows}

    async def save(self, changes: Sequence[Changed]) -> None:
        """Write changed commands and their steps."""
        if not changes:
            return
        rows = [{"key": changed.command.id, **changing(changed.command)} for changed in changes]
        names = [name for name in rows[0] if name != "key"]
        statement = sa.update(commands).where(commands.c.id == sa.bindparam("key"))
        await self._session.execute(statement.values({name: sa.bindparam(name) for name in names}), rows)
        await self._tell(changes)

    async def due(self, moment: Moment, device_ids: Collection[str] | None, limit: int) -> list[Due]:
        """Return what is to be published to devices that are there."""
        asked: dict[str, Any] = {
            "now": moment.now,
            "connected_at": moment.connected_at,
            "long_ago": moment.now - moment.retry,
            "most": limit,
        }
        if device_ids is None:
            rows = await self._session.execute(_DUE_ANYWHERE, asked)
        else:
            rows = await self._session.execute(_DUE_OF, {**asked, "device_ids": list(device_ids)})
        return [Due(row.id, row.device_id, row.token, row.expires_at, row.published_at) for row in rows]

    async def barred(self, ids: Collection[UUID]) -> set[UUID]:
        """Return those of these commands whose sender may not send them any more."""
        if not ids:
            return set()
        rows = await self._session.execute(_SENDERS, {"ids": list(ids)})
        return {
            row.id
            for row in rows
            if not row.has_access or not {*needed_permissions(row.name)} <= {*(row.permissions or ())}
        }

    async def overdue(self, now: datetime, patience: Patience, limit: int) -> list[Command]:
        """Return, held, the open commands whose time is over."""
        state, expires_at = commands.c.state, commands.c.expires_at
        last_word = sa.func.greatest(expires_at, sa.func.coalesce(commands.c.heard_at, expires_at))
        is_over = sa.or_(
            state == CommandState.QUEUED.value,
            sa.and_(
                state.in_([CommandState.PUBLISHED.value, CommandState.RECEIVED.value]),
                expires_at <= now - patience.grace,
            ),
            sa.and_(state == CommandState.STARTED.value, last_word <= now - patience.silence),
        )
        query = (
            sa.select(*COMMAND_COLUMNS)
            .where(sa.text(f"state in {_OPEN}"), expires_at <= now, is_over)
            .order_by(commands.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return [command_of(row) for row in await self._session.execute(query)]

    async def note_refusals(self, noted: Sequence[Refusal]) -> list[Refusal]:
        """Count refusals; return those that are the first of their kind within their minute."""
        fresh = []
        # In one order, so that two who note the same kinds take turns.
        for refusal in sorted(noted, key=lambda one: (one.device_id, one.side, one.code)):
            times = await self._session.scalar(
                _NOTE_REFUSAL,
                {
                    "device_id": refusal.device_id,
                    "side": refusal.side,
                    "code": refusal.code,
                    "minute": refusal.at.replace(second=0, microsecond=0),
                    "at": refusal.at,
                    "detail": refusal.detail,
                    "jti": refusal.jti,
                },
            )
            if times == 1:
                fresh.append(refusal)
        return fresh

    async def tell_audit(self, events: Sequence[AuditEvent]) -> None:
        """Tell the audit log."""
        await outbox.append_many(self._session, AUDIT_STREAM, events)

    async def forget(self, commands_before: datetime, refusals_before: datetime, limit: int) -> int:
        """Delete ended commands and refusals that are older, and batches that have no command left."""
        ended = sa.text(f"state not in {_OPEN}")
        old = (
            sa.select(commands.c.id)
            .where(commands.c.created_at < commands_before, ended)
            .order_by(commands.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        gone = await self._session.execute(
            sa.delete(commands).where(commands.c.id.in_(old)).returning(commands.c.batch_id)
        )
        batch_ids = list(gone.scalars())
        left = sa.select(commands.c.batch_id).where(commands.c.batch_id == batches.c.id)
        await self._session.execute(sa.delete(batches).where(batches.c.id.in_(set(batch_ids)), ~left.exists()))
        stale = (
            sa.select(refusals.c.id)
            .where(refusals.c.last_at < refusals_before)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = await self._session.execute(sa.delete(refusals).where(refusals.c.id.in_(stale)).returning(refusals.c.id))
        return len(batch_ids) + len(rows.all())

    async def _tell(self, changes: Sequence[Changed]) -> None:
        steps = [step_row(step) for changed in changes for step in changed.steps]
        if steps:
            await self._session.execute(sa.insert(command_events), steps)
            events = [event for changed in changes for event in announced(changed)]
            await outbox.append_many(self._session, COMMANDS_STREAM, events)


class PostgresWork:
    """A `Work`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def change(self) -> AsyncIterator[CommandUnit]:
        """Give a transaction; it commits at the end of the block."""
        async with self._database.transaction() as session:
            yield PostgresCommandUnit(session)

    @asynccontextmanager
    async def look(self) -> AsyncIterator[CommandReads]:
        """Give a view that cannot write."""
        async with self._database.read() as session:
            yield PostgresCommandReads(session)
