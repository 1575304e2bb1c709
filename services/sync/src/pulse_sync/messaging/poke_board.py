"""Pokes: at most one message per entity every 20 ms, however much changes.

A poke that cannot be sent is dropped: what it would have caused, the desktops' own next pull does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

from pulse_chassis.run import Worker
from pulse_contracts.sync import ENTITY_ORDER, Poke
from pulse_contracts.topics import sync_update

PAUSE_SECONDS: Final = 0.02
Publish = Callable[[Sequence[tuple[str, bytes]]], Awaitable[None]]


class PokeBoard:
    """The `Pokes` of production: holds one cursor for each entity, never more."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._cursors: dict[str, int] = {}
        self._wake = asyncio.Event()

    def touch(self, entities: Collection[str], cursor: int) -> None:
        """Have every desktop hear that these changed up to this cursor."""
        for entity in entities:
            self._cursors[entity] = max(cursor, self._cursors.get(entity, 0))
        self._wake.set()

    def worker(self) -> Worker:
        """Return the worker; asked to stop, it sends what there is."""
        return Worker("poke_board", self._run)

    async def _run(self, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait(), name="poke_stop")
        try:
            while not stop.is_set():
                waking = asyncio.create_task(self._wake.wait(), name="poke_wake")
                await asyncio.wait({stopping, waking}, return_when=asyncio.FIRST_COMPLETED)
                waking.cancel()
                await self._send()
                await asyncio.wait({stopping}, timeout=PAUSE_SECONDS)
        finally:
            stopping.cancel()

    async def _send(self) -> None:
        self._wake.clear()
        cursors, self._cursors = self._cursors, {}
        named = [(entity, cursors[entity]) for entity in ENTITY_ORDER if entity in cursors]
        if named:
            await self._publish(
                [(sync_update(entity), Poke(cursor=cursor).model_dump_json().encode()) for entity, cursor in named]
            )
