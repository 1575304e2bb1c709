"""Writes configuration to PostgreSQL: table, history, change log and outbox in one transaction."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_chassis import outbox
from pulse_chassis.database import Database, pool_outages_as_unavailable
from pulse_contracts.audit import AuditEvent
from pulse_contracts.operations import OperationOutcome
from pulse_contracts.streams import AUDIT_STREAM, CONFIG_STREAM
from pulse_contracts.sync import AppliedConfig
from pulse_sync.domain.config_entries import ConfigEntry, ConfigKey
from pulse_sync.domain.rows import LogRow
from pulse_sync.storage.change_log import append
from pulse_sync.storage.config_registry import PostgresConfigRegistry
from pulse_sync.storage.config_rows import ENTRY_COLUMNS, ONE_ENTRY, entry_of, read_keys
from pulse_sync.storage.gathering import Gathered, in_rounds
from pulse_sync.use_cases.ports import Pokes, StateNews

_LOCK: Final = text("select pg_advisory_xact_lock(hashtextextended('sync.config:' || :name, 0))")
_LOCK_SHARED: Final = text("select pg_advisory_xact_lock_shared(hashtextextended('sync.config:' || :name, 0))")
_ENTRIES_OF_KEY: Final = text(
    f"select {ENTRY_COLUMNS} from sync.config_entry c where c.key = :key and not c.is_deleted order by c.id"  # noqa: S608
)
_WRITE_ENTRIES: Final = text("""
insert into sync.config_entry (id, scope, target, key, value, version, stamp, updated_by, source, is_deleted)
values (:id, :scope, :target, :key, cast(:value as jsonb), :version, :stamp, :updated_by, :source, :is_deleted)
on conflict (id) do update set value = excluded.value, version = excluded.version, stamp = excluded.stamp,
    updated_by = excluded.updated_by, source = excluded.source, is_deleted = excluded.is_deleted
""")
_WRITE_HISTORY: Final = text("""
insert into sync.config_history (entry_id, version, before, after, stamp, at, updated_by, source)
values (:id, :version, cast(:before as jsonb), cast(:value as jsonb), :stamp, :at, :updated_by, :source)
""")
_WRITE_KEY: Final = text("""
insert into sync.config_key (key, spec, version, updated_at, updated_by)
values (:key, cast(:spec as jsonb), :version, :updated_at, :updated_by)
on conflict (key) do update set spec = excluded.spec, version = excluded.version, updated_at = excluded.updated_at,
    updated_by = excluded.updated_by
""")
_DELETE_KEY: Final = text("delete from sync.config_key where key = :key")
_ANSWER: Final = text(
    "select desktop_id, cast(outcome as text) as outcome from sync.config_operation where op_id = :op_id"
)
_KEEP_ANSWER: Final = text("""
insert into sync.config_operation (op_id, desktop_id, op_no, outcome, at)
values (:op_id, :desktop_id, :op_no, cast(:outcome as jsonb), :at)
""")
_NOTE_APPLIED: Final = """
insert into sync.applied_config as a (desktop_id, entry_id, version, error, at)
select g.desktop_id, g.id, max(g.version), max(g.error), max(g.at)
from unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::timestamptz[])
    as g(desktop_id, id, version, error, at)
