"""Point-in-time recovery as docs/backup.md describes it, with its very lines: back to a moment between two readings."""

from __future__ import annotations

import asyncio
import re
import secrets
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from pulse_chassis.database import upgrade
from pulse_ingest import app as ingest
from pulse_local.processes import environment_of
from pulse_local.servers.postgres import SUPERUSER, PostgresServer, binaries, generated_roles
from pulse_local.servers.server import RunningServer
from pulse_local.system_user import SystemUser, give, make_directory, server_user

PAGE = Path(__file__).parents[4] / "docs/backup.md"
READING = """
insert into telemetry.sample (recorded_at, received_at, seq, value, series_id, epoch, suspect)
values (clock_timestamp(), clock_timestamp(), $1, 20.5, 1, 1, false)
"""
SECONDS = 60.0


class Place:
    """The directories that stand for those of the page, and the page's lines with these names."""

    def __init__(self, root: Path, run_as: SystemUser | None) -> None:
        self.root = make_directory(root, run_as, 0o755)
        self.archive = make_directory(root / "archive", run_as, 0o700)
        self.backups = make_directory(root / "backups", run_as, 0o755)
        text = PAGE.read_text(encoding="utf-8").split("## To any moment")[1].split("\n## ")[0]
        self._blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)

    def lines(self, kind: str, first: str) -> str:
        """Return the block of the page that begins with this."""
        (block,) = [block for form, block in self._blocks if form == kind and block.startswith(first)]
        return block.replace("/archive/", f"{self.archive}/").replace("/backups/", f"{self.backups}/")


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("pitr")
    for above in (root, root.parent, root.parent.parent):
        above.chmod(0o755)
    return Place(root / "site", server_user())


@pytest.fixture
def run_server(place: Place) -> Iterator[Callable[[str], tuple[RunningServer, PostgresServer]]]:
    passwords = {role: secrets.token_hex(12) for role in generated_roles()}
    made: list[RunningServer] = []

    def make(name: str) -> tuple[RunningServer, PostgresServer]:
        server = PostgresServer(place.root / name, place.root / "run", passwords, server_user())
        made.append(RunningServer(server, place.root / f"{name}.log"))
        return made[-1], server

    yield make
    for running in made:
        running.kill()


async def _ask(server: PostgresServer, role: str, query: str, *values: Any, database: str | None = None) -> Any:
    connection = await asyncpg.connect(server.url(role, *([database] if database else [])))
    try:
        return await connection.fetchval(query, *values)
    finally:
        await connection.close()


async def test_the_database_comes_back_as_it_was_between_two_readings(
    place: Place, run_server: Callable[[str], tuple[RunningServer, PostgresServer]]
) -> None:
    running, server = run_server("data")
    server.prepare()
    with (server.data / "postgresql.conf").open("a") as settings:
        settings.write(place.lines("text", "archive_mode"))
    await asyncio.to_thread(running.start, SECONDS)
    await asyncio.to_thread(server.bootstrap)
    await upgrade(server.url("pulse_ingest"), ingest.MIGRATIONS, ingest.SCHEMA)
    await _ask(server, "pulse_ingest", READING, 1)

    back_up, verify = map(shlex.split, place.lines("sh", "pg_basebackup").splitlines())
    for program, *arguments in (back_up, verify):
        done = await asyncio.to_thread(_run, server, program, arguments)
        assert done.returncode == 0, done.stderr
    await _ask(server, "pulse_ingest", READING, 2)
    moment = await _ask(server, SUPERUSER, "select clock_timestamp()::text")
    await _ask(server, "pulse_ingest", READING, 3)
    await _archived(server)
    await asyncio.to_thread(running.kill)
    shutil.rmtree(server.data)

    running, server = run_server("recovered")
    await asyncio.to_thread(shutil.copytree, place.backups / "base", server.data)
    recovery = place.lines("text", "restore_command").replace("2026-11-21 02:15:00+00", moment)
    assert moment in recovery
    with (server.data / "postgresql.conf").open("a") as settings:
        settings.write(recovery)
    (server.data / "recovery.signal").touch()
    for path in (server.data, *server.data.rglob("*")):
        give(path, server_user(), 0o700 if path.is_dir() else 0o600)
    await asyncio.to_thread(running.start, SECONDS)
    # It accepts readers before it has come to the moment.
    await _until(server, "select pg_get_wal_replay_pause_state() = 'paused'")
    stored = "select array_agg(seq order by seq) from telemetry.sample"
    assert await _ask(server, "pulse_ingest", stored) == [1, 2]
    await _ask(server, SUPERUSER, place.lines("text", "SELECT pg_wal_replay_resume"))
    await _until(server, "select not pg_is_in_recovery()")
    await _ask(server, "pulse_ingest", READING, 4)
    assert await _ask(server, "pulse_ingest", stored) == [1, 2, 4]
    await asyncio.to_thread(running.stop)


def _run(server: PostgresServer, program: str, arguments: list[str]) -> Any:
    if program == "pg_verifybackup":  # It asks no server.
        command = [str(binaries() / program), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment_of(server.spec()))
    return server.run_tool(program, *arguments)


async def _archived(server: PostgresServer) -> None:
    """Wait until everything up to now is in the archive."""
    segment = await _ask(server, SUPERUSER, "select pg_walfile_name(pg_switch_wal())")
    await _until(server, f"select coalesce(max(last_archived_wal) >= '{segment}', false) from pg_stat_archiver")


async def _until(server: PostgresServer, question: str) -> None:
    async with asyncio.timeout(SECONDS):
        while not await _ask(server, SUPERUSER, question):
            await asyncio.sleep(0.05)
