"""What tests of alerts share: a database with everybody's tables, a program that is told by webhook, and waiting."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from pulse_chassis.database import upgrade
from pulse_contracts.permissions import BUILT_IN_ROLES, Permission

SERVICES = Path(__file__).resolve().parents[2]
DEADLINE = 30.0


async def until(condition: Callable[[], Awaitable[Any] | Any], *, seconds: float = DEADLINE, what: str = "") -> Any:
    """Wait for a condition by asking it again and again; return what it gave."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        found = await found if isinstance(found, Awaitable) else found
        if found:
            return found
        assert time.monotonic() < end, f"did not come true in {seconds} s: {what or condition}"
        await asyncio.sleep(0.02)


@dataclass
class Receiver:
    """A program that is told by webhook: answers with what it was told to, in this order, then with 204."""

    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    holds: asyncio.Event | None = None
    """Until it is set, no answer is given."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/pulse?token=secret"

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.posts]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.posts]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
            self.posts.append((headers | {":line": lines[0]}, await reader.readexactly(int(headers["content-length"]))))
            self.arrived.set()
            if self.holds is not None:
                await self.holds.wait()
            status, more = self.answers.pop(0) if self.answers else (204, {})
            said = "".join(f"{name}: {value}\r\n" for name, value in more.items())
            writer.write(f"HTTP/1.1 {status} X\r\n{said}content-length: 0\r\nconnection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    if made.holds is not None:
        made.holds.set()
    server.close()


@pytest.fixture
def wait_until() -> Callable[..., Awaitable[Any]]:
    return until


@pytest.fixture(scope="session")
def migrated(postgres_server: Any) -> dict[str, str]:
    """A database with the tables and views of the services concerned, for all tests of the session."""
    urls: dict[str, str] = postgres_server.new_database()

    async def migrate() -> None:
        for service, schema in (("identity", "identity"), ("ingest", "telemetry"), ("alerts", "alerts")):
            scripts = SERVICES / service / "src" / f"pulse_{service}" / "storage" / "migrations"
            await upgrade(urls[f"pulse_{service}"], scripts, schema)
        db = await asyncpg.connect(postgres_server.superuser_url(urls["pulse_alerts"]))
        await db.executemany(
            "insert into identity.permissions values ($1, '') on conflict do nothing", [(str(p),) for p in Permission]
        )
        for role, permissions in BUILT_IN_ROLES.items():
            role_id = uuid4()
            await db.execute(
                "insert into identity.roles (id, name, name_key, description, is_built_in, version, created_at, updated_at)"
                " values ($1, $2, $2, '', true, 1, now(), now())",
                role_id,
                role,
            )
            await db.executemany(
                "insert into identity.role_permissions values ($1, $2)", [(role_id, str(p)) for p in permissions]
            )
        await db.close()

    asyncio.run(migrate())
    return urls
