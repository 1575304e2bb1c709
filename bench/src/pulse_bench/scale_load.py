"""Scale-out of ingest: the same load on one process and on two, in turns, on the same machine.

The second has the first one's settings but a port and a worker's name of its own, as another pod has. What it is worth depends
on the cores that are free: where all are busy with one, the figure is below one.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Final

import httpx
import psutil

from pulse_bench.errors import BenchError
from pulse_bench.ingest_load import measure_durable_ingest
from pulse_bench.load import LoadPair
from pulse_bench.processes import cpu_seconds, free_port, service_process
from pulse_bench.stack import Stack

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_LEAST_SHARE: Final = 0.1
"""A process that used less of the CPU of both did not take part."""


@dataclass(frozen=True, slots=True)
class ScaleFigure:
    """One run with one process, and one with two. Messages a second; CPU of all ingest processes, µs a message."""

    one_per_s: float
    two_per_s: float
    one_cpu_us: float
    two_cpu_us: float

    @property
    def ratio(self) -> float:
        """What two do of what one does."""
        return self.two_per_s / self.one_per_s

    def as_dict(self) -> dict[str, float]:
        """Return the fields and the ratio for a JSON report."""
        return asdict(self) | {"ratio": self.ratio}


async def measure_scale(stack: Stack, pair: LoadPair, *, clients: int, messages: int, run: int) -> ScaleFigure:
    """Publish `clients` × `messages` into one process, then as many into two.

    Raises:
        BenchError: the second process did not start or took no part, or a run was incomplete.
    """
    first = service_process(stack, "ingest")

    async def measured(number: int, *processes: psutil.Process) -> tuple[float, float]:
        before = [cpu_seconds(process) for process in processes]
        figure = await measure_durable_ingest(stack, pair, clients=clients, messages=messages, run=number)
        used = [cpu_seconds(process) - began for process, began in zip(processes, before, strict=True)]
        if min(used) < _LEAST_SHARE * sum(used):
            raise BenchError("the broker gave one of the ingest processes next to nothing")
        return figure.durable_per_s, sum(used) * 1e6 / figure.messages

    one_per_s, one_cpu_us = await measured(2 * run, first)
    async with second_ingest(stack, first) as second:
        two_per_s, two_cpu_us = await measured(2 * run + 1, first, second)
    return ScaleFigure(one_per_s, two_per_s, one_cpu_us, two_cpu_us)


@asynccontextmanager
async def second_ingest(stack: Stack, first: psutil.Process) -> AsyncIterator[psutil.Process]:
    """Run another ingest process beside the first, from when it is ready until the end of the block.

    Its broker session ends with it: another's would keep a share of what comes later.

    Raises:
        BenchError: it did not become ready.
    """
    port = free_port()
    own = {"PULSE_HTTP_PORT": str(port), "PULSE_INGEST_WORKER_ID": "2", "PULSE_INGEST_SESSION": "ephemeral"}
    with (stack.data / "logs" / "ingest-2.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pulse_ingest", "serve"), env=first.environ() | own, stdout=log, stderr=log
        )
    try:
        await _until_ready(f"http://127.0.0.1:{port}/readyz", process)
        yield psutil.Process(process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _until_ready(url: str, process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(_START_SECONDS), httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
            while process.returncode is None:
                try:
                    if (await client.get(url)).is_success:
                        return
                except httpx.HTTPError:
                    pass  # it does not listen yet
                await asyncio.sleep(0.1)
    except TimeoutError:
        pass
    raise BenchError("a second ingest process did not become ready; its log is ingest-2.log of the stack")
