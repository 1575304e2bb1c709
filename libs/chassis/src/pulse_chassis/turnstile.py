"""So many at a time, so many in line, and nobody beyond that: what keeps a crowd from slowing everybody else down.

A route that costs much says `Depends(in_turn())`, the app is given the turnstile, and the layer of `request_bounds` asks it
before anything else is done for a request: whoever waits has had a connection, a parsed request and a read body, no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from pulse_chassis.errors import UnavailableError

_RETRY_SECONDS: Final = 2.0


class TurnstileFullError(UnavailableError):
    """503: the line is full."""

    default_code = "too_many_at_once"


class Turnstile:
    """Lets `at_once` through; `waiting` more stand in line, first come first served."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._bound = at_once + waiting
        self._inside = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a place; raises TurnstileFullError when the line is full."""
        if self._inside >= self._bound:
            message = "too many requests of this kind are under way; try again later"
            raise TurnstileFullError(message, retry_after=_RETRY_SECONDS)
        self._inside += 1
        try:
            async with self._places:
                yield
        finally:
            self._inside -= 1
