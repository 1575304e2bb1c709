"""What processes use: CPU seconds and memory, as the system counts them."""

from __future__ import annotations

import asyncio
import socket

import psutil

from pulse_bench.errors import BenchError
from pulse_bench.stack import Stack


def cpu_seconds(process: psutil.Process, *, with_children: bool = False) -> float:
    """Return what it used since it was started; with its children, those that ended included. Raises BenchError."""
    try:
        times = process.cpu_times()
        used = times.user + times.system
        if with_children:
            used += times.children_user + times.children_system
            for child in process.children(recursive=True):
                try:
                    used += sum(child.cpu_times()[:2])
                except psutil.NoSuchProcess:
                    continue  # ended meanwhile: its parent has its seconds now, or in the next reading
    except psutil.NoSuchProcess as error:
        raise BenchError("a process that was measured has ended") from error
    return float(used)


def service_process(stack: Stack, name: str) -> psutil.Process:
    """Return the process of a service or server as it runs now. Raises BenchError."""
    pid = stack.pid(name)
    if pid is None:
        raise BenchError(f"{name} does not run")
    return psutil.Process(pid)


def resident_mib(process: psutil.Process) -> float:
    """Return its resident memory in MiB."""
    return float(process.memory_info().rss) / 2**20


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until_listening(port: int, seconds: float, what: str) -> None:
    """Wait until somebody listens on a port of 127.0.0.1. Raises BenchError: `what` did not within so many seconds."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError as error:
            if asyncio.get_running_loop().time() > deadline:
                raise BenchError(f"{what} did not start") from error
            await asyncio.sleep(0.02)
        else:
            writer.close()
            await writer.wait_closed()
            return
