"""Catching up over the real broker, watched by windows of which one is killed in the midst of it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pulse_agent.app import Agent
from pulse_agent.configuration.device import EnrolledDevice
from pulse_agent.configuration.live import LiveConfiguration
from pulse_agent.delivery.server_time import ServerTime
from pulse_agent.domain.reading import Reading
from pulse_agent.local_protocol.observations import Observations
from pulse_agent.local_protocol.parts import DeskParts
from pulse_agent.local_protocol.server import LocalServer
from pulse_agent.local_protocol.serving import agent_hall
from pulse_agent.settings import AgentSettings
from pulse_chassis.clock import SystemClock
from pulse_chassis.mqtt import MqttEndpoint
from pulse_contracts.acks import Credit
from pulse_contracts.ids import ClientId
from pulse_contracts.local_address import local_address
from pulse_contracts.local_protocol import EventName
from pulse_contracts.local_status import Connection

ROWS = 2_000
ROWS_A_SECOND = 400
WINDOW = """
import socket, sys
line = b'{"type":"hello","versions":[1],"window":{"name":"doomed","version":"1"}}\\n'
door = socket.socket(socket.AF_UNIX)
door.connect(sys.argv[1])
door.sendall(line)
print(len(door.recv(10)), flush=True)
while True:
    door.sendall(b'{"type":"request","id":1,"method":"status"}\\n')
"""


async def no_restart() -> None:
    """Nobody restarts this one."""


@pytest.fixture
async def agent(device: MqttEndpoint, tmp_path: Path) -> AsyncIterator[Agent]:
    """An agent that served windows before it delivers: a test starts its workers."""
    clock, observations = SystemClock(), Observations()
    enrolled = EnrolledDevice(
        str(device.username), "Pump", "http://localhost", device.host, device.port, None, None, ""
    )
    settings = AgentSettings(tmp_path / "outbox.db", ClientId(str(device.username)), device)
    async with Agent(settings, clock=clock) as agent:
        observations.watch(agent, clock)
        live = LiveConfiguration({}, lambda _: [], tuple)
        parts = DeskParts(
            agent, enrolled, tmp_path, clock, ServerTime(clock), live, None, "no keys", observations, list, no_restart,
            clock.now().timestamp(),
        )  # fmt: skip
        stop = asyncio.Event()
        door = LocalServer(local_address(tmp_path), partial(agent_hall, parts), clock)
        serving = asyncio.create_task(door.run(stop))
        yield agent
        stop.set()
        await serving


async def test_a_drain_is_shown_with_rate_and_end_and_a_window_killed_in_it_costs_nothing(
    agent: Agent, server: Any, window_peer: Any, tmp_path: Path, eventually: Any
) -> None:
    server.credit = Credit(rows_s=ROWS_A_SECOND, window=4)
    now_us = int(time.time() * 1_000_000)
    await agent.put_many([Reading(now_us - (ROWS - n) * 1_000_000, {"n": n}, "test") for n in range(ROWS)])
    stop = asyncio.Event()
    with subprocess.Popen([sys.executable, "-c", WINDOW, local_address(tmp_path)], stdout=subprocess.PIPE) as doomed:
        async with window_peer(tmp_path) as window:
            assert doomed.stdout is not None
            assert await asyncio.to_thread(doomed.stdout.readline)
            delivering = asyncio.create_task(agent.run(stop))

            def drains() -> list[Any]:
                told = [*window.told(EventName.PROGRESS), *(s.backlog for s in window.told(EventName.STATE))]
                return [backlog.drain for backlog in told if backlog.drain is not None]

            await window.until(lambda: any(drain.rate_per_s for drain in drains()), "a rate")
            doomed.kill()
            measured = next(drain for drain in drains() if drain.rate_per_s)
            assert 0 < measured.left < measured.started_with <= ROWS
            assert measured.seconds_left > 0
            await eventually(lambda: len(server.rows) == ROWS, 60, "every reading at the server")
            async with asyncio.timeout(60):
                while (await window.call("status")).backlog.readings:
                    continue
            await window.until(
                lambda: window.told(EventName.STATE)[-1].connection.state is Connection.ONLINE, "online again"
            )
            assert (await window.call("status")).backlog.drain is None
            assert (await window.error("sign_in", username="anna", password="x")).code == "no_sync"
            stop.set()
            await delivering
            await window.until(
                lambda: window.told(EventName.STATE)[-1].connection.state is Connection.DISCONNECTED, "stopped"
            )
            assert window.told(EventName.STATE)[-1].connection.reason == "stopped"
