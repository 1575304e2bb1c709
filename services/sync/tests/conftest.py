"""Fixtures shared by sync's tests: one world, over PostgreSQL or in memory, with what identity would publish."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import pytest
from pydantic import TypeAdapter

from pulse_chassis.clock import ManualClock
from pulse_chassis.database import Database, asyncpg_pool
from pulse_chassis.sealing import SealKey
from pulse_chassis.signatures import SigningKey
from pulse_contracts.stamps import make_stamp
from pulse_contracts.sync import Page, PasswordVerifier, Pull, PullRefused
from pulse_sync import app
from pulse_sync.domain.rows import LogRow
from pulse_sync.settings import SyncSettings
from pulse_sync.storage.change_log import PostgresChangeLog, append
from pulse_sync.storage.desktop_book import PostgresDesktopBook
from pulse_sync.storage.in_memory_book import InMemoryBook
from pulse_sync.storage.in_memory_log import InMemoryLog, OwnedData
from pulse_sync.storage.outbox import outbox
from pulse_sync.storage.scope_reader import PostgresScopeReader
from pulse_sync.use_cases.absorb_changes import AbsorbChanges
from pulse_sync.use_cases.ports import ChangeLog, Desktop, DesktopBook, ScopeReader
from pulse_sync.use_cases.serve_pull import ServePull

NAMES = UUID("00000000-0000-4000-8000-000000000001")

# What identity publishes, in the form of its views; rows that its own migrations would make out of its tables.
PUBLISHED = """
create table identity.stub_row (entity text, id text, version int, updated_at text, updated_by text, source text,
    fields jsonb, revoked jsonb, primary key (entity, id));
create table identity.stub_desktop (device_id text primary key, sign_jwk jsonb, seal_key text, is_workstation bool,
    is_active bool, groups text[]);
create table identity.stub_access (user_id uuid, device_id text, level text, primary key (user_id, device_id));
create index on identity.stub_access (device_id);
create view identity.synced_row as select * from identity.stub_row;
create view identity.device_registry as select device_id, 'Desktop ' || device_id as name, null::uuid as owner_id,
    is_active, 'workstation' as kind, groups, '{}'::jsonb as metadata, now() as created_at from identity.stub_desktop;
create view identity.desktop as select * from identity.stub_desktop;
create view identity.device_access as select * from identity.stub_access;
grant select on identity.synced_row, identity.desktop, identity.device_access, identity.device_registry to pulse_published;
"""


def uid(name: str) -> str:
    """Return the id of a user or role that a test calls by name."""
    return str(uuid5(NAMES, name))


def user(name: str, version: int = 1, roles: Iterable[str] = (), **more: Any) -> LogRow:
    revoked = more.pop("revoked", {})
    fields = {"username": name, "email": None, "is_active": True, "roles": sorted(map(uid, roles))} | more
    return LogRow("users", uid(name), version, make_stamp(1000 + version), None, "web", fields, revoked=revoked)


def role(name: str, version: int = 1, permissions: Iterable[str] = (), **more: Any) -> LogRow:
    fields = {"name": name, "description": "", "is_built_in": False, "permissions": sorted(permissions)}
    return LogRow("roles", uid(name), version, make_stamp(1000 + version), None, "web", fields, **more)


def permission(name: str) -> LogRow:
    return LogRow("permissions", name, 1, make_stamp(1000), None, "web", {"description": name})


def config(row_id: str, value: Any, version: int = 1, *, is_deleted: bool = False) -> LogRow:
    fields = {} if is_deleted else {"value": value}
    return LogRow("config", row_id, version, make_stamp(1000 + version), None, "web", fields, is_deleted=is_deleted)


async def eventually(condition: Callable[[], Awaitable[Any]], *, seconds: float = 30.0, what: str = "") -> Any:
    """Wait until the condition gives something true and return that; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        result = await condition()
        if result:
            return result
        if time.monotonic() > deadline:
            pytest.fail(f"did not happen within {seconds} s: {what or condition}, last {result!r}")
        await asyncio.sleep(0.02)


@dataclass
class SeenPokes:
    """`Pokes` that remember."""

    touched: list[tuple[frozenset[str], int]] = field(default_factory=list)

    def touch(self, entities: Iterable[str], cursor: int) -> None:
        self.touched.append((frozenset(entities), cursor))


class NoNews:
    """`StateNews` for worlds without a stream."""

    def note_log(self) -> None:
        pass

    def note_desktop(self, device_id: str) -> None:
        pass


class KnownVerifiers:
    """`Verifiers` of an identity that knows every user's password; `is_away` makes it unreachable."""

    def __init__(self) -> None:
        self.is_away = False

    async def verifiers(self, desktop: Desktop, versions: dict[str, int]) -> dict[str, PasswordVerifier | None]:
        if self.is_away:
            return {}
        made = PasswordVerifier(salt="c2FsdA==", time_cost=1, memory_kib=8, parallelism=1, hash_bytes=32, mac="bWFj")
        return dict.fromkeys(versions, made)


