"""Frames between the link that receives them and the application that applies them.

What it guarantees: order; a bound (a full inbox makes the link wait, and so the server); frames of a link that ended
are never handed out any more, because the next link will bring them again; and it knows whether the frame in hand was
applied.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from pulse_contracts.frames import HeartbeatFrame
from pulse_local.watch.live_types import AppliedFrame

_BOUND: Final = 1024
"""Frames received and not yet applied; beyond it the server's own rule for slow clients takes over."""

Received = AppliedFrame | HeartbeatFrame


class Inbox:
    """One link puts, one application takes."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[int, Received] | None] = asyncio.Queue(_BOUND)
        self._link = 0
        self._in_hand: Received | None = None
        self._settled = asyncio.Event()
        self._settled.set()

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing waits to be taken."""
        return self._queue.empty()

    async def put(self, frame: Received) -> None:
        """Add a frame of the present link; waits while the inbox is full."""
        await self._queue.put((self._link, frame))

    async def take(self) -> Received | None:
        """Return the next frame, which is then in hand; None when only woken."""
        entry = await self._queue.get()
        if entry is None or entry[0] != self._link:
            return None
        self._in_hand = entry[1]
        self._settled.clear()
        return entry[1]

    def settle(self) -> Received | None:
        """The frame in hand was applied: return it, once."""
        frame, self._in_hand = self._in_hand, None
        self._settled.set()
        return frame

    async def until_settled(self, timeout_s: float) -> None:
        """Wait until nothing is in hand, but no longer than this."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()

    def end_link(self) -> int:
        """Throw away what was not handed out yet, and return how much that was."""
        self._link += 1
        discarded = 0
        while not self._queue.empty():
            discarded += self._queue.get_nowait() is not None
        self.wake()
        return discarded

    def wake(self) -> None:
        """Let a waiting `take` return None; a full inbox needs no waking."""
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait(None)
