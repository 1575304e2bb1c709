"""A day at a desk in minutes: the agent's own local server, whose clock is moved by hand, and a real window before it.

Real are the outbox (each reading is committed), the replica that people sign in by, the local server with its socket, all that
it tells, and the window's process. Hurried are the seconds between readings, on both sides. The network is away, as on a day
when only the window is there. Readings are held back so that the window keeps up with them.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from pulse_agent.app import Agent
from pulse_agent.configuration.desktop_keys import load_identity
from pulse_agent.configuration.device import load_device
from pulse_agent.configuration.live import LiveConfiguration
from pulse_agent.delivery.server_time import ServerTime
from pulse_agent.domain.reading import Reading, StoredReading
from pulse_agent.local_protocol.observations import Observations
from pulse_agent.local_protocol.parts import DeskParts
from pulse_agent.local_protocol.sample_memory import SampleMemory
from pulse_agent.local_protocol.server import LocalServer
from pulse_agent.local_protocol.serving import agent_hall
from pulse_agent.replica.database import REPLICA_FILE
from pulse_agent.replica.live import LiveReplica
from pulse_agent.settings import OUTBOX_FILE, AgentSettings
from pulse_chassis.clock import ManualClock, SystemClock
from pulse_contracts.ids import ClientId
from pulse_contracts.local_address import local_address
from pulse_simulator.real_window import RealWindow, real_window


@dataclass(frozen=True, slots=True)
class WindowFigure:
    """Resident memory of the window's process before and after so many readings, in MiB; `shown` of them one by one."""

    readings: int
    shown: int
    before_mib: float
    after_mib: float

    @property
    def growth_mib(self) -> float:
        """What it grew by."""
        return self.after_mib - self.before_mib

    def as_dict(self) -> dict[str, float]:
        """Return the fields for a JSON report."""
        return asdict(self) | {"growth_mib": self.growth_mib}


class ToldSamples(SampleMemory):
    """The agent's memory of samples, that also notes when windows were told of the newest."""

    def __init__(self) -> None:
        super().__init__()
        self.told = asyncio.Event()

    def news(self) -> list[StoredReading]:
        """Return what came since the last call."""
        found = super().news()
        if found:
            self.told.set()
        return found


class HurriedDesk:
    """An agent's side of the local protocol with a clock of its own."""

    def __init__(self, agent: Agent, clock: ManualClock, samples: ToldSamples) -> None:
        self._agent = agent
        self._clock = clock
        self._samples = samples

    async def second(self) -> int:
        """Take a reading, let a second pass, and have windows told; return the reading's moment in milliseconds."""
        at = self._clock.now().timestamp()
        wave = math.sin(at / 60)
        metrics = {"temperature": 21 + wave, "cpu_percent": 40 + 30 * wave, "pieces": int(at), "door_open": wave > 0}
        self._samples.told.clear()
        await self._agent.put(Reading(int(at * 1_000_000), metrics, "hurried"))
        while not self._samples.told.is_set():
            if self._clock.sleepers:
                self._clock.advance(1.0)
            await asyncio.sleep(0)
        return int(at * 1_000_000) // 1000


@asynccontextmanager
async def hurried_desk(data: Path) -> AsyncIterator[HurriedDesk]:
    """Serve windows of an enrolled folder whose people are known. No other agent may run there."""
    clock, samples = ManualClock(datetime.now(UTC)), ToldSamples()
    observations = Observations(samples=samples)
    device = load_device(data)
    settings = AgentSettings(data / OUTBOX_FILE, ClientId(device.device_id))
    async with (
        LiveReplica(data / REPLICA_FILE, load_identity(data, device), clock) as replica,
        Agent(settings, clock=clock) as agent,
    ):
        observations.watch(agent, clock)
        parts = DeskParts(
            agent=agent, device=device, data=data, clock=clock, server_time=ServerTime(clock),
            live=LiveConfiguration({}, lambda _: [], replica.effective), replica=replica, no_sync="",
            observations=observations, missing_keys=list, restart=_nobody, started=clock.now().timestamp(),
        )  # fmt: skip
        stop = asyncio.Event()
        # Its own patience with slow windows is real time: they have no hurry in them.
        door = LocalServer(local_address(data), partial(agent_hall, parts), SystemClock())
        serving = asyncio.create_task(door.run(stop))
        try:
            yield HurriedDesk(agent, clock, samples)
        finally:
            stop.set()
            await serving


async def measure_window(
    data: Path, account: tuple[str, str], *, readings: int, warm_up: int = 1_000, ahead: int = 0
) -> WindowFigure:
    """Open a window, sign in, and read its memory before and after `readings`. Raises TimeoutError when it hangs.

    `warm_up` readings come first: they fill the chart, which holds fifteen minutes, and load what is loaded once. Up to `ahead`
    readings come before the window has shown the one before them: it is told of them together then, as when it is slow.
    """
    async with hurried_desk(data) as desk, real_window(data, "--time-of-readings") as window:
        await window.sign_in(*account)
        await _let_pass(desk, window, warm_up, ahead)
        process = psutil.Process(window.pid)
        shown, before = window.seen["readings"], process.memory_info().rss
        await _let_pass(desk, window, readings, ahead)
        after = process.memory_info().rss
        return WindowFigure(readings, window.seen["readings"] - shown, before / 2**20, after / 2**20)


async def _let_pass(desk: HurriedDesk, window: RealWindow, seconds: int, ahead: int) -> None:
    """Let a reading come each second."""
    moments: deque[int] = deque()
    for second in range(seconds):
        moments.append(await desk.second())
        while moments and (len(moments) > ahead or second == seconds - 1):
            await window.until(_has_shown(moments.popleft()), "it shows the reading")


def _has_shown(moment_ms: int) -> Callable[[dict[str, Any]], bool]:
    return lambda seen: bool(seen["newest_ms"] >= moment_ms)


async def _nobody() -> None:
    """Nobody restarts this one."""
