"""Configuration over the tables and views that identity's own migrations make, with HTTP straight into the app."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from pulse_chassis.bearer import generate_signing_key, issue_access_token, public_jwk
from pulse_chassis.clock import ManualClock
from pulse_chassis.database import upgrade
from pulse_chassis.outbox import OutboxRelay
from pulse_contracts.operations import EditableEntity, Operation, OperationOutcome
from pulse_contracts.permissions import BUILT_IN_ROLES, Permission
from pulse_contracts.stamps import make_stamp
from pulse_sync import app
from pulse_sync.storage.outbox import outbox
from pulse_sync.use_cases.absorb_changes import Hints
from pulse_sync.use_cases.ports import Desktop

SERVICES = Path(__file__).resolve().parents[3]
TOKEN_KEY = generate_signing_key("identity-in-tests")


@dataclass
class Person:
    """Somebody with an access token."""

    id: UUID
    name: str
    http: httpx.AsyncClient
    headers: dict[str, str]

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send a request; `If_Match="…"` becomes `If-Match`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = None if body is None else json.dumps(body).encode()
        headers = {**self.headers, "Content-Type": "application/json", **named}
        return await self.http.request(method, path, content=content, headers=headers)

    async def put(self, path: str, value: Any, **headers: str) -> httpx.Response:
        return await self.ask("PUT", f"/api/config/{path}", {"value": value}, **headers)

    async def get(self, path: str = "", **query: Any) -> Any:
        answer = await self.http.get(f"/api/config{path}", params=query, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()


@dataclass
class ConfigWorld:
    """A sync service without its workers, and the people and devices of identity beside it."""

    parts: app.Parts
    http: httpx.AsyncClient
    db: asyncpg.Connection
    clock: ManualClock

    async def person(self, *roles: str) -> Person:
        """Add a user with these roles."""
        user_id, name = uuid4(), f"user-{uuid4().hex[:8]}"
        await self.db.execute(
            "insert into identity.users (id, username, username_key, password_hash, is_active, version, created_at,"
            " updated_at) values ($1, $2, $2, '', true, 1, now(), now())",
            user_id,
            name,
        )
        await self.db.execute(
            "insert into identity.user_roles select $1, id from identity.roles where name = any($2)",
            user_id,
            list(roles),
        )
        token = issue_access_token(
            TOKEN_KEY,
            user_id=user_id,
            username=name,
            roles=list(roles),
            permissions=sorted({str(p) for role in roles for p in BUILT_IN_ROLES.get(role, ROLES.get(role, ()))}),
            session_id=uuid4(),
            now=datetime.now(UTC) - timedelta(seconds=5),
        )
        return Person(user_id, name, self.http, {"Authorization": f"Bearer {token}"})

    async def device(
        self, device_id: str, owner: Person | None = None, *, groups: Sequence[str] = (), is_workstation: bool = False
    ) -> Desktop:
        """Register a device that enrolled as a desktop."""
        await self.db.execute(
            "insert into identity.devices (id, name, kind, owner_id, is_active, groups, metadata, version, created_at,"
            " updated_at) values ($1, $1, $2, $3, true, $4, '{}', 1, now(), now())",
            device_id,
            "workstation" if is_workstation else "desktop",
            owner.id if owner else None,
            list(groups),
        )
        await self.db.execute(
            "insert into identity.desktop_keys values ($1, '{}', 'seal', '', now())",
            device_id,
        )
        await self.absorbed()
        return Desktop(device_id, {}, "seal", is_workstation, is_active=True)

    async def share(self, device_id: str, person: Person, level: str) -> None:
        await self.db.execute(
            "insert into identity.device_shares (id, device_id, user_id, level, created_at)"
            " values ($1, $2, $3, $4, now())",
            uuid4(),
            device_id,
            person.id,
            level,
        )

    async def absorbed(self) -> None:
        """Let sync look at everybody's scope."""
        await app.make_absorb(self.parts)(Hints(is_everything=True))

    async def told(self, stream: str) -> list[dict[str, Any]]:
        """Return what was told on a stream so far."""
        await OutboxRelay(self.parts.database, outbox, self.parts.redis).publish_pending()
        return [json.loads(fields[b"j"]) for _, fields in await self.parts.redis.xrange(stream)]

    async def operate(
        self, desktop: Desktop, actor: Person, row_id: str, fields: Mapping[str, Any], **more: Any
    ) -> OperationOutcome:
        """Apply an operation of a desktop, made now unless `at_ms` says when."""
        operation = self.operation(desktop, actor, row_id, fields, **more)
        return await app.config_owner(self.parts).apply(desktop, operation)

    def operation(
        self, desktop: Desktop, actor: Person, row_id: str, fields: Mapping[str, Any], **more: Any
    ) -> Operation:
        at_ms = more.pop("at_ms", int(self.clock.now().timestamp() * 1000))
        given = {"op_id": uuid4(), "op_no": 1, "base_version": 0, "updated_at": make_stamp(at_ms)} | more
        return Operation(
            desktop_id=desktop.device_id,
            entity=EditableEntity.CONFIG,
            id=row_id,
            fields=dict(fields),
            actor=actor.id,
            **given,
        )