@dataclass
class World:
    """Use cases over one pair of adapters, and how a test changes what identity has."""

    log: ChangeLog
    scopes: ScopeReader
    book: DesktopBook
    clock: ManualClock
    pokes: SeenPokes = field(default_factory=SeenPokes)
    verifiers: KnownVerifiers = field(default_factory=KnownVerifiers)
    signing_key: SigningKey = field(default_factory=lambda: SigningKey.generate("sync-1"))
    desktop_keys: dict[str, SigningKey] = field(default_factory=dict)
    seal_keys: dict[str, SealKey] = field(default_factory=dict)

    uid = staticmethod(uid)
    user = staticmethod(user)
    role = staticmethod(role)
    permission = staticmethod(permission)
    config = staticmethod(config)

    def __post_init__(self) -> None:
        self.absorb = AbsorbChanges(self.log, self.pokes, NoNews(), self.clock, timedelta(days=180))
        self.pull = ServePull(
            self.scopes, self.verifiers, self.book, self.signing_key.sign, self.clock, timedelta(days=7)
        )

    def make_desktop(self, device_id: str, *, is_active: bool = True, is_workstation: bool = False) -> Desktop:
        key = self.desktop_keys.setdefault(device_id, SigningKey.generate(device_id))
        seal_key = self.seal_keys.setdefault(device_id, SealKey.generate())
        return Desktop(device_id, key.public_jwk(), seal_key.public_key, is_workstation, is_active)

    async def page(self, device_id: str, **asked: Any) -> Page:
        """Ask for one page."""
        pull = Pull(**({"req": "r", "since": 0} | asked))
        body = await self.pull(device_id, await self.scopes.standing(device_id), pull)
        envelope = {"aud": device_id, "topic": f"sync/{device_id}/down", "iat": 0}
        return TypeAdapter(Page | PullRefused).validate_python(envelope | body)

    async def pull_all(self, device_id: str, **asked: Any) -> list[Page]:
        """Ask page by page up to the checkpoint."""
        pages = [await self.page(device_id, **asked)]
        while pages[-1].next is not None:
            more = {"after": pages[-1].next, "checkpoint": pages[-1].checkpoint}
            pages.append(await self.page(device_id, **asked, **more))
        return pages


class MemoryWorld(World):
    """Everything in memory."""

    def __init__(self) -> None:
        self.owned = OwnedData()
        log = InMemoryLog(self.owned)
        super().__init__(log, log, InMemoryBook(), ManualClock())

    async def put(self, *rows: LogRow) -> None:
        self.owned.rows |= {row.key: row for row in rows}

    async def drop(self, *rows: LogRow) -> None:
        for row in rows:
            del self.owned.rows[row.key]

    async def add_desktop(self, device_id: str, *groups: str, **more: bool) -> Desktop:
        desktop = self.make_desktop(device_id, **more)
        self.owned.desktops[device_id] = (desktop, frozenset(groups))
        return desktop

    async def remove_desktop(self, device_id: str) -> None:
        del self.owned.desktops[device_id]
        self.owned.access = {pair for pair in self.owned.access if pair[1] != device_id}

    async def grant(self, username: str, *device_ids: str) -> None:
        self.owned.access |= {(uid(username), device_id) for device_id in device_ids}

    async def withdraw(self, username: str, device_id: str) -> None:
        self.owned.access.discard((uid(username), device_id))

    async def lines(self) -> list[tuple[str, str, str | None]]:
        """Return the sync log."""
        return [(line.direction, line.status, line.error) for line in self.book.lines]

    async def write_config(self, *rows: LogRow) -> int:
        async with self.log.writing() as writer:
            await writer.append(rows, self.clock.now())
            await writer.rescope(None, self.clock.now())
            return await writer.head()


