"""The change log in PostgreSQL: rows get their cursors here, one writer at a time, in commit order and without gaps.

`append` is for whoever owns rows in this database (config): in their own transaction, so that entry and cursor are
committed together. The writer's turn is an advisory lock that ends with the transaction; head and rows become visible
together, so whoever reads head `n` sees every row up to `n`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_chassis.database import Database
from pulse_contracts.stamps import Stamp
from pulse_sync.domain.revocations import RevocationDraft
from pulse_sync.domain.rows import LogRow, RowKey
from pulse_sync.storage.published_views import unpublished_as_unavailable
from pulse_sync.storage.scope_statements import ADD_DESKTOPS, FORGET_DESKTOPS, RESCOPE, RESCOPE_ROW, RESCOPE_ROWS
from pulse_sync.use_cases.ports import LogWriter, Rescoped

MANY_ROWS: Final = 1_000
"""After so many rows at once their statistics are taken anew: with those of before, each page would read a whole scope."""
_TURN: Final = text("select pg_advisory_xact_lock(hashtextextended('sync.change_log', 0))")
_HEAD: Final = text("select cursor from sync.head")
_SET_HEAD: Final = text("update sync.head set cursor = :cursor")
_CANONICAL: Final = text(
    "select array_agg(cast(cast(f as jsonb) as text) order by n)"
    " from unnest(cast(:fields as text[])) with ordinality as g(f, n)"
)
_COLUMNS: Final = "entity, id, version, updated_at, updated_by, source, cast(fields as text) as fields, revoked"
_SOURCE: Final = text(
    f"select {_COLUMNS} from identity.synced_row where entity = :entity and id = any(cast(:ids as text[]))"  # noqa: S608
)
_HELD: Final = text(
    "select cast(entity as text) as entity, id, version, stamp as updated_at, updated_by, source, is_deleted,"
    " cast(fields as text) as fields from sync.entry"
    " where entity = cast(:entity as sync.entity) and id = any(cast(:ids as text[]))"
)
# A version counts every change of people and roles, so their fields, which cost identity's view a look at each row's
# members, are not compared; permissions have one version for ever.
_DIFFERING: Final = text("""
select entity, id from (
    select s.entity, s.id from identity.synced_row s
    left join sync.entry e on e.entity = cast(s.entity as sync.entity) and e.id = s.id
    where s.entity <> 'permissions'
      and (e.id is null or e.is_deleted or e.version <> s.version or e.stamp <> s.updated_at)
    union all
    select s.entity, s.id from identity.synced_row s
    left join sync.entry e on e.entity = 'permissions' and e.id = s.id
    where s.entity = 'permissions' and (e.id is null or e.is_deleted or e.fields <> s.fields)
    union all
    select cast(e.entity as text), e.id from sync.entry e
    where e.entity <> 'config' and not e.is_deleted and not exists (
        select from identity.synced_row s where s.entity = cast(e.entity as text) and s.id = e.id
    )
) as found
order by cast(entity as sync.entity), id
limit :limit
""")
_WRITE: Final = text("""
with given as (
    select cast(g.entity as sync.entity) as entity, g.id, :head + g.n as cursor, g.version, g.stamp, g.updated_by,
           g.source, g.is_deleted, cast(g.fields as jsonb) as fields, g.digest
    from unnest(cast(:entities as text[]), cast(:ids as text[]), cast(:versions as int[]), cast(:stamps as text[]),
                cast(:updated_by as text[]), cast(:sources as text[]), cast(:is_deleted as bool[]),
                cast(:fields as text[]), cast(:digests as bigint[]))
         with ordinality as g(entity, id, version, stamp, updated_by, source, is_deleted, fields, digest, n)
),
told as (
    insert into sync.sync_log (direction, entity, row_id, source, status, at)
    select 'web', cast(entity as text), id, source, 'applied', :at from given
    where source = 'web' and :head > 0 order by cursor
)
insert into sync.entry (entity, id, cursor, version, stamp, updated_by, source, is_deleted, fields, digest, changed_at)
select entity, id, cursor, version, stamp, updated_by, source, is_deleted, fields, digest, :at from given
on conflict (entity, id) do update
set cursor = excluded.cursor, version = excluded.version, stamp = excluded.stamp, updated_by = excluded.updated_by,
    source = excluded.source, is_deleted = excluded.is_deleted, fields = excluded.fields, digest = excluded.digest,
    changed_at = excluded.changed_at