ROLES = {"configurer": frozenset({Permission.CONFIG_READ, Permission.CONFIG_WRITE})}


@pytest.fixture(scope="session")
def config_database(postgres_server: Any) -> dict[str, str]:
    """A database with identity's and sync's tables, for all tests of the session."""
    urls: dict[str, str] = postgres_server.new_database()

    async def migrate() -> None:
        for service in ("identity", "sync"):
            scripts = SERVICES / service / "src" / f"pulse_{service}" / "storage" / "migrations"
            await upgrade(urls[f"pulse_{service}"], scripts, service)
        db = await asyncpg.connect(postgres_server.superuser_url(urls["pulse_sync"]))
        await db.executemany(
            "insert into identity.permissions values ($1, '') on conflict do nothing", [(str(p),) for p in Permission]
        )
        for role, permissions in {**BUILT_IN_ROLES, **ROLES}.items():
            role_id = uuid4()
            await db.execute("insert into identity.roles values ($1, $2, $2, '', true, 1, now(), now())", role_id, role)
            await db.executemany(
                "insert into identity.role_permissions values ($1, $2)", [(role_id, str(p)) for p in permissions]
            )
        await db.close()

    asyncio.run(migrate())
    return urls


@pytest.fixture
async def token_keys_url() -> AsyncIterator[str]:
    """Where identity would publish the keys of access tokens."""
    body = json.dumps({"keys": [public_jwk(TOKEN_KEY)]}).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            writer.write(head.encode() + b"connection: close\r\n\r\n" + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


@pytest.fixture
async def config_world(
    config_database: dict[str, str], postgres_server: Any, valkey_server: Any, token_keys_url: str, sync_settings: Any
) -> AsyncIterator[ConfigWorld]:
    """An empty system."""
    db = await asyncpg.connect(postgres_server.superuser_url(config_database["pulse_sync"]))
    await db.execute(
        "truncate identity.users, identity.devices, sync.config_entry, sync.config_key, sync.config_history,"
        " sync.applied_config, sync.config_operation, sync.entry, sync.membership, sync.desktop, sync.outbox cascade"
    )
    given = sync_settings(config_database, redis_url=valkey_server.new_database(), identity_url=token_keys_url)
    clock = ManualClock(datetime.now(UTC))  # tokens are checked by the machine's time
    async with app.open_parts(given, clock) as parts:
        transport = httpx.ASGITransport(app=app.make_app(parts))
        async with httpx.AsyncClient(transport=transport, base_url="http://sync") as http:
            yield ConfigWorld(parts, http, db, clock)
    await db.close()
