"""Crowds of dashboards in processes of their own, as the benchmark that started them sees them."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from pulse_bench.dashboard_crowd import CrowdPlan
from pulse_bench.errors import BenchError

PROCESSES: Final = 2
"""One for each core of a small machine; they share it with what is measured."""
_READY_SECONDS: Final = 120.0
_ANSWER_SECONDS: Final = 60.0
_MAX_REPORT: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Crowds:
    """The processes."""

    processes: tuple[Process, ...]

    def tell(self, word: str) -> None:
        """Tell all of them one word: `measure` or `drop`."""
        for process in self.processes:
            assert process.stdin is not None  # noqa: S101 -- it was asked for
            process.stdin.write(f"{word}\n".encode())

    async def report(self) -> dict[str, Any]:
        """Return what all dashboards saw, put together. Raises BenchError."""
        self.tell("report")
        parts = [json.loads(await _line(process, _ANSWER_SECONDS)) for process in self.processes]
        total: dict[str, Any] = {}
        for part in parts:
            for name, value in part.items():
                if name == "greeted":
                    times = [t for t in (total.get(name), value) if t is not None]
                    total[name] = min(times, default=None)
                else:
                    total[name] = total[name] + value if name in total else value
        return total


@asynccontextmanager
async def crowds(plan: CrowdPlan) -> AsyncIterator[Crowds]:
    """Start so many dashboards, all of them subscribed, and close them at the end. Raises BenchError."""
    each = [plan.sockets // PROCESSES + (n < plan.sockets % PROCESSES) for n in range(PROCESSES)]
    processes: list[Process] = []
    try:
        for sockets in each:
            command = (sys.executable, "-m", "pulse_bench.dashboard_crowd")
            process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=_MAX_REPORT)
            processes.append(process)
            assert process.stdin is not None  # noqa: S101 -- it was asked for
            process.stdin.write(json.dumps(asdict(replace(plan, sockets=sockets))).encode() + b"\n")
        for process in processes:
            if await _line(process, _READY_SECONDS) != b"ready\n":
                raise BenchError("the dashboards could not subscribe")
        yield Crowds(tuple(processes))
    finally:
        for process in processes:
            if process.stdin is not None:
                process.stdin.close()
        for process in processes:
            try:
                await asyncio.wait_for(process.wait(), _ANSWER_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _line(process: Process, seconds: float) -> bytes:
    assert process.stdout is not None  # noqa: S101 -- it was asked for
    try:
        async with asyncio.timeout(seconds):
            line = await process.stdout.readline()
    except TimeoutError as error:
        raise BenchError(f"the dashboards did not answer within {seconds:g} s") from error
    if not line:
        raise BenchError("the process of the dashboards ended")
    return line
