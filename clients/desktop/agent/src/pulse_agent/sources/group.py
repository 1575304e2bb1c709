"""The sources of one agent: started and stopped one by one while it runs, by how they were named.

Guarantees: what stays is not touched by what comes or goes; a change that cannot be made whole (one source cannot be
created) changes nothing; a source without an interval of its own follows the agent's. Never does: create a source
(the caller says how), or let one source end the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pulse_agent.outbox.outbox import Outbox
from pulse_agent.sources.source import Source
from pulse_agent.sources.supervision import SourceSupervisor
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger

STOP_SECONDS: Final = 5.0
"""What a source gets to stop before it is cancelled."""

MakeSource = Callable[[str], Source]

_log = get_logger("source")


@dataclass(slots=True)
class _Running:
    supervisor: SourceSupervisor
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class SourceGroup:
    """Runs sources for one outbox. `texts` name them, as on the command line: `host`, `lines:socket=a.sock`."""

    def __init__(self, outbox: Outbox, clock: Clock, sources: Mapping[str, Source]) -> None:
        self._outbox = outbox
        self._clock = clock
        self._members: dict[str, _Running] = {text: self._member(source) for text, source in sources.items()}
        self._retired_refused = 0
        self._custom: Mapping[str, Any] = {}
        self._is_running = False
        self._failed: asyncio.Future[None] | None = None
        self._changing = asyncio.Lock()

    # -- what is there ----------------------------------------------------------------------------------------------

    @property
    def texts(self) -> list[str]:
        """The sources that run, by how they were named."""
        return list(self._members)

    @property
    def refused(self) -> int:
        """How many readings the outbox refused."""
        return self._retired_refused + sum(member.supervisor.refused for member in self._members.values())

    # -- changes ----------------------------------------------------------------------------------------------------

    def change_interval(self, seconds: float, *, name: str | None = None) -> bool:
        """Have timers sample every `seconds`: that of the source `name`, else all without an interval of their own.

        False when there was none.
        """
        changed = [
            member.supervisor.change_interval(seconds)
            for text, member in self._members.items()
            if (not has_own_interval(text) if name is None else member.supervisor.name == name)
        ]
        return any(changed)

    async def run_only(self, texts: Sequence[str], make: MakeSource) -> None:
        """Run exactly these: start what is missing, stop what is not named. Raises what `make` raises; then nothing changed."""
        async with self._changing:
            wanted = list(dict.fromkeys(texts))
            fresh = {text: self._member(make(text)) for text in wanted if text not in self._members}
            for member in fresh.values():
                member.supervisor.configure(self._custom)
            await self._retire([text for text in self._members if text not in wanted])
            self._members.update(fresh)
            self._start_all()

    async def restart(self, make: MakeSource) -> None:
        """Start every source anew. Raises what `make` raises; then nothing changed."""
        async with self._changing:
            fresh = {text: self._member(make(text)) for text in self._members}
            for member in fresh.values():
                member.supervisor.configure(self._custom)
            await self._retire(list(self._members))
            self._members.update(fresh)
            self._start_all()

    def configure(self, values: Mapping[str, Any]) -> list[str]:
        """Hand the `custom.` keys to sources that ask for them; return why some did not take them."""
        self._custom = dict(values)
        problems = [member.supervisor.configure(self._custom) for member in self._members.values()]
        return [problem for problem in problems if problem is not None]

    # -- life -------------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Run the sources until `stop`."""
        self._failed = asyncio.get_running_loop().create_future()
        self._is_running = True
        self._start_all()
        stopping = asyncio.create_task(stop.wait())
        try:
            watched: list[asyncio.Future[Any]] = [stopping, self._failed]
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if self._failed.done():
                self._failed.result()
        finally:
            self._is_running = False
            stopping.cancel()
            self._failed.cancel()
            async with self._changing:
                await self._stop(list(self._members.values()))

    # -- inside -----------------------------------------------------------------------------------------------------

    def _member(self, source: Source) -> _Running:
        return _Running(SourceSupervisor(source, self._outbox, self._clock))

    def _start_all(self) -> None:
        if not self._is_running:
            return
        for member in self._members.values():
            if member.task is None:
                name = f"source {member.supervisor.name}"
                member.task = asyncio.create_task(member.supervisor.run(member.stop), name=name)
                member.task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _retire(self, texts: list[str]) -> None:
        members = [self._members.pop(text) for text in texts]
        await self._stop(members)
        self._retired_refused += sum(member.supervisor.refused for member in members)

    @staticmethod
    async def _stop(members: list[_Running]) -> None:
        for member in members:
            member.stop.set()
        tasks = {member.task for member in members if member.task is not None}
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        for task in late:
            _log.warning("source_stops_late", task=task.get_name())
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=STOP_SECONDS)


def has_own_interval(text: str) -> bool:
    """Tell whether a source was named with an interval of its own, `name:interval=2`."""
    return any(pair.partition("=")[0].strip() == "interval" for pair in text.partition(":")[2].split(","))
