"""The same load by `mosquitto_pub -l` and `mosquitto_sub`, for machines without a C compiler or libmosquitto's header.

One process a client. They know nothing of our acks, so whoever needs to know when everything is committed must ask the
database; and they queue without a bound of their own, so the load stays below what the broker's queue takes.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass
from pathlib import Path

from pulse_bench.errors import BenchError
from pulse_bench.native import Account, Published, Received
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import telemetry_buffer


@dataclass(frozen=True, slots=True)
class ToolPair:
    """Paths of the two programs."""

    publisher: str
    subscriber: str

    async def publish(
        self, host: str, port: int, accounts: list[Account], *, messages: int, uncommitted: int = 0
    ) -> Published:
        """Publish `messages` one-row runs as each account; acks are not followed, whatever `uncommitted` says.

        Raises:
            BenchError: a client was refused.
        """
        del uncommitted
        with tempfile.TemporaryDirectory(prefix="pulse-bench-") as folder:
            for account in accounts:
                lines = "".join(f"{_run(account.epoch, account.first + n)}\n" for n in range(messages))
                (Path(folder) / account.client_id).write_text(lines, encoding="utf-8")
            started = time.perf_counter()
            await asyncio.gather(*(self._publish(host, port, account, Path(folder)) for account in accounts))
            seconds = time.perf_counter() - started
        total = len(accounts) * messages
        return Published(sent=total, acked=total, refused=0, committed=0, seconds=seconds)

    async def _publish(self, host: str, port: int, account: Account, folder: Path) -> None:
        with (folder / account.client_id).open("rb") as lines:
            process = await asyncio.create_subprocess_exec(
                self.publisher,
                *_login(host, port, account),
                "-t",
                telemetry_buffer(ClientId(account.client_id)),
                "-l",
                stdin=lines,
                stdout=DEVNULL,
                stderr=PIPE,
            )
        _, said = await process.communicate()
        if process.returncode != 0:
            raise BenchError(f"mosquitto_pub failed: {said.decode(errors='replace').strip()}")

    async def subscribe(self, host: str, port: int, *, account: Account, topic_filter: str, messages: int) -> Process:
        """Start a subscriber; when it is subscribed only the broker can tell. `received` reads its result."""
        return await asyncio.create_subprocess_exec(
            self.subscriber,
            *_login(host, port, account),
            "-t",
            topic_filter,
            "-C",
            str(messages),
            "-W",
            "120",
            "-F",
            "%U",
            stdout=PIPE,
        )

    async def received(self, subscriber: Process) -> Received:
        """Wait for a subscriber's result, read from the arrival times it printed.

        Raises:
            BenchError: it ended before it had all messages.
        """
        first, last, count = 0.0, 0.0, 0
        while subscriber.stdout is not None and (line := await subscriber.stdout.readline()):
            last = float(line)
            first = first or last
            count += 1
        if await subscriber.wait() != 0:
            raise BenchError(f"mosquitto_sub ended after {count} messages")
        return Received(count, last - first)


def find_tools() -> ToolPair:
    """Find the programs.

    Raises:
        BenchError: they are not installed; the message says what to install.
    """
    publisher, subscriber = shutil.which("mosquitto_pub"), shutil.which("mosquitto_sub")
    if publisher is None or subscriber is None:
        raise BenchError(
            "no load generator: install libmosquitto-dev and a C compiler, or mosquitto-clients for a slower one"
        )
    return ToolPair(publisher, subscriber)


def _login(host: str, port: int, account: Account) -> list[str]:
    name = account.client_id
    return ["-V", "mqttv5", "-h", host, "-p", str(port), "-i", name, "-u", name, "-P", account.password, "-q", "1"]


def _run(epoch: int, sequence: int) -> str:
    metrics = {"temperature": 20 + sequence % 977 / 100, "pressure": 101 + sequence % 31 / 10, "is_active": True}
    return json.dumps({"v": 1, "epoch": epoch, "first": sequence, "rows": [[time.time_ns() // 1000, metrics]]})
