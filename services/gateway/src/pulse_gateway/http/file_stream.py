"""An answer that is a file, streamed: given up when its receiver stands still, and always cleared away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Final

from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

STALL_SECONDS: Final = 60.0
"""A receiver who takes nothing for so long is given up: a connection of the database is held for it."""


class FileStream(StreamingResponse):
    """Streams chunks, and calls `ended` when it is over, whichever way. What goes wrong breaks the connection off."""

    def __init__(
        self,
        chunks: AsyncGenerator[bytes, None],
        ended: Callable[[], None],
        *,
        status_code: int = 200,
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(chunks, status_code=status_code, media_type=media_type, headers=headers)
        self._chunks = chunks
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(STALL_SECONDS):
                await send(message)

        try:
            await super().__call__(scope, receive, send_in_time)
        finally:
            await self._chunks.aclose()
            self._ended()
