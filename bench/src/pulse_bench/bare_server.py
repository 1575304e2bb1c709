"""The bare loop over FastAPI and uvicorn (`peers/bare_sockets`) as a process of its own, beside what is measured."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from pulse_bench.processes import free_port, until_listening

_START_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class BareServer:
    """A running server: where its sockets connect, and its process."""

    url: str
    pid: int


@asynccontextmanager
async def bare_server(*, hertz: float, frame_bytes: int) -> AsyncIterator[BareServer]:
    """Run the bare loop on a free port of 127.0.0.1; so often a second it sends a frame of about so many bytes.

    Raises:
        BenchError: it did not start.
    """
    port = free_port()
    command = (sys.executable, "-m", "pulse_bench.peers.bare_sockets", str(port), str(hertz), str(frame_bytes))
    process = await asyncio.create_subprocess_exec(*command)
    try:
        await until_listening(port, _START_SECONDS, "the bare server")
        yield BareServer(f"ws://127.0.0.1:{port}/ws", process.pid)
    finally:
        process.terminate()
        await process.wait()