""")
_HOLDERS: Final = text(
    "select id from sync.entry where entity = 'users' and not is_deleted and fields -> 'roles' ?| cast(:ids as text[])"
)
_DESKTOPS_OF: Final = text("""
select device_id from identity.device_access where user_id = any(cast(cast(:ids as text[]) as uuid[]))
union
select desktop_id from sync.membership where entity = 'users' and row_id = any(cast(:ids as text[])) and is_member
""")
_REVOKE: Final = text("""
with numbered as (
    update sync.head set revocation_no = revocation_no + cardinality(cast(:users as text[]))
    returning revocation_no - cardinality(cast(:users as text[])) as before
)
insert into sync.revocation (no, desktop_id, user_id, reason, at)
select before + g.n, g.desktop_id, g.user_id, g.reason, :at
from numbered, unnest(cast(:desktops as text[]), cast(:users as text[]), cast(:reasons as text[]))
    with ordinality as g(desktop_id, user_id, reason, n)
""")
_FORGET_LEFT: Final = "delete from sync.membership where not is_member and changed_at < :at returning cursor"
_FORGET_ENDED: Final = (
    "delete from sync.entry e where is_deleted and changed_at < :at and not exists"
    " (select from sync.membership m where m.entity = e.entity and m.row_id = e.id) returning cursor"
)
_FORGET_LOGS: Final = (
    "delete from sync.revocation where at < :at",
    "delete from sync.sync_log where at < :at",
    "delete from sync.config_operation where at < :at",
    "delete from sync.sync_conflict where resolved_at < :at",
)
_HORIZON: Final = text("update sync.head set horizon = greatest(horizon, :cursor)")


async def append(session: AsyncSession, rows: Sequence[LogRow], at: datetime) -> int:
    """Give each row the next cursor, in this order, if and only if the session's transaction commits.

    Returns the newest cursor: poke with it after the commit. Config entries enter the scopes that they belong to.
    Waits for its turn; whoever else appends waits until this transaction ends, so call it last.
    """
    writer = PostgresLogWriter(session)
    await writer.take_turn()
    await writer.append(rows, at)
    await writer.scope_config([row.id for row in rows if row.entity == "config" and not row.is_deleted], at)
    return await writer.head()


class PostgresChangeLog:
    """The `ChangeLog` of production."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[LogWriter]:
        """Give the log to one writer at a time."""
        async with unpublished_as_unavailable(), self._database.transaction() as session:
            writer = PostgresLogWriter(session)
            await writer.take_turn()
            yield writer


