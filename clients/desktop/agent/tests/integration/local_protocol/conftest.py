"""An agent without a network, its replica filled once by sync's side in this process, and its door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from pulse_agent.app import Agent
from pulse_agent.configuration.device import EnrolledDevice
from pulse_agent.configuration.knobs import AgentKnobs
from pulse_agent.configuration.live import LiveConfiguration
from pulse_agent.configuration.options import AgentOptions
from pulse_agent.delivery.server_time import ServerTime
from pulse_agent.local_protocol.observations import Observations
from pulse_agent.local_protocol.parts import DeskParts
from pulse_agent.local_protocol.server import LocalServer
from pulse_agent.local_protocol.serving import agent_hall
from pulse_agent.replica.live import LiveReplica
from pulse_agent.replica.replica import Replica
from pulse_agent.settings import AgentSettings
from pulse_chassis.clock import SystemClock
from pulse_contracts.ids import ClientId
from pulse_contracts.local_address import local_address

from .running import ANNA, EVERYTHING, Running


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


@pytest.fixture
async def running(
    window_peer: Any, sync_peer: Any, replica: Replica, talk: Callable[..., None], tmp_path: Path, clock: SystemClock
) -> AsyncIterator[Running]:
    sync_peer.put("roles", str(UUID(int=11)), name="admin", description="", is_built_in=True, permissions=EVERYTHING)
    sync_peer.put("users", ANNA, username="anna", email="anna@example.org", is_active=True, roles=[str(UUID(int=11))])
    replica.request_sync()
    talk(replica, sync_peer)
    identity = replace(sync_peer.identity, sync_keys=sync_peer.keys())
    device = EnrolledDevice("D-1", "Desk 1", "https://pulse.example.org", "pulse.example.org", None, 8883, None, "file")
    options = AgentOptions(data=tmp_path)
    restarts: list[bool] = []

    async def restart() -> None:
        restarts.append(True)

    observations = Observations()
    settings = AgentSettings(tmp_path / "outbox.db", ClientId("D-1"))
    async with LiveReplica(tmp_path / "replica.db", identity, clock) as live, Agent(settings, clock=clock) as agent:
        observations.watch(agent, clock)
        knobs = AgentKnobs(agent, options, make=lambda *_: pytest.fail("no source is made"), set_level=lambda _: None)
        configuration = LiveConfiguration(knobs.knobs(), lambda _: [], live.effective)
        live.on_config(configuration.changed)
        parts = DeskParts(
            agent, device, tmp_path, clock, ServerTime(clock), configuration, live, "", observations,
            list, restart, clock.now().timestamp(),
        )  # fmt: skip
        stop = asyncio.Event()
        door = LocalServer(local_address(tmp_path), partial(agent_hall, parts), clock)
        serving = asyncio.create_task(door.run(stop))
        try:
            yield Running(window_peer, tmp_path, agent, live, restarts)
        finally:
            stop.set()
            await serving
