"""A role's change on real agents: outbox, replica on disk, threads and all, two hundred of them in this process.

How far an agent is, it reports itself once the row is swapped in; the figure is when the server has that report, so
it is an upper bound of what the agent saw.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg

from pulse_agent.app import Agent
from pulse_agent.configuration.desktop_keys import load_identity
from pulse_agent.configuration.device import load_device
from pulse_agent.configuration.enrolment import EnrolmentError, enroll
from pulse_agent.configuration.key_store import KeyStore, Secret, load_secret
from pulse_agent.domain.quota import Quota
from pulse_agent.replica.database import REPLICA_FILE
from pulse_agent.replica.live import LiveReplica
from pulse_agent.settings import OUTBOX_FILE, AgentSettings
from pulse_bench.errors import BenchError
from pulse_bench.stack import Stack, sign_in
from pulse_bench.sync_load import ANSWER_SECONDS, ENROLLING, SpreadFigure, change_role, role_of_admin
from pulse_chassis.clock import SystemClock
from pulse_chassis.run import Worker, run_workers
from pulse_contracts.ids import ClientId
from pulse_simulator.gateway_session import GatewayError, GatewaySession

_PREFIX: Final = "bench-agent-"
_BALLAST_BYTES: Final = 64 * 1024
_POLL_SECONDS: Final = 0.01
_FAR: Final = "select count(*) from sync.desktop where cursor >= $1 and device_id like $2 || '%'"
_LOGGED: Final = "select cursor from sync.entry where entity = 'roles' and id = $1 and version >= $2"


async def measure_agents(stack: Stack, *, agents: int, changes: int) -> list[SpreadFigure]:
    """Change one role several times and watch it arrive on every agent. Raises BenchError."""
    async with sign_in(stack) as session, _running_agents(stack, session, agents):
        try:
            role = await role_of_admin(session, "bench-agents")
            connection = await asyncpg.connect(stack.database_url)
            try:
                await _arrivals(connection, agents, role["id"], role["version"])
                return [await _change(session, connection, agents, role["id"], turn) for turn in range(changes)]
            finally:
                await connection.close()
        except GatewayError as error:
            raise BenchError(f"the load could not be prepared: {error}") from error


@asynccontextmanager
async def _running_agents(stack: Stack, session: GatewaySession, agents: int) -> AsyncIterator[None]:
    folder = Path(tempfile.mkdtemp(prefix="pulse-bench-agents-"))
    places = asyncio.Semaphore(ENROLLING)

    async def one(number: int) -> Path:
        async with places:
            wish = {"id": f"{_PREFIX}{number:03}", "kind": "desktop"}
            code = (await session.request("POST", "/api/devices/enrolment-codes", json=wish))["code"]
            data = folder / wish["id"]
            await asyncio.to_thread(enroll, stack.gateway_url, code, data, allow_keyring=False)
            return data

    try:
        homes = await asyncio.gather(*(one(number) for number in range(agents)))
        async with AsyncExitStack() as entered:
            workers = [worker for home in homes for worker in await _enter(entered, home)]
            stop = asyncio.Event()
            running = asyncio.create_task(run_workers(workers, stop=stop, drain_seconds=30))
            try:
                yield
            finally:
                stop.set()
                await running
    except (EnrolmentError, GatewayError) as error:
        raise BenchError(f"the agents could not be enrolled: {error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _enter(entered: AsyncExitStack, data: Path) -> list[Worker]:
    device = load_device(data)
    key = load_secret(data, device.device_id, KeyStore(device.key_store), Secret.API_KEY)
    replica = LiveReplica(data / REPLICA_FILE, load_identity(data, device), SystemClock())
    settings = AgentSettings(
        outbox_path=data / OUTBOX_FILE,
        client_id=ClientId(device.device_id),
        endpoint=device.endpoint(data, key),
        quota=Quota(ballast_bytes=_BALLAST_BYTES),
    )
    agent = await entered.enter_async_context(Agent(settings, downlinks=[replica]))
    await entered.enter_async_context(replica)
    return [*agent.workers(), Worker("replica", replica.run)]


async def _change(
    session: GatewaySession, connection: asyncpg.Connection[asyncpg.Record], agents: int, role_id: str, turn: int
) -> SpreadFigure:
    cpu, started = time.process_time(), time.perf_counter()
    change = asyncio.create_task(change_role(session, role_id, turn))
    arrivals = await _arrivals(connection, agents, role_id, turn + 2)
    await change
    return SpreadFigure.of([at - started for at in arrivals], time.process_time() - cpu)


async def _arrivals(
    connection: asyncpg.Connection[asyncpg.Record], agents: int, role_id: str, version: int
) -> list[float]:
    """Return when each agent had reported that it holds this version."""
    arrivals: list[float] = []
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            while (cursor := await connection.fetchval(_LOGGED, role_id, version)) is None:
                await asyncio.sleep(_POLL_SECONDS)
            while len(arrivals) < agents:
                await asyncio.sleep(_POLL_SECONDS)
                there = await connection.fetchval(_FAR, cursor, _PREFIX)
                arrivals += [time.perf_counter()] * (there - len(arrivals))
    except TimeoutError as error:
        raise BenchError(f"{agents - len(arrivals)} agents had not heard within {ANSWER_SECONDS:g} s") from error
    return arrivals