class PostgresWorld(World):
    """The adapters of production over PostgreSQL."""

    def __init__(self, urls: dict[str, str], identity: Any, database: Database, pool: Any) -> None:
        self.urls = urls
        self.identity = identity
        self.database = database
        self.pool = pool
        super().__init__(
            PostgresChangeLog(database), PostgresScopeReader(pool), PostgresDesktopBook(database, pool), ManualClock()
        )

    async def execute(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        await self.identity.executemany(statement, rows)

    async def put(self, *rows: LogRow) -> None:
        given = [
            (r.entity, r.id, r.version, r.stamp, r.updated_by, r.source, json.dumps(r.fields), json.dumps(r.revoked))
            for r in rows
        ]
        await self.execute(
            "insert into identity.stub_row values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (entity, id) do update"
            " set version = excluded.version, updated_at = excluded.updated_at, fields = excluded.fields,"
            " revoked = excluded.revoked",
            given,
        )

    async def drop(self, *rows: LogRow) -> None:
        await self.execute("delete from identity.stub_row where entity = $1 and id = $2", [row.key for row in rows])

    async def add_desktop(self, device_id: str, *groups: str, **more: bool) -> Desktop:
        made = self.make_desktop(device_id, **more)
        given = (json.dumps(made.sign_jwk), made.seal_key, made.is_workstation, made.is_active, list(groups))
        await self.execute(
            "insert into identity.stub_desktop values ($1, $2, $3, $4, $5, $6) on conflict (device_id) do update"
            " set is_active = excluded.is_active, groups = excluded.groups, is_workstation = excluded.is_workstation",
            [(device_id, *given)],
        )
        return made

    async def remove_desktop(self, device_id: str) -> None:
        await self.execute("delete from identity.stub_desktop where device_id = $1", [(device_id,)])
        await self.execute("delete from identity.stub_access where device_id = $1", [(device_id,)])

    async def grant(self, username: str, *device_ids: str) -> None:
        statement = "insert into identity.stub_access values ($1, $2, 'control') on conflict do nothing"
        await self.execute(statement, [(uid(username), device_id) for device_id in device_ids])

    async def withdraw(self, username: str, device_id: str) -> None:
        statement = "delete from identity.stub_access where user_id = $1 and device_id = $2"
        await self.execute(statement, [(uid(username), device_id)])

    async def lines(self) -> list[tuple[str, str, str | None]]:
        """Return the sync log."""
        found = await self.pool.fetch("select direction, status, error from sync.sync_log order by id")
        return [tuple(row) for row in found]

    async def set_access(self, access: Iterable[tuple[str, str]]) -> None:
        """Have exactly these users use exactly these desktops."""
        await self.identity.execute("delete from identity.stub_access")
        statement = "insert into identity.stub_access values ($1, $2, 'read')"
        await self.execute(statement, [(uid(username), device_id) for username, device_id in access])

    async def again(self, check: Callable[[World], Awaitable[None]]) -> None:
        """Run a check on the emptied database, in the loop at hand."""
        async for fresh in _fresh_world(self.urls):
            await check(fresh)

    async def write_config(self, *rows: LogRow) -> int:
        async with self.database.transaction() as session:
            return await append(session, rows, self.clock.now())


def settings(urls: dict[str, str], **more: Any) -> SyncSettings:
    given = {
        "database_url": urls["pulse_sync"],
        "redis_url": "redis://127.0.0.1:1/0",
        "sync_signing_key": json.dumps(SigningKey.generate("sync-1").private_jwk()),
        "sync_seal_key": SealKey.generate().private_key,
        "internal_key": "internal-key-of-a-test",
    }
    return SyncSettings(**(given | more))


@pytest.fixture(name="eventually")
def _eventually() -> Callable[..., Awaitable[Any]]:
    return eventually


@pytest.fixture(name="sync_settings")
def _sync_settings() -> Callable[..., SyncSettings]:
    return settings


@pytest.fixture
def memory_world() -> World:
    return MemoryWorld()


@pytest.fixture(scope="session")
def published_database(postgres_server: Any) -> dict[str, str]:
    """One migrated database for the session, beside what identity would publish."""
    urls: dict[str, str] = postgres_server.new_database()

    async def prepare() -> None:
        connection = await asyncpg.connect(urls["pulse_identity"])
        await connection.execute(PUBLISHED)
        await connection.close()
        await app.migrate(settings(urls))

    asyncio.run(prepare())
    return urls


EMPTY = """
truncate sync.entry, sync.membership, sync.revocation, sync.desktop, sync.sync_log, sync.sync_conflict, sync.outbox;
update sync.head set cursor = 0, revocation_no = 0, horizon = 0;
"""


@pytest.fixture
async def postgres_world(published_database: dict[str, str]) -> AsyncIterator[World]:
    async for fresh in _fresh_world(published_database):
        yield fresh


async def _fresh_world(urls: dict[str, str]) -> AsyncIterator[World]:
    identity = await asyncpg.connect(urls["pulse_identity"])
    await identity.execute("truncate identity.stub_row, identity.stub_desktop, identity.stub_access")
    database = Database(urls["pulse_sync"], pool_size=24, application_name="test", outbox=outbox)
    pool = await asyncpg_pool(urls["pulse_sync"], application_name="test", min_size=0, max_size=4, is_stateless=True)
    await pool.execute(EMPTY)
    try:
        yield PostgresWorld(urls, identity, database, pool)
    finally:
        await pool.close()
        await database.dispose()
        await identity.close()


@pytest.fixture(params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(f"{request.param}_world")
    return found
