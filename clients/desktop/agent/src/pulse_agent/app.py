"""The composition of an agent: outbox, delivery and sources, wired and run.

`Agent` is a library: the command line runs one, the simulator fifty in a process, the desktop window one beside
itself. Use it as an async context manager (open outbox), then either hand `workers()` to the chassis or await `run`.
Guarantees: when the context is left, what was put is on the disk. Never does: read files or the environment for its
settings, or install signal handlers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pulse_agent.delivery.courier import Courier
from pulse_agent.delivery.downlink import Downlink, DownlinkRouter
from pulse_agent.delivery.messages import Speaker
from pulse_agent.delivery.server_time import ServerTime
from pulse_agent.delivery.wiring import DeliveryCounts, Wiring
from pulse_agent.domain.connection import Cause, ConnectionReason, ConnectionState, ConnectionView
from pulse_agent.domain.quota import Fullness
from pulse_agent.domain.reading import Reading, StoredReading
from pulse_agent.domain.schedule import DeliverySchedule
from pulse_agent.outbox.outbox import Outbox
from pulse_agent.outbox.room import PutResult
from pulse_agent.outbox.writer import OutboxStats
from pulse_agent.settings import RETRY_CEILING_SECONDS, RETRY_FIRST_SECONDS, AgentSettings
from pulse_agent.sources.group import SourceGroup
from pulse_agent.sources.source import Source
from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock, SystemClock
from pulse_chassis.logging import get_logger
from pulse_chassis.run import Worker, run_workers

_log = get_logger("agent")


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """How an agent is doing, at one moment; immutable, for windows and state files."""

    connection: ConnectionView
    stats: OutboxStats
    counts: DeliveryCounts
    on_way: int
    window: int
    refused: int

    @property
    def state(self) -> ConnectionState:
        """How delivery stands."""
        return self.connection.state

    @property
    def is_reached(self) -> bool:
        """Whether the server has welcomed us on the connection that is open."""
        return self.state in (ConnectionState.ONLINE, ConnectionState.DRAINING)


class Agent:
    """One agent of explicit settings. Constructing it starts nothing."""

    def __init__(
        self,
        settings: AgentSettings,
        sources: Mapping[str, Source] | Sequence[Source] = (),
        *,
        downlinks: Sequence[Downlink] = (),
        clock: Clock | None = None,
        server_time: ServerTime | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self.outbox = Outbox(settings.outbox_path, quota=settings.quota, clock=self._clock)
        self._connection = ConnectionView(
            ConnectionState.DISCONNECTED, self._clock.now().timestamp(), ConnectionReason.STARTING
        )
        self._state_listeners: list[Callable[[ConnectionState], None]] = []
        self._fullness = Fullness.NORMAL
        self._wiring = Wiring(
            outbox=self.outbox,
            schedule=DeliverySchedule(
                Backoff(RETRY_FIRST_SECONDS, RETRY_CEILING_SECONDS), live_patience=settings.live_patience
            ),
            speaker=Speaker(settings.client_id, settings.instance, settings.version),
            clock=self._clock,
            show=self._show,
            downlinks=DownlinkRouter(downlinks),
            server_time=server_time or ServerTime(self._clock),
        )
        self._courier = Courier(self._wiring, settings.endpoint) if settings.endpoint is not None else None
        named = sources if isinstance(sources, Mapping) else {f"{s.name} {n}": s for n, s in enumerate(sources)}
        self.sources = SourceGroup(self.outbox, self._clock, named)

    async def __aenter__(self) -> Self:
        self.outbox.on_stored(self._on_stored)
        self.outbox.on_stats(self._on_stats)
        await self.outbox.open()
        recovery = self.outbox.recovery
        if recovery is not None:
            _log.error(
                "outbox_was_damaged",
                detail=recovery.detail,
                set_aside_as=recovery.set_aside_as,
                salvaged=recovery.salvaged,
                declared_lost=recovery.declared_lost,
            )
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.outbox.close()

    # -- use --------------------------------------------------------------------------------------------------------

    async def put(self, reading: Reading) -> StoredReading:
        """Store a reading (see `Outbox.put`); it is sent by itself."""
        return await self.outbox.put(reading)

    async def put_many(self, readings: Sequence[Reading]) -> list[PutResult]:
        """Store readings in one transaction (see `Outbox.put_many`)."""
        return await self.outbox.put_many(readings)

    def status(self) -> AgentStatus:
        """Return how the agent is doing now."""
        return AgentStatus(
            connection=self._connection,
            stats=self.outbox.stats,
            counts=self._wiring.counts,
            on_way=self._wiring.schedule.on_way,
            window=self._wiring.schedule.window.batches,
            refused=self.sources.refused,
        )

    def on_state(self, listener: Callable[[ConnectionState], None]) -> None:
        """Have `listener` called with each new state of the connection."""
        self._state_listeners.append(listener)

    def change_interval(self, source_name: str, seconds: float) -> bool:
        """Restart a source's timer with another interval, without a restart of the agent; False: no such timer."""
        return self.sources.change_interval(seconds, name=source_name)

    # -- life -------------------------------------------------------------------------------------------------------

    def workers(self) -> list[Worker]:
        """Return what must run while the context is open."""
        found = [Worker("outbox", self.outbox.watch, stops_last=True), Worker("sources", self.sources.run)]
        if self._courier is not None:
            found.append(Worker("courier", self._courier.run))
        return found

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`; for programs that run many agents on one loop."""
        await run_workers(self.workers(), stop=stop)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _on_stored(self, stored: list[StoredReading]) -> None:
        if self._courier is not None:
            self._courier.on_stored(stored)

    def _on_stats(self, stats: OutboxStats) -> None:
        if stats.losses:
            self._wiring.work.set()
        if stats.fullness is not self._fullness:
            log = _log.warning if stats.fullness is not Fullness.NORMAL else _log.info
            log(
                "outbox_fullness",
                level=stats.fullness,
                bytes=stats.used_bytes,
                max_bytes=self.outbox.quota.max_bytes,
            )
            self._fullness = stats.fullness

    def _show(self, state: ConnectionState, cause: Cause) -> None:
        before = self._connection
        if (state, cause.reason, cause.retry_seconds) == (before.state, before.reason, before.retry_at):
            return  # both without a next try: the drain says this often
        now = self._clock.now().timestamp()
        retry_at = None if cause.retry_seconds is None else now + cause.retry_seconds
        since = before.since if state is before.state else now
        self._connection = ConnectionView(state, since, cause.reason, cause.detail, retry_at)
        if state is before.state:
            return
        is_flicker = {state, before.state} == {ConnectionState.ONLINE, ConnectionState.DRAINING}
        log = _log.debug if is_flicker else _log.info
        log("connection_state", state=state.value, reason=cause.reason.value, buffered=self.outbox.stats.rows)
        for listener in self._state_listeners:
            listener(state)
