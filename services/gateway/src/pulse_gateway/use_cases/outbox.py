"""The frames that wait for one socket, and the task that writes them.

Guaranteed: bounded (1 MiB or 1,024 frames; above it the socket is ended as slow), never blocks whoever adds a frame,
writes in order, and yields to other tasks during long runs: `await send()` in a bare loop does not, and a vanished
client would then spin a core and block SIGTERM. What can be conflated does not wait here but in its subscription, and is
asked for when there is room.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from pulse_gateway.domain.refusal import Farewell

MAX_BYTES: Final = 1024 * 1024
MAX_FRAMES: Final = 1024
HIGH_BYTES: Final = 256 * 1024
"""Above this for 5 s a socket is slow; raw telemetry is thinned out before it comes to that."""
LOW_BYTES: Final = 64 * 1024
"""Below this a subscription with a backlog may add its next frame."""
MAX_BATCH_CHARS: Final = 64 * 1024
YIELD_EVERY: Final = 16
_ENVELOPE: Final = 16


class Source(Protocol):
    """A subscription that has frames to give when there is room."""

    in_flight: int

    def refill(self) -> bool:
        """Add the next frame; return whether more is pending."""
        ...


class Outbox:
    """The queue of one socket. `on_overflow` is called once when it is above its bound."""

    def __init__(self, on_overflow: Callable[[], None], count_frame: Callable[[str], None]) -> None:
        self._on_overflow = on_overflow
        self._count = count_frame
        self._queue: deque[tuple[str, int, Source | None]] = deque()
        self._waiting: dict[Source, None] = {}
        self._wake: asyncio.Future[None] | None = None
        self._farewell: Farewell | None = None
        self.bytes = 0
        self.high_since: float | None = None
        self.send_started: float | None = None
        self.batches = False

    @property
    def farewell(self) -> Farewell | None:
        """Why the socket is being ended, once it is."""
        return self._farewell

    def put(self, kind: str, text: str, source: Source | None = None) -> None:
        """Queue a frame. After a farewell nothing is taken any more."""
        if self._farewell is not None:
            return
        self._append(kind, text, source)
        if self.bytes > HIGH_BYTES:
            if self.high_since is None:
                self.high_since = asyncio.get_running_loop().time()
            if self.bytes > MAX_BYTES:
                self._on_overflow()
        if len(self._queue) > MAX_FRAMES:
            self._on_overflow()

    def overflow(self) -> None:
        """End the socket as slow: more waits for it elsewhere than may, and nothing of that can be left out."""
        if self._farewell is None:
            self._on_overflow()

    def wait_for_room(self, source: Source) -> None:
        """Have `source.refill()` called as soon as there is room."""
        if self._farewell is None:
            self._waiting[source] = None
            self._notify()

    def forget(self, source: Source) -> None:
        """Ask this source for nothing more."""
        self._waiting.pop(source, None)

    def say_farewell(self, farewell: Farewell, bye: str, *, drop_queue: bool) -> None:
        """Make `bye` the last frame; with `drop_queue` also the next one."""
        if self._farewell is not None:
            return
        if drop_queue:
            self._queue.clear()
            self.bytes = 0
        self._waiting.clear()
        self._append("bye", bye, None)
        self._farewell = farewell

    async def run(self, send: Callable[[str], Awaitable[None]]) -> Farewell:
        """Write until the farewell is out, and return it."""
        loop = asyncio.get_running_loop()
        written = 0
        while True:
            if self.bytes < LOW_BYTES and self._waiting:
                self._refill()
            if not self._queue:
                if self._farewell is not None:
                    return self._farewell
                if not self._waiting:
                    self._wake = loop.create_future()
                    await self._wake
                    self._wake = None
                continue
            text = self._next()
            self.send_started = loop.time()
            await send(text)
            self.send_started = None
            written += 1
            if written % YIELD_EVERY == 0:
                await asyncio.sleep(0)

    def _append(self, kind: str, text: str, source: Source | None) -> None:
        size = len(text) if text.isascii() else len(text.encode())
        self._queue.append((text, size + _ENVELOPE, source))
        self.bytes += size + _ENVELOPE
        if source is not None:
            source.in_flight += 1
        self._count(kind)
        self._notify()

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _refill(self) -> None:
        source = next(iter(self._waiting))
        del self._waiting[source]
        if source.refill():
            # Behind the others: subscriptions of one socket take turns.
            self._waiting[source] = None

    def _next(self) -> str:
        text = self._pop()
        if not self.batches or not self._queue:
            return text
        texts = [text]
        room = MAX_BATCH_CHARS - len(text)
        while self._queue and (room := room - len(self._queue[0][0])) > 0:
            texts.append(self._pop())
        return text if len(texts) == 1 else f"[{','.join(texts)}]"

    def _pop(self) -> str:
        text, size, source = self._queue.popleft()
        self.bytes -= size
        if self.bytes <= HIGH_BYTES:
            self.high_since = None
        if source is not None:
            source.in_flight -= 1
        return text
