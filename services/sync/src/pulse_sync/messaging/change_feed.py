"""From the streams of identity into the change log: where to look again, many events as one look.

Each stream is read as a group, so replicas share it, and acknowledged after the commit. What gets lost all the same, the
full comparison finds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from pydantic import ValidationError
from redis.asyncio import Redis

from pulse_chassis.backoff import Backoff
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.run import Worker
from pulse_chassis.streams import StreamGroup
from pulse_contracts.streams import (
    ACCESS_STREAM,
    CHANGES_STREAM,
    DEVICES_STREAM,
    AccessChanged,
    DeviceChanged,
    RowChanged,
)
from pulse_sync.use_cases.absorb_changes import Hints

GROUP: Final = "sync"
BATCH: Final = 500
BLOCK_MS: Final = 1_000
Absorb = Callable[[Hints], Awaitable[None]]
_log = get_logger("change_feed")


def row_hints(entries: Iterable[bytes]) -> Hints:
    """Read entries of `pulse:changes`."""
    events = [RowChanged.model_validate_json(entry) for entry in entries]
    return Hints(rows=frozenset((event.entity, event.id) for event in events))


def device_hints(entries: Iterable[bytes]) -> Hints:
    """Read entries of `pulse:devices`: registrations and ends; how devices are doing is none of our business."""
    events = [DeviceChanged.model_validate_json(entry) for entry in entries]
    return Hints(
        desktops=frozenset(event.device_id for event in events if event.registration is not None or event.is_deleted)
    )


def access_hints(entries: Iterable[bytes]) -> Hints:
    """Read entries of `pulse:access`: a share is about a device, a role about a user, and one of neither about all."""
    events = [AccessChanged.model_validate_json(entry) for entry in entries]
    scoped = [event for event in events if event.kind != "session_revoked"]
    return Hints(
        desktops=frozenset(event.device_id for event in scoped if event.device_id is not None),
        users=frozenset(str(event.user_id) for event in scoped if event.user_id is not None),
        is_everything=any(event.user_id is None and event.device_id is None for event in scoped),
    )


READERS: Final[dict[str, Callable[[Iterable[bytes]], Hints]]] = {
    CHANGES_STREAM: row_hints,
    DEVICES_STREAM: device_hints,
    ACCESS_STREAM: access_hints,
}


class ChangeFeed:
    """Follows one stream."""

    def __init__(self, redis: Redis, stream: str, absorb: Absorb) -> None:
        self._stream = stream
        self._group = StreamGroup(redis, stream, GROUP)
        self._read_hints = READERS[stream]
        self._absorb = absorb

    def worker(self) -> Worker:
        """Return the worker; asked to stop, it ends the batch at hand."""
        return Worker(f"feed_{self._stream.rpartition(':')[2]}", self._run)

    async def drain(self) -> None:
        """Take what is on the stream now. Raises UnavailableError."""
        await self._group.open()
        for read in (self._group.read_unacknowledged, self._group.read):
            while entries := await read(BATCH):
                await self._take(entries)

    async def _run(self, stop: asyncio.Event) -> None:
        backoff = Backoff(0.2, 5.0)
        is_down = False
        while not stop.is_set():
            try:
                await self.drain()
                is_down = False
                backoff.reset()
                while not stop.is_set():
                    await self._take(await self._group.read(BATCH, BLOCK_MS))
            except UnavailableError as error:
                if not is_down:
                    _log.warning("change_feed_paused", stream=self._stream, reason=error.message)
                is_down = True
                try:
                    async with asyncio.timeout(backoff.next_delay()):
                        await stop.wait()
                except TimeoutError:
                    continue

    async def _take(self, entries: list[tuple[str, bytes]]) -> None:
        if not entries:
            return
        hints = self._hints([entry for _, entry in entries])
        if hints != Hints():
            await self._absorb(hints)
        await self._group.acknowledge([entry_id for entry_id, _ in entries])

    def _hints(self, entries: list[bytes]) -> Hints:
        try:
            return self._read_hints(entries)
        except ValidationError:
            # Which of them it is does not matter: everything is looked at again.
            _log.error("change_entry_unreadable", stream=self._stream)
            return Hints(is_everything=True)
