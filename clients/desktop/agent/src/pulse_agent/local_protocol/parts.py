"""What the windows of a running agent are given to work with. Light: it is made whether or not one ever comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from pulse_agent.app import Agent
from pulse_agent.configuration.device import EnrolledDevice
from pulse_agent.configuration.live import LiveConfiguration
from pulse_agent.delivery.server_time import ServerTime
from pulse_agent.local_protocol.observations import Observations
from pulse_agent.replica.live import LiveReplica
from pulse_agent.updates.updater import Updater
from pulse_chassis.clock import Clock


@dataclass(frozen=True, slots=True)
class DeskParts:
    """The parts of a running agent. `replica` None: this device takes no part in sync, for the reason `no_sync`;
    `updater` None: it looks for no releases."""

    agent: Agent
    device: EnrolledDevice
    data: Path
    clock: Clock
    server_time: ServerTime
    live: LiveConfiguration
    replica: LiveReplica | None
    no_sync: str
    observations: Observations
    missing_keys: Callable[[], list[str]]
    restart: Callable[[], Awaitable[None]]
    started: float
    updater: Updater | None = None
