"""One run's cast: what faults act on and what evidence is taken from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pulse_chaos.ack_probe import AckProbe
from pulse_chaos.crowd import Crowd
from pulse_chaos.intruders import Intruder
from pulse_chaos.requests import Requests
from pulse_chaos.site import Site
from pulse_chaos.timeline import Timeline, Watcher
from pulse_simulator.oracle import OracleLog
from pulse_simulator.tcp_proxy import TcpProxy


@dataclass(slots=True)
class Scene:
    """Everybody of one run. `loses_plain` is set by faults after which a device without an outbox may have lost readings."""

    site: Site
    proxy: TcpProxy
    crowd: Crowd
    probe: AckProbe
    requests: Requests
    watcher: Watcher
    timeline: Timeline
    intruder: Intruder
    oracle: OracleLog
    clone: Crowd | None = None
    loses_plain: bool = False
    breaks_order: bool = False
    """Set by faults after which one device's clock or copies contradict each other by nature."""
    is_late: bool = False
    """Set by a clock that stays back: its readings are late by nature, and a socket is told of their spans."""
    wants_conflict: bool = False
    """Set by a fault that had both sides edit the same while neither could hear of the other."""
    tasks: dict[str, asyncio.Task[Any]] = field(default_factory=dict)
    before_evidence: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """What sabotage does when the run is quiet."""
    at_the_end: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """What sabotage takes back when the verdict is given."""

    @property
    def told_on_the_socket(self) -> int:
        """How often the socket was told of readings: of late ones too, but only where they must be late."""
        return self.watcher.frames + (self.watcher.late_spans if self.is_late else 0)

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        """Run something beside the load."""
        self.tasks[name] = asyncio.create_task(work, name=name)

    async def stop(self, name: str) -> None:
        """End it; raises what it died of, if it did."""
        task = self.tasks.pop(name, None)
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def stop_all(self) -> None:
        """End everything that runs beside the load."""
        for name in list(self.tasks):
            await self.stop(name)
