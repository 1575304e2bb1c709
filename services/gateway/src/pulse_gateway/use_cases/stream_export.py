"""Exports that are being streamed: with flat memory, and never more than a few at once.

The writer puts into a queue of a few chunks and waits while it is full. What goes wrong in it is raised to whoever
reads, so that the connection breaks off and nobody takes a part for the whole.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final
from uuid import UUID

from pulse_chassis.errors import RateLimitedError
from pulse_gateway.use_cases.export_ports import Sink

AT_ONCE: Final = 4
AT_ONCE_OF_A_USER: Final = 2
QUEUED: Final = 8
"""Chunks in the queue; when it is full, the writer waits."""
CHUNK_BYTES: Final = 128 * 1024
RETRY_SECONDS: Final = 10.0


class ExportStreams:
    """The places of a process for exports that are streamed."""

    def __init__(self) -> None:
        self._running: Counter[UUID] = Counter()

    def enter(self, user_id: UUID) -> None:
        """Take a place. Raises RateLimitedError when there is none."""
        if self._running.total() >= AT_ONCE or self._running[user_id] >= AT_ONCE_OF_A_USER:
            message = "too many exports are being streamed: wait for one, or have it made in the background"
            raise RateLimitedError(message, code="too_many_exports", retry_after=RETRY_SECONDS)
        self._running[user_id] += 1

    def leave(self, user_id: UUID) -> None:
        """Give the place back."""
        self._running -= Counter({user_id: 1})


async def in_chunks(write: Callable[[Sink], Awaitable[object]]) -> AsyncGenerator[bytes, None]:
    """Give what `write` puts into its sink, in chunks; raise what it raises."""
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUED)
    waiting = bytearray()

    async def sink(data: bytes) -> None:
        waiting.extend(data)
        if len(waiting) >= CHUNK_BYTES:
            chunk = bytes(waiting)
            waiting.clear()
            await queue.put(chunk)

    async def run() -> None:
        try:
            await write(sink)
            await queue.put(bytes(waiting))
        finally:
            await queue.put(None)

    writing = asyncio.create_task(run(), name="export_stream")
    try:
        while (chunk := await queue.get()) is not None:
            if chunk:
                yield chunk
        await writing
    finally:
        writing.cancel()
        await asyncio.wait({writing})
