"""A whole fleet in one process: connects, measures, cuts the link on schedule, drains, and sums up.

What it guarantees: it ends. Generation lasts the plan's duration or until `stop`; an outage that is on when `stop`
comes ends with it; then everything outstanding is waited for, up to the plan's drain timeout or until `abandon`. All
clients go through one proxy if and only if the plan has outages. It never prints and never registers devices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final

from pulse_chassis.mqtt import MqttEndpoint
from pulse_simulator.agent_device import AgentDevice
from pulse_simulator.figures import Figures, Summary
from pulse_simulator.generation import Generator
from pulse_simulator.oracle import OracleLog
from pulse_simulator.outages import Outage, OutageKind
from pulse_simulator.plain_device import PlainDevice, PlainSetup, WireForm
from pulse_simulator.plan import FleetPlan
from pulse_simulator.tcp_proxy import Direction, TcpProxy

_CONNECTING_AT_ONCE: Final = 64
_OPENING_AT_ONCE: Final = 16
_CLOSING_AT_ONCE: Final = 6
"""An outbox writes all it has to the disk when it is closed, and has ten seconds for it."""
_LOOK_S: Final = 0.1
_FOR_EVER: Final = float("inf")


class Phase(StrEnum):
    """Where a run is."""

    CONNECTING = "connecting"
    RUNNING = "running"
    OUTAGE = "outage"
    DRAINING = "draining"
    DONE = "done"


class Fleet:
    """One run of one plan. `keys` are API keys by device id; `broker` is where the real broker listens."""

    def __init__(self, plan: FleetPlan, broker: MqttEndpoint, keys: Mapping[str, str]) -> None:
        self._plan = plan
        self._broker = broker
        self._keys = keys
        self._proxy = TcpProxy(broker.host, broker.port) if plan.needs_proxy else None
        self._plain: list[PlainDevice] = []
        self._agents: list[AgentDevice] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._outages_done = 0
        self._outage_seconds = 0.0
        self.phase = Phase.CONNECTING
        self.stop = asyncio.Event()
        """Set it to end generation early; what is outstanding is still drained."""
        self.abandon = asyncio.Event()
        """Set it to give up draining too."""

    def figures(self) -> tuple[Figures, Figures]:
        """Return what plain devices and agents did so far."""
        return (
            Figures.sum(device.figures() for device in self._plain),
            Figures.sum(agent.figures() for agent in self._agents),
        )

    async def run(self) -> Summary:
        """Do the whole run and return its summary."""
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            endpoint = self._broker
            if self._proxy is not None:
                await stack.enter_async_context(self._proxy)
                endpoint = replace(endpoint, host=self._proxy.host, port=self._proxy.port)
            oracle = stack.enter_context(OracleLog(self._plan.oracle)) if self._plan.oracle else None
            self._build(endpoint, oracle)
            try:
                await self._connect()
                started = loop.time()
                await self._generate()
                drain_seconds = await self._drain()
                seconds = loop.time() - started
            finally:
                await self._close()
        self.phase = Phase.DONE
        devices, agents = self.figures()
        return Summary(devices, agents, seconds, self._outages_done, round(self._outage_seconds, 3), drain_seconds)

    def _build(self, endpoint: MqttEndpoint, oracle: OracleLog | None) -> None:
        plan = self._plan
        connecting = asyncio.Semaphore(_CONNECTING_AT_ONCE)
        forms = (WireForm.FLAT, WireForm.APP)
        for number, device_id in enumerate(plan.device_ids):
            account = replace(endpoint, username=device_id, password=self._keys[device_id])
            setup = PlainSetup(account, forms[number % 2], connecting)
            self._plain.append(PlainDevice(setup, self._generator(device_id), oracle))
        for agent_id in plan.agent_ids:
            account = replace(endpoint, username=agent_id, password=self._keys[agent_id])
            self._agents.append(AgentDevice(account, plan.data / agent_id, self._generator(agent_id), oracle))

    def _generator(self, device_id: str) -> Generator:
        return Generator(device_id, self._plan.rate_hz, self._plan.seed, self._plan.has_jitter)

    async def _connect(self) -> None:
        self._start(*(device.connect_forever() for device in self._plain))
        gate = asyncio.Semaphore(_OPENING_AT_ONCE)

        async def open_one(agent: AgentDevice) -> None:
            async with gate:
                await agent.open()

        async with asyncio.TaskGroup() as group:
            for agent in self._agents:
                group.create_task(open_one(agent))
        patience = self._plan.connect_timeout.total_seconds()
        await self._poll(patience, lambda: all(client.is_connected for client in self._clients), self.stop)

    async def _generate(self) -> None:
        self.phase = Phase.RUNNING
        generating = self._start(*(client.generate() for client in self._clients))
        conducting = self._start(self._conduct(self._plan.outages))
        try:
            await self._poll(self._plan.duration.total_seconds(), lambda: False, self.stop)
            _cancel(generating)
            # The last outage may last longer than generation: what is outstanding cannot be drained before its end.
            await self._poll(_FOR_EVER, lambda: all(task.done() for task in conducting), self.stop)
        finally:
            _cancel([*generating, *conducting])
            await asyncio.gather(*conducting, return_exceptions=True)
            await self._mend()

    async def _conduct(self, outages: Sequence[Outage]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for outage in outages:
            await asyncio.sleep(began + outage.start.total_seconds() - loop.time())
            cut_at = loop.time()
            self.phase = Phase.OUTAGE
            self._outages_done += 1
            try:
                await self._break(outage.kind)
                await asyncio.sleep(outage.duration.total_seconds())
            finally:
                self._outage_seconds += loop.time() - cut_at
            await self._mend()
            self.phase = Phase.RUNNING

    async def _break(self, kind: OutageKind) -> None:
        assert self._proxy is not None  # noqa: S101 - a plan with outages has a proxy
        match kind:
            case OutageKind.CUT:
                self._proxy.cut()
            case OutageKind.UP:
                self._proxy.cut(Direction.UP)
            case OutageKind.DOWN:
                self._proxy.cut(Direction.DOWN)
            case OutageKind.RESET:
                await self._proxy.refuse()

    async def _mend(self) -> None:
        if self._proxy is not None:
            self._proxy.restore()
            await self._proxy.accept()

    async def _drain(self) -> float | None:
        """Wait until nothing is outstanding; return how long that took, None if it did not come to that."""
        self.phase = Phase.DRAINING
        began = asyncio.get_running_loop().time()
        patience = self._plan.drain_timeout.total_seconds()
        if await self._poll(patience, lambda: all(client.is_drained for client in self._clients), self.abandon):
            return asyncio.get_running_loop().time() - began
        return None

    async def _poll(self, seconds: float, is_done: Callable[[], bool], give_up: asyncio.Event) -> bool:
        """Look until `is_done` (then True), the time is over or `give_up` is set; raise what a client died of."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not is_done():
            if give_up.is_set() or loop.time() >= deadline:
                return False
            for agent in self._agents:
                agent.raise_if_dead()
            for task in self._tasks:
                if task.done() and not task.cancelled():
                    task.result()
            await asyncio.sleep(min(_LOOK_S, max(0.0, deadline - loop.time())))
        return True

    @property
    def _clients(self) -> Sequence[PlainDevice | AgentDevice]:
        return [*self._plain, *self._agents]

    def _start(self, *work: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(one) for one in work]
        self._tasks += tasks
        return tasks

    async def _close(self) -> None:
        _cancel(self._tasks)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        gate = asyncio.Semaphore(_CLOSING_AT_ONCE)

        async def close_one(client: AgentDevice | PlainDevice) -> None:
            async with gate:
                await client.close()

        await asyncio.gather(*(close_one(client) for client in self._clients))


def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
