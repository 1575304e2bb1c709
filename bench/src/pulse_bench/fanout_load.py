"""Fan-out: 2 KB, ten times a second, to 500 dashboards; the gateway's CPU, and how old a frame is when it arrives.

The readings are put on the telemetry stream as ingest puts them, so that nothing but the gateway is measured. All
dashboards ask for every sample of the same device, so each must get each frame. By turns with the bare loop over FastAPI
and uvicorn (`peers/bare_sockets`), the same crowd in the same two processes. CPU is that of the serving process alone; the
crowd takes its own share of the same cores, so the delays are those of a machine that is not idle.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

import psutil
from redis.asyncio import Redis

from pulse_bench.bare_server import bare_server
from pulse_bench.crowds import Crowds, crowds
from pulse_bench.dashboard_crowd import CrowdPlan
from pulse_bench.errors import BenchError
from pulse_bench.processes import cpu_seconds, resident_mib, service_process
from pulse_bench.stack import Stack, register, sign_in
from pulse_chassis.streams import StreamWriter, connect_redis
from pulse_contracts.frames import SUBPROTOCOL
from pulse_contracts.streams import STREAM_MAXLEN, TELEMETRY_STREAM

ENVIRONMENT: Final = {
    "PULSE_RATE_LIMITS": "off",
    "PULSE_GATEWAY_MAX_CONNECTIONS": "5000",
    # One account plays many people: its channels are shared as those of people with the same rights are.
    "PULSE_GATEWAY_MAX_CONNECTIONS_PER_USER": "5000",
}
HERTZ: Final = 10.0
FRAME_BYTES: Final = 2048
DEVICE: Final = "bench-wall"
CHANNELS: Final = 37
"""Rows of 55 bytes that make a frame of 2 KB."""
AT_ONCE: Final = 20
"""Dashboards of one process that connect at the same time: nobody is turned away, that is `storm`'s affair."""
_SETTLE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class FanoutFigure:
    """One run of one server. `core` is the share of one core; delays from when a frame's content was made until it was read."""

    sockets: int
    frames_per_s: float
    frame_bytes: int
    core: float
    cpu_us_per_frame: float
    p50_ms: float
    p99_ms: float
    missing: int


@dataclass(frozen=True, slots=True)
class FanoutPair:
    """The gateway and the bare loop, one after the other."""

    gateway: FanoutFigure
    bare: FanoutFigure


@dataclass(frozen=True, slots=True)
class MemoryFigure:
    """The gateway's resident memory with nobody there and with so many sockets."""

    sockets: int
    empty_mib: float
    full_mib: float


def gateway_plan(stack: Stack, token: str, sockets: int, topic: str, device_ids: tuple[str, ...] = ()) -> CrowdPlan:
    """Return the plan of a crowd at the gateway."""
    url = stack.gateway_url.replace("http", "ws", 1) + "/ws/live"
    return CrowdPlan(url, sockets, AT_ONCE, SUBPROTOCOL, token, topic, device_ids)


async def measure_fanout(stack: Stack, *, sockets: int, seconds: float, runs: int) -> list[FanoutPair]:
    """Measure gateway and bare loop by turns. Raises BenchError."""
    redis = connect_redis(str(stack.description["redis_url"]))
    pairs = []
    try:
        async with sign_in(stack) as session:
            await register(session, [DEVICE])
            for _ in range(runs):
                plan = gateway_plan(stack, await session.access_token(), sockets, "telemetry.raw", (DEVICE,))
                process = service_process(stack, "gateway")
                async with crowds(plan) as crowd, _feeding(redis):
                    gateway = await _measure(crowd, process, sockets, seconds)
                pairs.append(FanoutPair(gateway, await _measure_bare(sockets, seconds)))
    finally:
        await redis.aclose()
    return pairs


async def measure_memory(stack: Stack, *, sockets: int) -> MemoryFigure:
    """Read the gateway's memory with nobody there and with so many subscribed sockets. Raises BenchError."""
    redis = connect_redis(str(stack.description["redis_url"]))
    process = service_process(stack, "gateway")
    try:
        async with sign_in(stack) as session:
            empty = resident_mib(process)
            plan = gateway_plan(stack, await session.access_token(), sockets, "telemetry.raw", (DEVICE,))
            async with crowds(plan), _feeding(redis):
                await asyncio.sleep(_SETTLE_SECONDS)
                return MemoryFigure(sockets, empty, resident_mib(process))
    finally:
        await redis.aclose()


def as_dict(pairs: list[FanoutPair], memory: MemoryFigure) -> dict[str, Any]:
    """Return the figures for the report."""
    return {"runs": [asdict(pair) for pair in pairs], "memory": asdict(memory)}


async def _measure_bare(sockets: int, seconds: float) -> FanoutFigure:
    async with (
        bare_server(hertz=HERTZ, frame_bytes=FRAME_BYTES) as server,
        crowds(CrowdPlan(server.url, sockets, AT_ONCE)) as crowd,
    ):
        return await _measure(crowd, psutil.Process(server.pid), sockets, seconds)


async def _measure(crowd: Crowds, process: psutil.Process, sockets: int, seconds: float) -> FanoutFigure:
    await asyncio.sleep(_SETTLE_SECONDS)
    crowd.tell("measure")
    used, began = cpu_seconds(process), time.perf_counter()
    await asyncio.sleep(seconds)
    used, took = cpu_seconds(process) - used, time.perf_counter() - began
    seen = await crowd.report()
    if seen["subscribed"] != sockets or seen["turned_away"]:
        raise BenchError(f"{sockets - seen['subscribed']} of {sockets} dashboards lost their line")
    delays = sorted(seen["delays"])
    if len(delays) < 100:
        raise BenchError(f"only {len(delays)} frames arrived")
    cut = statistics.quantiles(delays, n=100)
    # One round more or less may lie at the edges of the measured time.
    missing = max(0, round(sockets * (HERTZ * took - 1)) - seen["frames"])
    return FanoutFigure(
        sockets=sockets,
        frames_per_s=seen["frames"] / took,
        frame_bytes=round(seen["bytes"] / seen["frames"]),
        core=used / took,
        cpu_us_per_frame=used / seen["frames"] * 1e6,
        p50_ms=cut[49] * 1000,
        p99_ms=cut[98] * 1000,
        missing=missing,
    )


@asynccontextmanager
async def _feeding(redis: Redis) -> AsyncIterator[None]:
    async def feed() -> None:
        writer = StreamWriter(redis, TELEMETRY_STREAM, STREAM_MAXLEN[TELEMETRY_STREAM])
        due = time.perf_counter()
        while True:
            due += 1 / HERTZ
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await writer.append(_entry())

    task = asyncio.create_task(feed())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        raise BenchError(f"the readings could not be put on the stream: {error}") from error


def _entry() -> bytes:
    now = time.time()
    metrics = {"sent_at": now} | {f"channel_{n:02}": 20 + n + round(now % 1, 3) for n in range(CHANNELS - 1)}
    row = [DEVICE, int(now * 1000), "good", metrics]
    return json.dumps({"v": 1, "at": int(now * 1000), "rows": [row], "late": []}).encode()