class PostgresLogWriter:
    """The `LogWriter` of one session. Every statement handles its rows at once."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def take_turn(self) -> None:
        """Wait until nobody else writes."""
        await self._session.execute(_TURN)

    async def source_rows(self, keys: Collection[RowKey]) -> Mapping[RowKey, LogRow]:
        """Return what identity publishes of these rows."""
        return await self._rows(_SOURCE, keys)

    async def held_rows(self, keys: Collection[RowKey]) -> Mapping[RowKey, LogRow]:
        """Return what the log holds of these rows."""
        return await self._rows(_HELD, keys)

    async def differing(self, limit: int) -> Sequence[RowKey]:
        """Return rows of which the log holds something else than identity has."""
        found = await self._session.execute(_DIFFERING, {"limit": limit})
        return [(row.entity, row.id) for row in found]

    async def append(self, rows: Sequence[LogRow], at: datetime) -> int:
        """Write rows under the next cursors."""
        head = await self.head()
        if not rows:
            return head
        fields = await self._canonical(rows)
        kept = [
            LogRow(r.entity, r.id, r.version, r.stamp, r.updated_by, r.source, json.loads(f), is_deleted=r.is_deleted)
            for r, f in zip(rows, fields, strict=True)
        ]
        await self._session.execute(
            _WRITE,
            {
                "head": head,
                "at": at,
                "entities": [row.entity for row in kept],
                "ids": [row.id for row in kept],
                "versions": [row.version for row in kept],
                "stamps": [row.stamp for row in kept],
                "updated_by": [row.updated_by for row in kept],
                "sources": [row.source for row in kept],
                "is_deleted": [row.is_deleted for row in kept],
                "fields": fields,
                "digests": [row.digest for row in kept],
            },
        )
        await self._session.execute(_SET_HEAD, {"cursor": head + len(rows)})
        await self._note_many(len(rows))
        return head + len(rows)

    async def scope_config(self, ids: Sequence[str], at: datetime) -> None:
        """Let config entries that were just written enter the scopes that they belong to."""
        if not ids:
            return
        cursor = await self.head() + 1
        done = await self._session.execute(text(RESCOPE_ROW), {"ids": list(ids), "cursor": cursor, "at": at})
        if _rows_of(done):
            await self._session.execute(_SET_HEAD, {"cursor": cursor})
        await self._note_many(_rows_of(done))

    async def holders_of(self, role_ids: Collection[str]) -> frozenset[str]:
        """Return the users who hold any of these roles."""
        found = await self._session.scalars(_HOLDERS, {"ids": list(role_ids)})
        return frozenset(found)

    async def desktops_of(self, user_ids: Collection[str]) -> frozenset[str]:
        """Return the desktops in whose scope these users are, or shall be."""
        found = await self._session.scalars(_DESKTOPS_OF, {"ids": list(user_ids)})
        return frozenset(found)

    async def rescope(self, desktops: Collection[str] | None, at: datetime) -> Rescoped:
        """Bring scopes to what they shall be."""
        given = {"desktops": None if desktops is None else sorted(desktops)}
        await self._session.execute(text(ADD_DESKTOPS), given)
        gone = (await self._session.scalars(text(FORGET_DESKTOPS), given)).all()
        moved = await self._move(RESCOPE, given, at)
        return Rescoped(
            entities=frozenset(row.entity for row in moved),
            left=tuple((row.desktop_id, row.row_id) for row in moved if row.desktop_id is not None),
            gone=tuple(gone),
        )

    async def rescope_rows(self, keys: Collection[RowKey], at: datetime) -> Rescoped:
        """Bring these roles and permissions into and out of every scope."""
        entities, ids = zip(*keys, strict=True)
        moved = await self._move(RESCOPE_ROWS, {"entities": list(entities), "ids": list(ids)}, at)
        return Rescoped(entities=frozenset(row.entity for row in moved))

    async def revoke(self, drafts: Sequence[RevocationDraft], at: datetime) -> None:
        """Number these revocations."""
        given = {
            "desktops": [draft.desktop_id for draft in drafts],
            "users": [draft.user_id for draft in drafts],
            "reasons": [draft.reason for draft in drafts],
        }
        await self._session.execute(_REVOKE, {**given, "at": at})

    async def forget_before(self, at: datetime) -> None:
        """Forget what is older."""
        cursors: list[int] = []
        for statement in (_FORGET_LEFT, _FORGET_ENDED):
            cursors += (await self._session.scalars(text(statement), {"at": at})).all()
        if cursors:
            await self._session.execute(_HORIZON, {"cursor": max(cursors)})
        for statement in _FORGET_LOGS:
            await self._session.execute(text(statement), {"at": at})

    async def head(self) -> int:
        """Return the newest cursor."""
        return int(await self._session.scalar(_HEAD) or 0)

    async def _move(self, statement: str, given: Mapping[str, Any], at: datetime) -> Sequence[Row[Any]]:
        cursor = await self.head() + 1
        moved = (await self._session.execute(text(statement), {**given, "cursor": cursor, "at": at})).all()
        if moved:
            await self._session.execute(_SET_HEAD, {"cursor": cursor})
        await self._note_many(sum(row.rows for row in moved))
        return moved

    async def _note_many(self, rows: int) -> None:
        if rows >= MANY_ROWS:
            await self._session.execute(text("analyze sync.entry, sync.membership"))

    async def _rows(self, statement: Any, keys: Collection[RowKey]) -> dict[RowKey, LogRow]:
        ids: dict[str, list[str]] = {}
        for entity, row_id in keys:
            ids.setdefault(entity, []).append(row_id)
        found: dict[RowKey, LogRow] = {}
        for entity, wanted in ids.items():
            records = await self._session.execute(statement, {"entity": entity, "ids": wanted})
            found |= {(record.entity, record.id): _log_row(record) for record in records}
        return found

    async def _canonical(self, rows: Sequence[LogRow]) -> list[str]:
        """Return the fields as PostgreSQL keeps them: what a desktop will get, and so what is digested."""
        given = [json.dumps(dict(row.fields), ensure_ascii=False) for row in rows]
        return list(await self._session.scalar(_CANONICAL, {"fields": given}) or [])


def _log_row(record: Row[Any]) -> LogRow:
    known = record._mapping  # noqa: SLF001 -- SQLAlchemy's documented way to a row's columns by name
    revoked = known.get("revoked") or {}
    return LogRow(
        entity=record.entity,
        id=record.id,
        version=record.version,
        stamp=Stamp(record.updated_at),
        updated_by=record.updated_by,
        source=record.source,
        fields=json.loads(record.fields),
        is_deleted=known.get("is_deleted", False),
        revoked=json.loads(revoked) if isinstance(revoked, str) else revoked,
    )


def _rows_of(done: Any) -> int:
    return int(done.rowcount)
