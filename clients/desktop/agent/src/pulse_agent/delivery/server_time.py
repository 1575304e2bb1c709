"""The server's time as this agent knows it: the last `server_time` heard, moved on by the monotonic clock.

Guarantees: a wall clock that is wrong, or is set while the agent runs, does not move it. Before anything was heard it
is the wall clock. Never does: set the machine's clock.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from pulse_chassis.clock import Clock


class ServerTime:
    """Unix time in seconds, as the server would say it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: tuple[float, float] | None = None
        self._known = asyncio.Event()

    @property
    def is_known(self) -> bool:
        """Whether the server has said the time since this agent started."""
        return self._heard is not None

    def observe(self, server_ms: int) -> None:
        """Take note of a message that the server made at `server_ms` (Unix milliseconds)."""
        self._heard = (server_ms / 1000, self._clock.monotonic())
        self._known.set()

    def now(self) -> float:
        """Return the server's Unix seconds: at most as late as they are by what was heard, as messages take time."""
        if self._heard is None:
            return self._clock.now().timestamp()
        server, then = self._heard
        return server + self._clock.monotonic() - then

    async def wait(self, seconds: float | None) -> None:
        """Return once the server has said the time, or after so many seconds (None: never mind how many)."""
        if not self._known.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._known.wait()
