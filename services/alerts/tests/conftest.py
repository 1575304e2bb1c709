"""What tests of alerts share: a database with everybody's tables, and waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
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
