"""What a run looked like: samples of load, backlog, latency and memory, twice a second, and what happened when."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import psutil

from pulse_chaos.crowd import Crowd
from pulse_chaos.database_errors import DATABASE_ERRORS
from pulse_contracts.frames import DataFrame, Filter, GapFrame, GapReason, Topic
from pulse_local.watch.live_client import LiveClient
from pulse_local.watch.live_types import LiveStoppedError
from pulse_local.watch.token_source import RestTokenSource
from pulse_simulator.embedded_stack import EmbeddedStack
from pulse_simulator.gateway_session import GatewaySession

_PERIOD: Final = 0.5
_ASKING: Final = 2.0
_STORED: Final = """
select coalesce(sum(received), 0)::bigint from telemetry.completeness where client_id like $1 || '-agent-%'
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look, seconds after the load began. None: it could not be found out, or there was nothing."""

    at: float
    accepted: int
    stored: int | None
    latency_ms: float | None
    rows: int
    """On the socket since the last look."""

    @property
    def backlog(self) -> int | None:
        """Readings accepted by outboxes and not in the ledger yet."""
        return None if self.stored is None else max(0, self.accepted - self.stored)


@dataclass(frozen=True, slots=True)
class Event:
    """A fault that began (`lasts` tells for how long), or a phase of the run."""

    at: float
    what: str
    lasts: float = 0.0
    is_fault: bool = False


@dataclass(slots=True)
class Timeline:
    """Samples and events of one run; `begin` sets its zero."""

    samples: list[Sample] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    most_memory_mib: dict[str, float] = field(default_factory=dict)
    _began: float = 0.0

    def begin(self) -> None:
        """Call this moment zero."""
        self._began = time.monotonic()

    @property
    def has_begun(self) -> bool:
        """Tell whether there is a zero."""
        return self._began > 0

    @property
    def now(self) -> float:
        """Seconds since `begin`."""
        return time.monotonic() - self._began

    def note(self, what: str, *, lasts: float = 0.0, is_fault: bool = False) -> None:
        """Write down that something happens now."""
        self.events.append(Event(round(self.now, 2), what, lasts, is_fault))


class Watcher:
    """Fills a timeline: a socket client of the gateway, the ledger, the oracle, the processes' memory."""

    def __init__(self, stack: EmbeddedStack, session: GatewaySession, crowd: Crowd, timeline: Timeline) -> None:
        self._stack = stack
        self._session = session
        self._crowd = crowd
        self._timeline = timeline
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._delays: list[float] = []
        self._rows = 0
        self.frames = 0
        self.late_spans = 0
        """Stretches of readings that ingest found late: a socket is told of them instead of the readings."""

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._look())

    async def _listen(self) -> None:
        while True:
            async with LiveClient(self._stack.gateway_url, RestTokenSource(self._session)) as client:
                await client.subscribe(
                    Topic.TELEMETRY_RAW, filter=Filter(device_ids=self._crowd.agent_ids), interval_ms=0, snapshot=False
                )
                with suppress(LiveStoppedError):
                    async for frame in client:
                        self.take(frame)
            await asyncio.sleep(_PERIOD)

    def take(self, frame: object) -> None:
        """Hear one frame of the socket."""
        if isinstance(frame, GapFrame) and frame.reason is GapReason.LATE:
            self.late_spans += 1
        if not isinstance(frame, DataFrame):
            return
        self.frames += 1
        self._rows += len(frame.rows)
        now_ms = time.time() * 1000
        self._delays += [max(0.0, now_ms - row[2]) for row in frame.rows]

    async def _look(self) -> None:
        while True:
            accepted = await asyncio.to_thread(self._crowd.accepted)
            stored = await self._stored()
            delays, self._delays = sorted(self._delays), []
            rows, self._rows = self._rows, 0
            median = delays[len(delays) // 2] if delays else None
            if self._timeline.has_begun:
                self._timeline.samples.append(Sample(round(self._timeline.now, 2), accepted, stored, median, rows))
            self._measure_memory()
            await asyncio.sleep(_PERIOD)

    async def _stored(self) -> int | None:
        try:
            async with asyncio.timeout(_ASKING):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await asyncpg.connect(self._stack.database_url)
                found: int = await self._connection.fetchval(_STORED, self._crowd.prefix)
                return found
        except DATABASE_ERRORS:
            if self._connection is not None:
                self._connection.terminate()
                self._connection = None
            return None

    def _measure_memory(self) -> None:
        for part in self._stack.parts():
            pid = self._stack.pid(part)
            if pid is None:
                continue
            with suppress(psutil.Error):
                mib = psutil.Process(pid).memory_info().rss / 2**20
                self._timeline.most_memory_mib[part] = max(mib, self._timeline.most_memory_mib.get(part, 0.0))
