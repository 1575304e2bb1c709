"""An upgrade under load: the old version of ingest and the new one side by side, the newest migration between them.

The old version is this repository as it was before the newest migration came; it runs from a copy of its sources.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from pulse_chassis.mqtt_types import MqttEndpoint
from pulse_local.ports import free_ports
from pulse_simulator.fleet import Fleet
from pulse_simulator.plan import FleetPlan

ROOT = Path(__file__).resolve().parents[4]
SOURCES = ("libs/contracts/src", "libs/chassis/src", "services/ingest/src")
VERSIONS = ROOT / "services/ingest/src/pulse_ingest/storage/migrations/versions"
STORED = """
select count(distinct (series.client_id, epoch, seq)) from telemetry.sample join telemetry.series on series.id = series_id
"""
DOUBLE = "select count(*) - count(distinct (series_id, epoch, seq)) from telemetry.sample"


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True).stdout


@pytest.fixture
def old_version(tmp_path: Path) -> dict[str, str]:
    """What makes Python take the sources of before the newest migration."""
    if _git("rev-parse", "--is-shallow-repository").strip() == b"true":
        pytest.skip("the older version is not in a clone without history")
    newest = max(VERSIONS.glob("[0-9]*.py"))
    added = _git("log", "-1", "--diff-filter=A", "--format=%H", "--", str(newest)).decode().strip()
    assert added, f"{newest.name} is not committed"
    with tarfile.open(fileobj=BytesIO(_git("archive", f"{added}^", *SOURCES))) as archive:
        archive.extractall(tmp_path / "old", filter="data")
    path = os.pathsep.join(str(tmp_path / "old" / source) for source in SOURCES)
    assert not (tmp_path / "old" / newest.relative_to(ROOT)).exists()
    return {"PYTHONPATH": path}


@pytest.fixture
def postgres_database(
    postgres_server: Any, old_version: dict[str, str], identity_schema: str
) -> Iterator[dict[str, str]]:
    """A database as the old version left it."""
    urls = postgres_server.new_database()

    async def stand_in_for_identity() -> None:
        identity = await asyncpg.connect(urls["pulse_identity"])
        await identity.execute(identity_schema)
        await identity.close()

    asyncio.run(stand_in_for_identity())
    _migrate(urls["pulse_ingest"], old_version)
    yield urls
    postgres_server.forget_database(urls)


def _migrate(url: str, version: dict[str, str]) -> None:
    environment = {**os.environ, "PULSE_DATABASE_URL": url, "PULSE_REDIS_URL": "redis://unused", **version}
    done = subprocess.run(
        [sys.executable, "-m", "pulse_ingest", "migrate"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def _stored_by(port: int) -> float:
    """Return how many readings a worker has stored; 0 while it does not answer."""
    with suppress(httpx.HTTPError):
        async with httpx.AsyncClient() as client:
            lines = (await client.get(f"http://127.0.0.1:{port}/metrics")).text.splitlines()
        return sum(float(line.split()[1]) for line in lines if line.startswith("ingest_readings_stored_total "))
    return 0


@pytest.mark.own_schema
async def test_old_and_new_run_side_by_side_through_a_migration_and_no_reading_is_lost_or_stored_twice(
    world: Any, old_version: dict[str, str], eventually: Callable[..., Awaitable[Any]], tmp_path: Path
) -> None:
    plan = FleetPlan(0, 4, 25.0, timedelta(minutes=5), prefix="upgraded", data=tmp_path / "fleet")
    keys = {agent: await world.add_device(agent) for agent in plan.agent_ids}
    fleet = Fleet(plan, MqttEndpoint(world.broker.host, world.broker.port), keys)
    old_port, new_port = free_ports(2)

    async def storing(port: int, more: float = 50) -> None:
        before = await _stored_by(port)

        async def is_more() -> bool:
            return await _stored_by(port) >= before + more

        await eventually(is_more, seconds=60, what=f"the worker at port {port} stores {more:g} more")

    with world.ingest_process(old_port, "old", **old_version) as old:
        running = asyncio.create_task(fleet.run())
        try:
            await storing(old_port)
            await asyncio.to_thread(_migrate, world.urls["pulse_ingest"], {})
            await storing(old_port)  # on the new schema
            with world.ingest_process(new_port, "new"):
                await storing(new_port)
                await storing(old_port)
                old.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(old.wait, 60) == 0
                await storing(new_port)
                fleet.stop.set()
                summary = await running
        finally:
            fleet.stop.set()
            fleet.abandon.set()
            await running
    assert (summary.agents.outstanding, summary.agents.rejected, summary.agents.lost) == (0, 0, 0)
    assert summary.agents.acked == summary.agents.generated
    assert await world.fetchval(STORED) == summary.agents.generated
    assert await world.fetchval(DOUBLE) == 0
    assert await world.fetchval("select coalesce(sum(missing), 0)::bigint from telemetry.completeness") == 0
