"""Commands for whoever reads them, within the reader's scope."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.elements import ColumnElement

from pulse_commands.domain.command import Batch, Command, Refused, Step
from pulse_commands.domain.queries import CommandFilter, Page
from pulse_commands.storage.command_rows import COMMAND_COLUMNS, command_of, step_of
from pulse_commands.storage.directory import PostgresDirectory, in_scope
from pulse_commands.storage.tables import batches, capabilities, command_events, commands, refusals
from pulse_commands.use_cases.ports import Caller, Declaration, Refusal, RefusalCount
from pulse_contracts.commands import CommandSpec, CommandState


async def declarations(session: AsyncSession, device_ids: Collection[str]) -> dict[str, Declaration]:
    """Return what these devices declared, by id."""
    query = sa.select(capabilities).where(capabilities.c.device_id.in_(list(device_ids)))
    return {
        row.device_id: Declaration(tuple(CommandSpec.model_validate(spec) for spec in row.specs), row.reported_at)
        for row in await session.execute(query)
    }


class PostgresCommandReads:
    """A `CommandReads` on one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @cached_property
    def directory(self) -> PostgresDirectory:
        """Rights and devices."""
        return PostgresDirectory(self._session)

    async def declarations(self, device_ids: Collection[str]) -> dict[str, Declaration]:
        """Return what these devices declared."""
        return await declarations(self._session, device_ids)

    async def page(self, caller: Caller, wanted: CommandFilter, page: Page) -> list[tuple[int, Command]]:
        """Return a page, newest first."""
        query = (
            sa.select(*COMMAND_COLUMNS)
            .where(in_scope("commands.command.device_id", caller), *_conditions(wanted))
            .order_by(commands.c.seq.desc())
            .limit(page.limit)
        )
        if page.cursor is not None:
            query = query.where(commands.c.seq < page.cursor)
        return [(row.seq, command_of(row)) for row in await self._session.execute(query)]

    async def one(self, caller: Caller, command_id: UUID) -> Command | None:
        """Return a command in scope."""
        query = sa.select(*COMMAND_COLUMNS).where(
            commands.c.id == command_id, in_scope("commands.command.device_id", caller)
        )
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else command_of(row)

    async def steps(self, command_id: UUID) -> list[Step]:
        """Return a command's steps."""
        query = (
            sa.select(command_events).where(command_events.c.command_id == command_id).order_by(command_events.c.seq)
        )
        return [step_of(row) for row in await self._session.execute(query)]

    async def batch(self, caller: Caller, batch_id: UUID) -> Batch | None:
        """Return a batch of the caller, or one with a command in scope; the refused are for the caller alone."""
        row = (await self._session.execute(sa.select(batches).where(batches.c.id == batch_id))).one_or_none()
        if row is None:
            return None
        query = (
            sa.select(commands.c.state, sa.func.count().label("number"))
            .where(commands.c.batch_id == batch_id, in_scope("commands.command.device_id", caller))
            .group_by(commands.c.state)
        )
        counts = {CommandState(found.state): found.number for found in await self._session.execute(query)}
        is_own = row.actor_id == caller.user_id
        if not counts and not is_own:
            return None
        refused = tuple(Refused(**one) for one in row.refused) if is_own else ()
        return Batch(row.id, row.actor_id, row.actor_name, row.name, row.created_at, refused, counts)

    async def batch_commands(self, batch_id: UUID) -> list[Command]:
        """Return all commands of a batch."""
        query = sa.select(*COMMAND_COLUMNS).where(commands.c.batch_id == batch_id).order_by(commands.c.seq)
        return [command_of(row) for row in await self._session.execute(query)]

    async def refusals(self, caller: Caller, device_id: str | None, page: Page) -> list[RefusalCount]:
        """Return a page of refusals of devices in scope, newest first."""
        query = (
            sa.select(refusals)
            .where(in_scope("commands.refusal.device_id", caller))
            .order_by(refusals.c.id.desc())
            .limit(page.limit)
        )
        if device_id is not None:
            query = query.where(refusals.c.device_id == device_id)
        if page.cursor is not None:
            query = query.where(refusals.c.id < page.cursor)
        return [_refusal(row) for row in await self._session.execute(query)]


def _conditions(wanted: CommandFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.device_id is not None:
        found.append(commands.c.device_id == wanted.device_id)
    if wanted.states:
        found.append(commands.c.state.in_([state.value for state in wanted.states]))
    if wanted.name is not None:
        found.append(commands.c.name == wanted.name)
    if wanted.batch_id is not None:
        found.append(commands.c.batch_id == wanted.batch_id)
    if wanted.actor_id is not None:
        found.append(commands.c.actor_id == wanted.actor_id)
    if wanted.start is not None:
        found.append(commands.c.created_at >= wanted.start)
    if wanted.end is not None:
        found.append(commands.c.created_at < wanted.end)
    return found


def _refusal(row: sa.Row[Any]) -> RefusalCount:
    last = Refusal(row.device_id, row.side, row.code, row.detail, row.last_at, row.jti)
    return RefusalCount(row.id, last, row.first_at, row.times)
