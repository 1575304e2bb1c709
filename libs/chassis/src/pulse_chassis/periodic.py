"""A worker that acts again and again. An unavailable dependency only delays it, said once; any other error ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.run import Worker

_log = get_logger("periodic")


def periodic_worker(seconds: float, name: str, action: Callable[[], Awaitable[None]]) -> Worker:
    """Return a worker that acts again and again; an unavailable dependency only delays it, said once."""

    async def run(stop: asyncio.Event) -> None:
        is_down = False
        while not stop.is_set():
            try:
                await action()
                is_down = False
            except UnavailableError as error:
                if not is_down:
                    _log.warning("pass_postponed", worker=name, reason=error.message)
                is_down = True
            try:
                async with asyncio.timeout(seconds):
                    await stop.wait()
            except TimeoutError:
                continue

    return Worker(name, run)
