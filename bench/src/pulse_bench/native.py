"""The C publisher and subscriber over libmosquitto: the load, and the raw limit that our figures are held against.

They are compiled once into a cache directory when a C compiler and libmosquitto's header are there. Where they are not,
`find_native_pair` says so, and `pulse_bench.tools` has the same load without a compiler.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import subprocess
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from pulse_bench.errors import BenchError

WINDOW: Final = "20"
"""Messages without a PUBACK: what most brokers grant and most client libraries take."""
CLIENTS_OF_A_PROCESS: Final = 5_000
FILES_OF_A_CLIENT: Final = 3
"""In its process, which may open 20,000 on most systems."""
CONNECT_SECONDS: Final = 30.0
_CONNECT_SECONDS_EACH: Final = 0.02
"""Fifty times what a client takes on a machine that does nothing else."""
_SAID: Final = "connected "


@dataclass(frozen=True, slots=True)
class Account:
    """A client that may publish: its broker account, the epoch it was given and the first sequence to send."""

    client_id: str
    password: str
    epoch: int
    first: int


@dataclass(frozen=True, slots=True)
class Published:
    """What a publisher saw: messages sent, acked and refused, readings committed, and seconds from its first publish to its
    last PUBACK or commit.
    """

    sent: int
    acked: int
    refused: int
    committed: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Received:
    """What a subscriber saw: messages, and seconds from the first to the last."""

    received: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Shape:
    """What the messages are like: readings in each, metrics in a reading, how old they are, how fast they come.

    With `step_us` a client's readings lie so far apart and end now, as a backlog does; with 0 they are of now. `rate` is
    messages a second of all clients together; with 0 they come as fast as the window lets them.
    """

    rows: int = 1
    metrics: int = 3
    step_us: int = 0
    rate: int = 0


LIVE: Final = Shape()


@dataclass(frozen=True, slots=True)
class NativePair:
    """The compiled programs."""

    publisher: Path
    subscriber: Path

    async def publish(
        self, host: str, port: int, accounts: list[Account], *, messages: int, uncommitted: int = 0, shape: Shape = LIVE
    ) -> Published:
        """Publish `messages` runs as each account, at most 20 without a PUBACK (MQTT's usual window) each.

        With `uncommitted` above 0 each client also follows its ack topic, keeps at most that many readings uncommitted, and
        the call ends when all are committed; with 0 it ends with the last PUBACK. Clients come from as many processes as
        their files need; none publishes before all are connected.

        Raises:
            BenchError: a client was refused, lost its connection, or saw no progress for 30 s; or not all were connected
                within a time that grows with their number. The message says which.
        """
        async with AsyncExitStack() as running:
            parts = []
            for start in range(0, len(accounts), CLIENTS_OF_A_PROCESS):
                part = accounts[start : start + CLIENTS_OF_A_PROCESS]
                rate = max(1, shape.rate * len(part) // len(accounts)) if shape.rate else 0
                numbers = (shape.rows, shape.metrics, shape.step_us, rate)
                arguments = (str(messages), WINDOW, str(uncommitted), *map(str, numbers))
                parts.append(await running.enter_async_context(_publisher(self.publisher, host, port, part, arguments)))
            seconds = CONNECT_SECONDS + _CONNECT_SECONDS_EACH * len(accounts)
            try:
                async with asyncio.timeout(seconds):
                    await asyncio.gather(*(part.until_connected() for part in parts))
            except TimeoutError as error:
                connected = sum(part.connected for part in parts)
                raise BenchError(
                    f"{connected:,} of {len(accounts):,} publishers were connected within {seconds:.0f} s"
                ) from error
            done = await asyncio.gather(*(part.published() for part in parts))
        return Published(
            sent=sum(part.sent for part in done),
            acked=sum(part.acked for part in done),
            refused=sum(part.refused for part in done),
            committed=sum(part.committed for part in done),
            seconds=max(part.seconds for part in done),
        )

    async def subscribe(
        self, host: str, port: int, *, account: Account, topic_filter: str, messages: int, is_durable: bool = False
    ) -> Process:
        """Start a subscriber; `received` reads its result. A durable one of 0 messages subscribes and leaves."""
        return await asyncio.create_subprocess_exec(
            self.subscriber,
            host,
            str(port),
            account.client_id,
            account.client_id,
            account.password,
            topic_filter,
            str(messages),
            "1" if is_durable else "0",
            stdout=PIPE,
            stderr=PIPE,
        )

    async def received(self, subscriber: Process) -> Received:
        """Wait for a subscriber's result.

        Raises:
            BenchError: it was cut off before it had all messages.
        """
        out, err = await subscriber.communicate()
        if subscriber.returncode != 0:
            raise BenchError(f"the subscriber failed: {err.decode().strip()}")
        return Received(**json.loads(out))


def find_native_pair(cache: Path) -> NativePair:
    """Compile the pair into `cache`, or return it from there.

    Raises:
        BenchError: there is no C compiler, or libmosquitto's header is missing; the message says what to install.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise BenchError("no C compiler found: install one, and libmosquitto-dev")
    cache.mkdir(parents=True, exist_ok=True)
    programs = {}
    for name in ("publisher", "subscriber"):
        source = files("pulse_bench").joinpath("native", f"{name}.c").read_bytes()
        program = cache / f"{name}-{hashlib.sha256(source).hexdigest()[:12]}"
        if not program.exists():
            built = program.with_suffix(".new")
            done = subprocess.run(  # noqa: S603
                [compiler, "-O2", "-x", "c", "-", "-o", str(built), "-lmosquitto"],
                input=source,
                capture_output=True,
                check=False,
            )
            if done.returncode != 0:
                first = done.stderr.decode(errors="replace").strip().split("\n", 1)[0]
                raise BenchError(f"{name}.c did not compile (is libmosquitto-dev installed?): {first}")
            built.rename(program)
        programs[name] = program
    return NativePair(programs["publisher"], programs["subscriber"])


class _Publisher:
    """A running publisher: it connects its clients, and publishes when it is told to."""

    def __init__(self, process: Process, clients: int) -> None:
        self.connected = 0
        self._process = process
        self._clients = clients

    async def until_connected(self) -> None:
        """Return when all clients are connected. Raises BenchError."""
        if (out := self._process.stdout) is None:
            raise BenchError("the publisher has no output")
        while self.connected < self._clients:
            if not (line := (await out.readline()).decode()).startswith(_SAID):
                raise await self._failed()
            self.connected = int(line.removeprefix(_SAID))

    async def published(self) -> Published:
        """Let it publish, and return what it saw. Raises BenchError."""
        out, err = await self._process.communicate(b"\n")
        if self._process.returncode != 0:
            raise BenchError(f"the publisher failed: {err.decode(errors='replace').strip()}")
        return Published(**json.loads(out))

    async def _failed(self) -> BenchError:
        _, err = await self._process.communicate()
        said = err.decode(errors="replace").strip()
        return BenchError(f"the publisher failed after {self.connected:,} of {self._clients:,} clients: {said}")


@asynccontextmanager
async def _publisher(
    program: Path, host: str, port: int, accounts: list[Account], arguments: tuple[str, ...]
) -> AsyncIterator[_Publisher]:
    """Start a publisher for these accounts; it does not outlive the block."""
    with tempfile.NamedTemporaryFile("w", prefix="pulse-bench-", suffix=".accounts") as listing:
        for account in accounts:
            listing.write(f"{account.client_id} {account.password} {account.epoch} {account.first}\n")
        listing.flush()
        process = await asyncio.create_subprocess_exec(
            program, host, str(port), listing.name, *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        try:
            yield _Publisher(process, len(accounts))
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
