"""So many at a time, so many in line, and nobody beyond that: what keeps a crowd from slowing everybody else down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pulse_chassis.errors import UnavailableError

_RETRY_SECONDS = 2.0


class Turnstile:
    """Lets `at_once` through; `waiting` more stand in line, first come first served."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._bound = at_once + waiting
        self._inside = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a place; raises UnavailableError when the line is full."""
        if self._inside >= self._bound:
            message = "too many people are signing in at this moment"
            raise UnavailableError(message, code="password_checks_busy", retry_after=_RETRY_SECONDS)
        self._inside += 1
        try:
            async with self._places:
                yield
        finally:
            self._inside -= 1
