"""The bare loop: FastAPI and uvicorn send one text to all sockets, `python -m pulse_bench.peers.bare_sockets PORT HERTZ BYTES`.

No sign-in, no subscriptions, no bounds: one `send_text` after the other. It is what a live page costs at least in this stack.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect


def frame_text(wanted_bytes: int) -> str:
    """Return a frame of about so many bytes that says when it was made, as the gateway's do."""
    now = time.time()
    head = f'{{"type":"data","sub":"s","rows":[["bench-wall","sent_at",{int(now * 1000)},{now:.6f},"good"]'
    row = f',["bench-wall","channel_00",{int(now * 1000)},21.125,"good"]'
    return head + row * ((wanted_bytes - len(head)) // len(row)) + "]}"


def bare_app(hertz: float, wanted_bytes: int) -> FastAPI:
    """Return the application."""
    sockets: set[WebSocket] = set()

    async def broadcast() -> None:
        due = time.perf_counter()
        while True:
            due += 1 / hertz
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            text = frame_text(wanted_bytes)
            for socket in list(sockets):
                try:
                    await socket.send_text(text)
                except (RuntimeError, WebSocketDisconnect):
                    sockets.discard(socket)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(broadcast())
        yield
        task.cancel()

    app = FastAPI(lifespan=lifespan)

    @app.websocket("/ws")
    async def serve(socket: WebSocket) -> None:
        await socket.accept()
        sockets.add(socket)
        try:
            while True:
                await socket.receive_text()
        except WebSocketDisconnect:
            sockets.discard(socket)

    return app


def main() -> None:
    """Serve on the port that the command line says."""
    port, hertz, wanted_bytes = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    app = bare_app(hertz, wanted_bytes)
    uvicorn.run(
        app, host="127.0.0.1", port=port, ws="websockets-sansio", ws_per_message_deflate=False, log_level="warning"
    )


if __name__ == "__main__":
    main()
