"""Serves windows for as long as the agent runs. Light: what speaks to a window is loaded when the first one comes.

Guarantees: a door that cannot be opened is said once, tried again, and never ends delivery.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from pulse_agent.local_protocol.transport import CannotListenError, Listener, listen
from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger

RETRY_FIRST_SECONDS: Final = 5.0
RETRY_CEILING_SECONDS: Final = 300.0

_log = get_logger("windows")


class Hall(Protocol):
    """Holds the windows that are open."""

    async def hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak with one window until it is gone."""
        ...

    async def close(self) -> None:
        """Finish what is being done, and let every window go."""
        ...


class LocalServer:
    """The door at `address`; `make_hall` is called once, in a thread, when somebody comes."""

    def __init__(self, address: str, make_hall: Callable[[], Hall], clock: Clock) -> None:
        self._address = address
        self._make_hall = make_hall
        self._clock = clock
        self._hall: Hall | None = None
        self._loading = asyncio.Lock()
        self._holding: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`, then let the windows go."""
        stopping = asyncio.create_task(stop.wait())
        try:
            listener = await self._open(stopping)
            await stopping
            if listener is not None:
                listener.close()
            if self._hall is not None:
                await self._hall.close()
        finally:
            stopping.cancel()
            for task in self._holding:
                task.cancel()
            await asyncio.gather(*self._holding, return_exceptions=True)

    async def _open(self, stopping: asyncio.Task[bool]) -> Listener | None:
        backoff = Backoff(RETRY_FIRST_SECONDS, RETRY_CEILING_SECONDS)
        is_said = False
        while not stopping.done():
            try:
                return await listen(self._address, self._accept)
            except CannotListenError as error:
                log = _log.debug if is_said else _log.warning
                log("windows_not_served", reason=str(error))
                is_said = True
            sleeping = asyncio.ensure_future(self._clock.sleep(backoff.next_delay()))
            await asyncio.wait({stopping, sleeping}, return_when=asyncio.FIRST_COMPLETED)
            sleeping.cancel()
        return None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._hold(reader, writer), name="window")
        self._holding.add(task)
        task.add_done_callback(self._holding.discard)

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self._loading:
                if self._hall is None:
                    self._hall = await asyncio.to_thread(self._make_hall)
            await self._hall.hold(reader, writer)
        except Exception:  # noqa: BLE001 # the supervisor of windows: a mistake here must not end delivery
            _log.exception("window_failed")
        finally:
            writer.close()
