"""An agent-style client: the real outbox and the real delivery of `pulse_agent`, fed with simulated readings.

What is on its disk is delivered, however the link behaves; its outbox lies in a folder of its own and survives the
run, so that a later run with the same data delivers what this one could not.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from pulse_agent.app import Agent
from pulse_agent.domain.connection import ConnectionState
from pulse_agent.domain.quota import Overflow, Quota
from pulse_agent.domain.reading import Reading as AgentReading
from pulse_agent.outbox.outbox import ReadingRefusedError
from pulse_agent.outbox.writer import OutboxUnavailableError
from pulse_agent.settings import OUTBOX_FILE, AgentSettings
from pulse_chassis.mqtt import MqttEndpoint
from pulse_contracts.ids import ClientId
from pulse_simulator.figures import Figures
from pulse_simulator.generation import Generator
from pulse_simulator.oracle import OracleLog
from pulse_simulator.waveforms import Reading

_BALLAST_BYTES: Final = 64 * 1024
"""Hundreds of agents share one disk here: a ballast of the usual size for each would itself fill it."""
_MAX_PUTS: Final = 1000
"""Readings that may wait for the disk; beyond it a beat is skipped, as a slow disk would hold back a sensor's
driver."""
_CONNECTED: Final = frozenset({ConnectionState.ONLINE, ConnectionState.DRAINING})


class AgentDevice:
    """One agent: `open`, then `generate`; `is_drained` tells when nothing is left; `close` stops its delivery."""

    def __init__(self, account: MqttEndpoint, folder: Path, generator: Generator, oracle: OracleLog | None) -> None:
        self._id = account.username or ""
        self._generator = generator
        self._oracle = oracle
        self._agent = Agent(
            AgentSettings(
                outbox_path=folder / OUTBOX_FILE,
                client_id=ClientId(self._id),
                endpoint=account,
                # What was stored is never dropped to make room, so that every figure of the summary is exact.
                quota=Quota(ballast_bytes=_BALLAST_BYTES, overflow=Overflow.REJECT_NEW),
            )
        )
        self._stop = asyncio.Event()
        self._stack = AsyncExitStack()
        self._running: asyncio.Task[None] | None = None
        self._puts: set[asyncio.Task[None]] = set()
        self._stored = 0
        self._refused = 0
        self._inherited = 0
        self._is_open = False

    async def open(self) -> None:
        """Open the outbox and begin to deliver what it holds."""
        await self._stack.enter_async_context(self._agent)
        self._inherited = self._agent.outbox.stats.rows
        self._running = asyncio.create_task(self._agent.run(self._stop), name=f"agent {self._id}")
        self._is_open = True

    async def generate(self) -> None:
        """Measure and store until cancelled."""
        await self._generator.run(self._emit)

    def _emit(self, moment_us: int, reading: Reading) -> None:
        if len(self._puts) >= _MAX_PUTS:
            self._generator.generated -= 1
            self._generator.skipped += 1
            return
        if self._oracle is not None:
            self._oracle.intend(self._id, moment_us, reading)
        task = asyncio.create_task(self._put(moment_us, reading))
        self._puts.add(task)
        task.add_done_callback(self._puts.discard)

    async def _put(self, moment_us: int, reading: Reading) -> None:
        try:
            stored = await self._agent.put(AgentReading(moment_us, reading, "simulated"))
        except (ReadingRefusedError, OutboxUnavailableError):
            self._refused += 1
            return
        self._stored += 1
        if self._oracle is not None:
            self._oracle.accepted(self._id, moment_us, stored.sequence)

    @property
    def is_connected(self) -> bool:
        """Tell whether the server has welcomed it."""
        return self._agent.status().state in _CONNECTED

    @property
    def is_drained(self) -> bool:
        """Tell whether the outbox holds neither readings nor declarations of loss."""
        stats = self._agent.outbox.stats
        return not self._puts and stats.rows == 0 and stats.losses == 0

    def raise_if_dead(self) -> None:
        """Raise what ended the agent's delivery, if it ended by itself."""
        if self._running is not None and self._running.done() and not self._stop.is_set():
            self._running.result()
            raise RuntimeError(f"agent {self._id} ended by itself")

    async def close(self) -> None:
        """Say goodbye to the broker and close the outbox; what it holds stays on the disk."""
        if self._puts:
            await asyncio.wait(self._puts)
        self._stop.set()
        if self._running is not None:
            await asyncio.wait({self._running})
        await self._stack.aclose()

    def figures(self) -> Figures:
        """Return what it did so far."""
        if not self._is_open:
            return Figures(clients=1)
        status = self._agent.status()
        counts, rows = status.counts, status.stats.rows
        known = self._inherited + self._stored
        sent = counts.live_rows + counts.buffer_rows
        settled = max(0, known - rows - counts.rejected_rows)
        return Figures(
            clients=1,
            generated=self._generator.generated,
            sent=sent,
            acked=settled,
            outstanding=rows + len(self._puts),
            resent=max(0, sent - known),
            rejected=counts.rejected_rows,
            lost=self._refused,
            skipped=self._generator.skipped,
            connected=int(self.is_connected),
            connections=counts.connections,
        )
