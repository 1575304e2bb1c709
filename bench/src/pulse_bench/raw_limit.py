"""The raw limit of this machine: publisher → a bare Mosquitto → subscriber, QoS 1, nothing stored."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pulse_bench.errors import BenchError
from pulse_bench.load import LoadPair
from pulse_bench.native import Account
from pulse_bench.processes import free_port, until_listening
from pulse_contracts.topics import TELEMETRY_BUFFER_FILTER

_SUBSCRIBER: Final = "raw-subscriber"
_START_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class BareBroker:
    """A running Mosquitto without accounts, ACL or persistence."""

    port: int
    process: Process

    async def until_subscribed(self, client_id: str, seconds: float = 10.0) -> None:
        """Wait until the broker says that this client subscribed: the tools themselves do not tell.

        Raises:
            BenchError: it did not within so many seconds.
        """
        try:
            async with asyncio.timeout(seconds):
                while self.process.stderr is not None and (line := await self.process.stderr.readline()):
                    if f" {client_id} ".encode() in line:
                        return
        except TimeoutError:
            pass
        raise BenchError(f"{client_id} could not subscribe")


@asynccontextmanager
async def bare_broker() -> AsyncIterator[BareBroker]:
    """Run a bare Mosquitto on a free port of 127.0.0.1."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise BenchError("mosquitto is not installed")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pulse-bench-") as folder:
        config = Path(folder) / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
            "max_inflight_messages 2000\nmax_queued_messages 0\n"
            "log_dest stderr\nlog_type error\nlog_type subscribe\n",
            encoding="utf-8",
        )
        Path(folder).chmod(0o755)
        process = await asyncio.create_subprocess_exec(program, "-c", str(config), stderr=asyncio.subprocess.PIPE)
        try:
            await until_listening(port, _START_SECONDS, "the bare broker")
            yield BareBroker(port, process)
        finally:
            process.terminate()
            await process.wait()


async def measure_raw_limit(pair: LoadPair, *, clients: int, messages: int) -> float:
    """Return messages a second from the first received to the last, with `clients` × `messages` published.

    Raises:
        BenchError: the broker, the publisher or the subscriber failed.
    """
    async with bare_broker() as broker:
        accounts = [Account(f"raw-{n:03d}", "-", 1, 1) for n in range(clients)]
        subscriber = await pair.subscribe(
            "127.0.0.1",
            broker.port,
            account=Account(_SUBSCRIBER, "-", 0, 0),
            topic_filter=TELEMETRY_BUFFER_FILTER,
            messages=clients * messages,
        )
        await broker.until_subscribed(_SUBSCRIBER)
        await pair.publish("127.0.0.1", broker.port, accounts, messages=messages)
        seen = await pair.received(subscriber)
    return seen.received / seen.seconds
