"""How a person or the system ends a supervisor: once to stop in order, twice to stop at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

from pulse_local.supervisor.supervisor import Supervisor

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def run_until_signal(
    supervisor: Supervisor, when_ready: Callable[[asyncio.Event], Awaitable[None]] | None = None
) -> None:
    """Run a stack until a signal asks for its end; `when_ready` runs beside it and may set the stop event itself."""
    stop, ready = asyncio.Event(), asyncio.Event()

    def end() -> None:
        if stop.is_set():
            supervisor.kill_all()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in _ENDING:
        loop.add_signal_handler(number, end)

    async def accompany() -> None:
        await ready.wait()
        if when_ready is not None:
            try:
                await when_ready(stop)
            except BaseException:
                stop.set()
                raise

    company = asyncio.create_task(accompany())
    try:
        await supervisor.run(stop, ready)
    finally:
        # It ended by itself, or waits for a stack that has gone.
        if not company.done():
            company.cancel()
        outcome = (await asyncio.gather(company, return_exceptions=True))[0]
    if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
        raise outcome
