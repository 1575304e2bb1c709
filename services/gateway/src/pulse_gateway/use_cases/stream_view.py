"""What the rest of the gateway sees of a stream: its epoch, the position read so far, and the newest entries."""

from __future__ import annotations

import asyncio
from typing import Final, Generic

from pulse_contracts.frames import Position
from pulse_gateway.domain.ring import EntryT, NotRecovered, Recovered, Ring
from pulse_gateway.domain.stream_id import START, StreamId, parse_stream_id

CATCH_UP_SECONDS: Final = 1.0
"""How long a resume waits for an offset that another gateway process has read and this one has not yet."""


class StreamView(Generic[EntryT]):
    """One stream as this process has read it. Whoever reads it keeps it current; everyone else only looks."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.epoch = ""
        self.position = START
        self.ring: Ring[EntryT] = Ring()
        self.is_ready = False
        """Whether the state at `position` is loaded. Once it is, it stays: an outage only stops the news."""
        self.is_connected = False
        self.has_failed = False
        """Whether it could not be loaded when that was tried: what is neither ready nor failed is about to be."""
        self._advanced = asyncio.Event()

    def advance(self, position: StreamId) -> None:
        """Note that everything up to `position` has been dispatched."""
        self.position = position
        self._advanced.set()
        self._advanced = asyncio.Event()

    async def resume(self, since: Position) -> Recovered[EntryT] | NotRecovered:
        """Decide whether a client can go on from `since`, and with which entries."""
        offset = parse_stream_id(since.offset)
        if since.epoch == self.epoch and offset is not None and offset > self.position:
            await self._reach(offset)
        return self.ring.resume(self.epoch, since)

    async def _reach(self, offset: StreamId) -> None:
        try:
            async with asyncio.timeout(CATCH_UP_SECONDS):
                while self.position < offset:
                    await self._advanced.wait()
        except TimeoutError:
            return
