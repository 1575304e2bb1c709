"""Migrations that take turns, wait for their database, are made again, and leave a newer schema alone."""

import asyncio
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from pulse_chassis import database
from pulse_chassis.database import asyncpg_pool, upgrade
from pulse_chassis.errors import UnavailableError

ENV = "from pulse_chassis.database import run_migrations\n\nrun_migrations()\n"
FIRST = """
from alembic import op
revision = "0001"
down_revision = None

def upgrade() -> None:
    op.execute("create table identity.made (at timestamptz default clock_timestamp())")
    op.execute("insert into identity.made select clock_timestamp() from pg_sleep(0.2)")
"""
SECOND = """
from alembic import op
revision = "0002"
down_revision = "0001"

def upgrade() -> None:
    op.execute("insert into identity.made default values")
"""


@pytest.fixture
def url(postgres_database: dict[str, str]) -> str:
    return postgres_database["pulse_identity"]


def _migrations(folder: Path, **revisions: str) -> Path:
    (folder / "versions").mkdir(exist_ok=True)
    (folder / "env.py").write_text(ENV)
    for name, body in revisions.items():
        (folder / "versions" / f"{name}.py").write_text(body)
    return folder


async def test_migrations_of_processes_that_start_together_take_turns(url: str, tmp_path: Path) -> None:
    folder = _migrations(tmp_path, first=FIRST)
    await asyncio.gather(*(upgrade(url, folder, "identity") for _ in range(3)))
    _migrations(tmp_path, second=SECOND)
    await upgrade(url, str(folder), "identity")
    await upgrade(url, folder, "identity")
    pool = await asyncpg_pool(url, application_name="test")
    assert await pool.fetchval("select count(*) from identity.made") == 2
    assert await pool.fetchval("select version_num from identity.alembic_version") == "0002"
    await pool.close()


async def test_a_migration_that_fails_changes_nothing_and_frees_the_lock(url: str, tmp_path: Path) -> None:
    broken = SECOND.replace("default values", "values ('not a time')")
    folder = _migrations(tmp_path, first=FIRST, second=broken)
    for _ in range(2):
        with pytest.raises(DBAPIError):
            await upgrade(url, folder, "identity")
    _migrations(tmp_path, second=SECOND)
    await upgrade(url, folder, "identity")


async def test_a_migration_waits_for_a_database_that_is_not_ready(
    url: str, tmp_path: Path, postgres_server: Any
) -> None:
    folder = _migrations(tmp_path, first=FIRST)
    await asyncio.to_thread(postgres_server.stop)
    try:
        with capture_logs() as lines:
            waiting = asyncio.create_task(upgrade(url, folder, "identity"))
            async with asyncio.timeout(60):
                while not lines:
                    await asyncio.sleep(0.01)
    finally:
        await asyncio.to_thread(postgres_server.start)
    async with asyncio.timeout(60):
        await waiting
    assert lines[0]["event"] == "migration_waits"
    assert lines[0]["schema"] == "identity"
    pool = await asyncpg_pool(url, application_name="test")
    assert await pool.fetchval("select count(*) from identity.made") == 1
    await pool.close()


async def test_a_migration_waits_for_a_database_that_is_only_being_made(
    url: str, tmp_path: Path, postgres_server: Any
) -> None:
    later = url.replace("/test_", "/later_")
    for wrong, said in ((later, "has no such database"), (re.sub(r":[^:@/]+@", ":wrong@", url), "refuses our role")):
        with pytest.raises(UnavailableError, match=said):
            await upgrade(wrong, _migrations(tmp_path, first=FIRST), "identity", patience=0.0)


async def test_a_migration_gives_up_in_words_on_a_server_that_never_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CONNECT_SECONDS", 0.1)
    # The system takes connections for it, and nobody answers them.
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    silent, folder = f"postgresql://role:password@127.0.0.1:{port}/database", _migrations(tmp_path, first=FIRST)
    with pytest.raises(UnavailableError, match=r"cannot be reached or is too slow; waited 0.3 s for it") as raised:
        await upgrade(silent, folder, "identity", patience=0.3)
    assert "nothing of schema identity is half done" in raised.value.message
    server.close()


async def test_a_migration_that_is_cut_off_is_made_again(url: str, tmp_path: Path, postgres_server: Any) -> None:
    slow = SECOND.replace("op.execute(", 'op.execute("select pg_sleep(0.5)")\n    op.execute(', 1)
    folder = _migrations(tmp_path, first=FIRST, second=slow)
    pool = await asyncpg_pool(postgres_server.superuser_url(url), application_name="test")
    with capture_logs() as lines:
        waiting = asyncio.create_task(upgrade(url, folder, "identity"))
        async with asyncio.timeout(60):
            while not await pool.fetchval(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                " where application_name = 'migrate-identity' and query like '%pg_sleep%'"
            ):
                await asyncio.sleep(0.01)
            await waiting
    assert [line["event"] for line in lines] == ["migration_waits"]
    assert await pool.fetchval("select count(*) from identity.made") == 2
    await pool.close()


async def test_an_older_release_leaves_the_schema_of_a_newer_one_as_it_is(url: str, tmp_path: Path) -> None:
    older, newer = tmp_path / "older", tmp_path / "newer"
    older.mkdir()
    newer.mkdir()
    await upgrade(url, _migrations(newer, first=FIRST, second=SECOND), "identity")
    with capture_logs() as lines:
        await upgrade(url, _migrations(older, first=FIRST), "identity")
    assert [(line["event"], line["revision"]) for line in lines] == [("schema_is_newer", "0002")]
    pool = await asyncpg_pool(url, application_name="test")
    assert await pool.fetchval("select count(*) from identity.made") == 2
    assert await pool.fetchval("select version_num from identity.alembic_version") == "0002"
    await pool.close()
