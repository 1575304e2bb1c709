"""A role's change on real agents: outbox, replica on disk, threads and all, some of them in each of several processes.

An agent of its own process takes 58 MiB, two hundred would take twelve GiB; in one process they would wait for one
interpreter. How far an agent is, it reports itself once the row is swapped in; the figure is when the server has that
report, so it is an upper bound of what the agent saw.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg

from pulse_agent.configuration.enrolment import EnrolmentError, enroll
from pulse_bench.agent_host import DRAIN_SECONDS
from pulse_bench.errors import BenchError
from pulse_bench.stack import Stack, sign_in
from pulse_bench.sync_load import ANSWER_SECONDS, ENROLLING, SpreadFigure, change_role, role_of_admin
from pulse_simulator.gateway_session import GatewayError, GatewaySession

_PREFIX: Final = "bench-agent-"
_AGENTS_OF_A_PROCESS: Final = 20
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
        async with AsyncExitStack() as hosts:
            for start in range(0, agents, _AGENTS_OF_A_PROCESS):
                await hosts.enter_async_context(_hosted(homes[start : start + _AGENTS_OF_A_PROCESS]))
            yield
    except (EnrolmentError, GatewayError) as error:
        raise BenchError(f"the agents could not be enrolled: {error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _hosted(homes: Sequence[Path]) -> AsyncIterator[None]:
    """Run these agents in a process of their own; closing its input ends it."""
    command = [sys.executable, "-m", "pulse_bench.agent_host", *map(str, homes)]
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
    try:
        yield
        assert process.stdin is not None  # noqa: S101 -- it was asked for
        process.stdin.close()
        async with asyncio.timeout(DRAIN_SECONDS * 2):
            code = await process.wait()
        if code != 0:
            raise BenchError(f"agents ended with code {code}")
    except TimeoutError as error:
        raise BenchError("agents did not end") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


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
