"""HTTP as one worker of several: uvicorn without its own ideas about signals, exits and logs.

Guaranteed: a port that is taken kills the worker (and so the process) instead of calling `sys.exit`; the worker stops
after all others have drained; open requests get a few seconds to end, open WebSockets are closed with 1012 (a service
that wants to say more says it while it drains).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from pulse_chassis.logging import get_logger
from pulse_chassis.run import Worker

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than any client of ours keeps an idle connection: the side that sends requests must be the one that closes."""
GRACE_SECONDS: Final = 2
"""Below what `run` leaves HTTP at the end."""
_BACKLOG: Final = 2048
_log = get_logger("serve")


class _Server(uvicorn.Server):
    """A uvicorn server that leaves the signals to the process."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def http_worker(
    app: ASGIApp, *, host: str, port: int, ws_max_size: int = 65536, trusted_proxies: str = "127.0.0.1"
) -> Worker:
    """Return the worker that serves `app`. Port 0 takes a free one (logged as `http_listening`).

    `trusted_proxies` are the addresses (comma-separated, or `*`) whose X-Forwarded-For and -Proto are believed.
    """
    config = uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_max_size=ws_max_size,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=trusted_proxies,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )

    async def serve(stop: asyncio.Event) -> None:
        listener = _listen(host, port)
        bound_port = listener.getsockname()[1]
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="uvicorn")
        stopping = asyncio.create_task(stop.wait(), name="http_stop")
        _log.info("http_listening", host=host, port=bound_port)
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await serving
        finally:
            stopping.cancel()
            serving.cancel()
            listener.close()

    return Worker("http", serve, stops_last=True)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)
