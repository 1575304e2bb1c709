"""The raw limit of this machine: C publisher → a bare Mosquitto → C subscriber, QoS 1, nothing stored."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pulse_bench.errors import BenchError
from pulse_bench.native import Account, NativePair, received
from pulse_contracts.topics import TELEMETRY_BUFFER_FILTER


@asynccontextmanager
async def bare_broker() -> AsyncIterator[int]:
    """Run a Mosquitto without accounts, ACL, persistence or logs on a free port of 127.0.0.1; yield the port."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise BenchError("mosquitto is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory(prefix="pulse-bench-") as folder:
        config = Path(folder) / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
            "max_inflight_messages 500\nmax_queued_messages 0\nlog_type error\n",
            encoding="utf-8",
        )
        Path(folder).chmod(0o755)
        process = await asyncio.create_subprocess_exec(program, "-c", str(config), stderr=asyncio.subprocess.DEVNULL)
        try:
            await _answers(port)
            yield port
        finally:
            process.terminate()
            await process.wait()


async def measure_raw_limit(pair: NativePair, *, clients: int, messages: int) -> float:
    """Return messages a second from the first received to the last, with `clients` × `messages` published.

    Raises:
        BenchError: the broker, the publisher or the subscriber failed.
    """
    async with bare_broker() as port:
        accounts = [Account(f"raw-{n:03d}", "-", 1, 1) for n in range(clients)]
        subscriber = await pair.subscribe(
            "127.0.0.1",
            port,
            account=Account("raw-subscriber", "-", 0, 0),
            topic_filter=TELEMETRY_BUFFER_FILTER,
            messages=clients * messages,
        )
        await pair.publish("127.0.0.1", port, accounts, messages=messages)
        seen = await received(subscriber)
    return seen.received / seen.seconds


async def _answers(port: int) -> None:
    deadline = asyncio.get_running_loop().time() + 10
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError as error:
            if asyncio.get_running_loop().time() > deadline:
                raise BenchError("the bare broker did not start") from error
            await asyncio.sleep(0.02)
        else:
            writer.close()
            await writer.wait_closed()
            return
