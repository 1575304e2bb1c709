"""The windows that are open: how many there may be, what all of them are told, and calls that outlive theirs.

Guarantees: a call that was begun runs to its end although its window died; when the agent stops, calls get a second
to end, every window is told why, and none holds the agent up.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, Protocol

from pulse_agent.local_protocol.calls import Host
from pulse_agent.local_protocol.window import Window, WindowLinks
from pulse_agent.settings import agent_version
from pulse_contracts.local_address import MAX_WINDOWS
from pulse_contracts.local_protocol import Program, RefusalCode, Welcome
from pulse_contracts.local_status import Mode

PROGRAM: Final = "pulse-agent"
LAST_WORDS_SECONDS: Final = 1.0


class Teller(Protocol):
    """Tells windows what happens while there are any."""

    def entered(self, window: Window) -> None:
        """A window has been welcomed."""
        ...

    async def run(self, windows: set[Window]) -> None:
        """Tell `windows` what happens until cancelled."""
        ...


class WindowHall:
    """Holds the windows of one agent."""

    def __init__(self, host: Host, teller: Teller, welcome: Callable[[int], Welcome]) -> None:
        self._host = host
        self._teller = teller
        self._links = WindowLinks(self._start, welcome, self._entered)
        self._windows: set[Window] = set()
        self._calls: set[asyncio.Task[Any]] = set()
        self._telling: asyncio.Task[None] | None = None
        self._emptied = asyncio.Event()
        self._emptied.set()

    async def hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak with one window until it is gone."""
        window = Window(self._host, reader, writer, self._links)
        if len(self._windows) >= MAX_WINDOWS:
            window.refuse(RefusalCode.TOO_MANY_WINDOWS, f"{MAX_WINDOWS} windows are open already")
            await window.run()
            return
        self._windows.add(window)
        self._emptied.clear()
        try:
            await window.run()
        finally:
            self._windows.discard(window)
            if not self._windows:
                self._emptied.set()
                self._stop_telling()

    async def close(self) -> None:
        """Finish what is being done, and let every window go."""
        self._stop_telling()
        if self._calls:
            await asyncio.wait(self._calls, timeout=LAST_WORDS_SECONDS)
        for window in self._windows:
            window.refuse(RefusalCode.STOPPING, "the agent stops")
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._emptied.wait()

    def _entered(self, window: Window) -> None:
        if self._telling is None:
            self._telling = self._start(self._teller.run(self._windows), "tell windows")
            self._calls.discard(self._telling)
        self._teller.entered(window)

    def _stop_telling(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return task


def welcome(version: int, mode: Mode, methods: list[str], started_ms: int) -> Welcome:
    """Return the answer to a hello."""
    return Welcome(
        version=version,
        agent=Program(name=PROGRAM, version=agent_version()),
        mode=mode,
        pid=os.getpid(),
        started_ms=started_ms,
        methods=methods,
    )
