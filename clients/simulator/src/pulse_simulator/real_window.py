"""A real desktop window in a process of its own, without a screen: told what to do, asked what is to be seen, killed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

PATIENCE_SECONDS: Final = 60.0


class RealWindow:
    """One window's process; `seen` is what it shows now (`pulse_desktop.watched`), `past` all that it showed."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read(), name="window")
        self.past: list[dict[str, Any]] = []

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def seen(self) -> dict[str, Any]:
        """What it shows now; empty before it shows anything."""
        return self.past[-1] if self.past else {}

    async def sign_in(self, username: str, password: str) -> None:
        """Fill in the page that asks who is there, and wait for the main page. Raises TimeoutError."""
        await self.until(lambda seen: seen["page"] == "sign_in", "it asks who is there")
        order = {"do": "sign_in", "username": username, "password": password}
        assert self._process.stdin is not None  # noqa: S101 - a tool of tests
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()
        await self.until(lambda seen: seen["page"] == "home", "it shows its main page")

    async def until(
        self, condition: Callable[[dict[str, Any]], object], what: str, seconds: float = PATIENCE_SECONDS
    ) -> dict[str, Any]:
        """Wait until it shows something, and return all that it shows then. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not (self.past and condition(self.seen)):
            left = deadline - time.monotonic()
            if left <= 0 or self._reading.done():
                message = f"not in {seconds:g} s: {what}; it showed {self.past[-5:]}"
                raise TimeoutError(message)
            self._news.clear()
            await self._more(left)
        return self.seen

    async def kill(self) -> None:
        """Kill it as a crash would."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def _more(self, seconds: float) -> None:
        """Wait until it shows something else, or ended."""
        news = asyncio.create_task(self._news.wait())
        await asyncio.wait({news, self._reading}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        news.cancel()

    async def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - a tool of tests
        while line := await self._process.stdout.readline():
            self.past.append(json.loads(line))
            self._news.set()


@asynccontextmanager
async def real_window(data: Path, *options: str, agent_command: str | None = None) -> AsyncIterator[RealWindow]:
    """Open a window over an agent's folder; it starts agents by `agent_command`, and none without it."""
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    if agent_command is None:
        options = (*options, "--no-agent")
    else:
        environment["PULSE_DESKTOP_AGENT"] = agent_command
    command = [sys.executable, "-m", "pulse_desktop.watched", "--data", str(data), *options]
    window = RealWindow(await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=environment))
    try:
        yield window
    finally:
        await window.kill()
