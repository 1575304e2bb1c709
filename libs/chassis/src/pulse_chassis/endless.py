"""Work that never ends by itself, beside the event that ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

CANCEL_AGAIN_SECONDS: Final = 0.2


async def run_until(stop: asyncio.Event, endless: Coroutine[Any, Any, None], *, name: str) -> None:
    """Run `endless` until `stop` is set, then end it; what it raises is raised here.

    It is cancelled as often as it takes: the Redis client may swallow a cancellation that comes with its answer.
    """
    working = asyncio.create_task(endless, name=name)
    stopping = asyncio.create_task(stop.wait(), name=f"{name}_stop")
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        while not working.done():
            working.cancel()
            await asyncio.wait({working}, timeout=CANCEL_AGAIN_SECONDS)
    if not working.cancelled() and (error := working.exception()) is not None:
        raise error