join sync.config_entry c on c.id = g.id
group by g.desktop_id, g.id order by g.desktop_id, g.id
on conflict (desktop_id, entry_id) do update set version = excluded.version, error = excluded.error, at = excluded.at
where (a.version, a.error) is distinct from (excluded.version, excluded.error)
"""
_MAX_VERSION: Final = 2**31 - 1


class PostgresConfigUnit:
    """Implements `ConfigUnit` on one database session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self.registry = PostgresConfigRegistry(session)
        self.written: list[LogRow] = []
        """For the change log, at the end."""
        self.written_at: datetime | None = None

    async def lock_key(self, key: str, *, is_shared: bool) -> None:
        """Keep a key as it is until the end."""
        await self._session.execute(_LOCK_SHARED if is_shared else _LOCK, {"name": f"key:{key}"})

    async def lock_entry(self, entry_id: str) -> None:
        """Have an entry for oneself until the end."""
        await self._session.execute(_LOCK, {"name": f"entry:{entry_id}"})

    async def keys(self) -> Mapping[str, ConfigKey]:
        """Return every key."""
        return await read_keys(self._session)

    async def entry(self, entry_id: str) -> ConfigEntry | None:
        """Return an entry, also a deleted one."""
        row = (await self._session.execute(ONE_ENTRY, {"id": entry_id})).one_or_none()
        return None if row is None else entry_of(row)

    async def entries_of_key(self, key: str) -> Sequence[ConfigEntry]:
        """Return the entries of a key that are not deleted."""
        return [entry_of(row) for row in await self._session.execute(_ENTRIES_OF_KEY, {"key": key})]

    async def write(self, changes: Sequence[tuple[ConfigEntry | None, ConfigEntry]], at: datetime) -> None:
        """Write entries with their history and their news."""
        rows = [_row(before, after, at) for before, after in changes]
        await self._session.execute(_WRITE_ENTRIES, rows)
        await self._session.execute(_WRITE_HISTORY, rows)
        self.written += [after.log_row() for _, after in changes]
        self.written_at = at
        await outbox.append_many(self._session, CONFIG_STREAM, [after.changed_event() for _, after in changes])

    async def write_key(self, key: ConfigKey) -> None:
        """Write a custom key."""
        given = {
            "key": key.key,
            "spec": key.spec.model_dump_json(),
            "version": key.version,
            "updated_at": key.updated_at,
            "updated_by": key.updated_by,
        }
        await self._session.execute(_WRITE_KEY, given)

    async def delete_key(self, key: str) -> None:
        """Remove a custom key."""
        await self._session.execute(_DELETE_KEY, {"key": key})

    async def tell_audit(self, event: AuditEvent) -> None:
        """Tell the audit log."""
        await outbox.append(self._session, AUDIT_STREAM, event)

    async def answer_of(self, op_id: UUID) -> tuple[str, OperationOutcome] | None:
        """Return the desktop and the outcome of an operation."""
        await self._session.execute(_LOCK, {"name": f"operation:{op_id}"})
        row = (await self._session.execute(_ANSWER, {"op_id": op_id})).one_or_none()
        return None if row is None else (row.desktop_id, OperationOutcome.model_validate_json(row.outcome))

    async def keep_answer(self, desktop_id: str, outcome: OperationOutcome, at: datetime) -> None:
        """Keep an outcome."""
        given = {"op_id": outcome.op_id, "desktop_id": desktop_id, "op_no": outcome.op_no, "at": at}
        await self._session.execute(_KEEP_ANSWER, {**given, "outcome": outcome.model_dump_json()})


class PostgresConfigStore:
    """Implements `ConfigStore`."""

    def __init__(self, database: Database, pokes: Pokes, news: StateNews) -> None:
        self._database = database
        self._pokes = pokes
        self._news = news

    @asynccontextmanager
    async def work(self) -> AsyncIterator[PostgresConfigUnit]:
        """Give a transaction."""
        cursor: int | None = None
        async with self._database.transaction() as session:
            unit = PostgresConfigUnit(session)
            yield unit
            if unit.written_at is not None:
                # Last, because from here on until the commit nobody else writes to the log.
                cursor = await append(session, unit.written, unit.written_at)
        if cursor is not None:
            self._pokes.touch({"config"}, cursor)
            self._news.note_log()


_Applied = tuple[str, str, int, str | None, datetime]
"""Desktop, entry, version, error, when."""


class PostgresAppliedBook:
    """Implements `AppliedBook`: one statement for all desktops that wait."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool
        self._noted = Gathered(self._note)

    async def note(self, desktop_id: str, applied: Sequence[AppliedConfig], at: datetime) -> None:
        """Note what a desktop made of its entries; of entries that never were nothing is kept."""
        fit = [given for given in applied if 0 < given.version <= _MAX_VERSION and "\x00" not in given.id]
        if fit:
            await self._noted([_applied(desktop_id, one, at) for one in fit])

    async def _note(self, notes: Sequence[list[_Applied]]) -> list[None]:
        for part in in_rounds(notes, lambda note: note[0][0]):
            columns = zip(*(one for note in part for one in note), strict=True)
            async with pool_outages_as_unavailable():
                await self._pool.execute(_NOTE_APPLIED, *columns)
        return [None] * len(notes)


def _applied(desktop_id: str, one: AppliedConfig, at: datetime) -> _Applied:
    return desktop_id, one.id, one.version, None if one.error is None else one.error.replace("\x00", ""), at


def _row(before: ConfigEntry | None, after: ConfigEntry, at: datetime) -> dict[str, Any]:
    return {
        "id": after.id,
        "scope": after.address.scope.value,
        "target": after.address.target,
        "key": after.address.key,
        "before": None if before is None or before.is_deleted else json.dumps(before.value),
        "value": None if after.is_deleted else json.dumps(after.value),
        "version": after.version,
        "stamp": after.stamp,
        "updated_by": after.updated_by,
        "source": after.source,
        "is_deleted": after.is_deleted,
        "at": at,
    }
