"""Follows one Redis stream by plain XREAD (no consumer group: every gateway process reads everything).

Guaranteed: every entry is dispatched once and in order, or the position is declared lost: the state is loaded anew and
everybody hears of a gap. Silence is never taken for continuity: after an outage, and whenever a read came back full, the
last entry read must still exist, because XREAD starts behind a hole without a word (gateway.md, resume, 2).
The position is read first, then the state, then the entries behind the position.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic

from redis.asyncio import Redis

from pulse_chassis.backoff import Backoff
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.streams import StreamReader, entry_exists, epoch, position
from pulse_contracts.frames import RESUME_MAX_BYTES, RESUME_MAX_ENTRIES, GapReason
from pulse_gateway.domain.ring import EntryT
from pulse_gateway.domain.stats import LiveStats
from pulse_gateway.domain.stream_id import START, StreamId, parse_stream_id
from pulse_gateway.messaging.decoding import BadEntryError
from pulse_gateway.messaging.entry_traces import EntryTraces
from pulse_gateway.use_cases.stream_view import StreamView

READ_COUNT: Final = 500
BLOCK_MS: Final = 1_000
EPOCH_CHECK_SECONDS: Final = 1.0
TAIL_COUNT: Final = 200

_log = get_logger("feed")


@dataclass(frozen=True, slots=True)
class FeedHandlers(Generic[EntryT]):
    """What a feed does with what it finds."""

    decode: Callable[[StreamId, bytes], EntryT]
    take: Callable[[Sequence[EntryT]], None]
    """Takes entries in order and advances the view."""
    load: Callable[[], Awaitable[None]]
    """Loads the state from the database; raises UnavailableError. The position has been read before."""
    lost: Callable[[str, GapReason, StreamId], None]
    """Called after `load` when the entries since some position are not to be had."""
    preload: Callable[[EntryT], None] | None = None
    """Told of each entry found before the position at the first start, oldest first."""


class StreamFeed(Generic[EntryT]):
    """One stream, from now on."""

    def __init__(
        self,
        redis: Redis,
        view: StreamView[EntryT],
        handlers: FeedHandlers[EntryT],
        stats: LiveStats,
        traces: EntryTraces | None = None,
    ) -> None:
        self._redis = redis
        self._view = view
        self._on = handlers
        self._stats = stats
        self._traces = traces
        self._reader = StreamReader(redis, view.name, None if traces is None else traces.note)
        self._checked_at = 0.0
        self._stopping = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the stream until `stop`; an outage of Redis or the database is waited out."""
        following = asyncio.create_task(self._follow(), name=f"feed:{self._view.name}")
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
        finally:
            stopping.cancel()
            # Said as well, because a client library may turn a cancellation into an error of its own.
            self._stopping.set()
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following

    async def _follow(self) -> None:
        backoff = Backoff(0.05, 1.0)
        while not self._stopping.is_set():
            try:
                await self._attach()
                backoff.reset()
                while not self._stopping.is_set() and await self._step():
                    pass
            except UnavailableError as error:
                if self._stopping.is_set():
                    return
                self._view.has_failed = True
                if self._view.is_connected:
                    self._view.is_connected = False
                    _log.warning("stream_lost", stream=self._view.name, reason=str(error.__cause__ or error))
                await asyncio.sleep(0.02 + backoff.next_delay())

    async def _attach(self) -> None:
        """Get to a state from which reading on is right; raises UnavailableError."""
        view = self._view
        found_epoch = await epoch(self._redis, view.name)
        if not view.is_ready:
            await self._begin(found_epoch)
        elif found_epoch != view.epoch:
            await self._begin_again(found_epoch, GapReason.EPOCH)
        elif not await self._is_continuous(view.position):
            await self._begin_again(found_epoch, GapReason.TRIMMED)
        self._checked_at = asyncio.get_running_loop().time()
        if not view.is_connected:
            view.is_connected = True
            _log.info("stream_followed", stream=view.name, epoch=view.epoch, position=str(view.position))

    async def _step(self) -> bool:
        """Read once; False when the position must be looked at again."""
        view = self._view
        batch = await self._reader.read(str(view.position), READ_COUNT, BLOCK_MS)
        if len(batch) >= READ_COUNT and not await self._is_continuous(view.position):
            return False
        if batch:
            self._dispatch(batch)
        now = asyncio.get_running_loop().time()
        if now - self._checked_at >= EPOCH_CHECK_SECONDS:
            self._checked_at = now
            return await epoch(self._redis, view.name) == view.epoch and (
                bool(batch) or await self._is_continuous(view.position)
            )
        return True

    def _dispatch(self, batch: Sequence[tuple[str, bytes]]) -> None:
        began_ns = time.time_ns()
        entries = []
        for text, payload in batch:
            entry = self._decode(text, payload)
            if entry is not None:
                entries.append(entry)
                self._view.ring.append(entry)
        if entries:
            self._on.take(entries)
        if self._traces is not None:
            self._traces.taken(began_ns)
        last = parse_stream_id(batch[-1][0])
        if last is not None and last > self._view.position:
            self._view.advance(last)

    def _decode(self, text: str, payload: bytes) -> EntryT | None:
        entry_id = parse_stream_id(text)
        try:
            return None if entry_id is None else self._on.decode(entry_id, payload)
        except BadEntryError as error:
            self._stats.bad_entries += 1
            _log.warning("entry_not_read", stream=self._view.name, entry=text, reason=str(error)[:300])
            return None

    async def _begin(self, found_epoch: str) -> None:
        view = self._view
        start = await self._position()
        view.epoch = found_epoch
        await self._load_tail(start)
        await self._on.load()
        view.advance(start)
        view.is_ready = True

    async def _begin_again(self, found_epoch: str, reason: GapReason) -> None:
        view = self._view
        start = await self._position()
        last = view.position
        await self._on.load()
        view.epoch = found_epoch
        view.ring.reset(start)
        view.advance(start)
        self._stats.positions_lost += 1
        _log.warning("position_lost", stream=view.name, reason=reason.value, last=str(last), now=str(start))
        self._on.lost(view.name, reason, last)

    async def _is_continuous(self, last: StreamId) -> bool:
        """Tell whether everything behind `last` is still to be had."""
        if last == await self._position():
            return True
        if last == START:
            return True
        return await entry_exists(self._redis, self._view.name, str(last))

    async def _position(self) -> StreamId:
        return parse_stream_id(await position(self._redis, self._view.name)) or START

    async def _load_tail(self, start: StreamId) -> None:
        """Fill the ring with what came before, so that clients of an earlier process can go on from there."""
        found: list[tuple[str, bytes]] = []
        size = 0
        before = str(start)
        while len(found) < RESUME_MAX_ENTRIES and size < RESUME_MAX_BYTES:
            page = await self._reader.read_back(before, TAIL_COUNT)
            found += page
            size += sum(len(payload) for _, payload in page)
            if len(page) < TAIL_COUNT:
                break
            before = f"({page[-1][0]}"
        entries = [entry for text, payload in reversed(found) if (entry := self._decode(text, payload))]
        # The oldest one found is where the ring begins: what was before it is not known here.
        self._view.ring.reset(entries[0].id if entries else start)
        for entry in entries[1:]:
            self._view.ring.append(entry)
        if self._on.preload is not None:
            for entry in entries:
                self._on.preload(entry)
