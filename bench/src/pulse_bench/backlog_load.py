"""One real agent with a backlog: how fast it drains, and how late its new readings are meanwhile.

The outbox is filled through the agent's own outbox before the agent runs, with readings of the last hours. Then the agent is
started (`pulse-agent run`) and measures ten times a second while it drains. A live reading is as late as its frame on a socket
of the gateway is after the time that the reading itself says: one clock, one machine. Afterwards the same without a backlog.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from pulse_agent.configuration.device import load_device
from pulse_agent.configuration.enrolment import EnrolmentError, enroll
from pulse_agent.outbox.outbox import Outbox
from pulse_agent.settings import OUTBOX_FILE
from pulse_bench.errors import BenchError
from pulse_bench.outbox_load import make_reading
from pulse_bench.stack import Stack, sign_in
from pulse_contracts.frames import SUBPROTOCOL
from pulse_simulator.gateway_session import GatewayError
from pulse_simulator.real_agent import RealAgent

LIVE_HERTZ: Final = 10.0
_LIVE_METRIC: Final = "pressure"
_GROUP: Final = 2_000
_STEP_US: Final = 10_000
_OLD_US: Final = 3_600_000_000
"""The backlog ends an hour ago: it is never taken for live."""
_POLL_SECONDS: Final = 0.1
_STALLED_SECONDS: Final = 60.0
_RECEIVED: Final = "select coalesce(max(cum), 0)::bigint from telemetry.completeness where client_id = $1"
_STORED: Final = """
    select count(*) filter (where recorded_at < to_timestamp($3)), count(*) filter (where recorded_at >= to_timestamp($3))
    from telemetry.telemetry_data where client_id = $1 and metric_key = $2
"""
_SETTLE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class LiveDelays:
    """How late live readings were, in milliseconds."""

    readings: int
    p50_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, delays: list[float]) -> LiveDelays:
        """Return the figure of these delays. Raises BenchError without any."""
        if len(delays) < 2:
            raise BenchError("no live reading arrived")
        cut = statistics.quantiles(delays, n=100, method="inclusive")
        return cls(len(delays), cut[49], cut[98], max(delays))


@dataclass(frozen=True, slots=True)
class BacklogFigure:
    """One drain."""

    readings: int
    filled_per_s: float
    drained_per_s: float
    seconds: float
    live: LiveDelays
    live_alone: LiveDelays
    not_shown: int
    """Live readings that are stored, but that no frame showed: they had become older than a live screen shows."""

    def as_dict(self) -> dict[str, Any]:
        """Return the figure for the report."""
        return asdict(self)


async def measure_backlog(
    stack: Stack, *, readings: int, alone_seconds: float, say: Callable[[str], None]
) -> BacklogFigure:
    """Fill an outbox, run the agent until the backlog is committed, and some seconds more. Raises BenchError."""
    data = Path(tempfile.mkdtemp(prefix="pulse-bench-backlog-"))
    agent: RealAgent | None = None
    try:
        async with sign_in(stack) as session:
            code = (await session.request("POST", "/api/devices/enrolment-codes", json={"name": "bench"}))["code"]
            await asyncio.to_thread(enroll, stack.gateway_url, code, data, allow_keyring=False)
            token = await session.access_token()
        device_id = str(load_device(data).device_id)
        filled = await _fill(data / OUTBOX_FILE, readings)
        say(f"outbox filled with {readings:,} readings, {filled:,.0f}/s")
        async with _live_delays(stack, token, device_id) as delays:
            options = ["--source", "simulated", "--interval", str(1 / LIVE_HERTZ)]
            agent = RealAgent(device_id, data, options=options)
            agent.start()
            rate, seconds = await _until_drained(stack, device_id, readings)
            during = LiveDelays.of(delays)
            say(f"drained at {rate:,.0f}/s, live p99 {during.p99_ms:.0f} ms")
            delays.clear()
            await asyncio.sleep(alone_seconds)
            agent.kill()
            await asyncio.sleep(_SETTLE_SECONDS)
            alone = LiveDelays.of(delays)
            not_shown = (await _stored(stack, device_id))[1] - during.readings - alone.readings
    except (EnrolmentError, GatewayError) as error:
        raise BenchError(f"the agent could not be enrolled: {error}") from error
    finally:
        if agent is not None:
            agent.kill()
        shutil.rmtree(data, ignore_errors=True)
    return BacklogFigure(readings, filled, rate, seconds, during, alone, max(0, not_shown))


async def _fill(path: Path, readings: int) -> float:
    began = time.perf_counter()
    first = time.time_ns() // 1000 - _OLD_US - readings * _STEP_US
    async with Outbox(path) as outbox:
        for start in range(0, readings, _GROUP):
            numbers = range(start, min(start + _GROUP, readings))
            await outbox.put_many([make_reading(n, first + n * _STEP_US) for n in numbers])
    return readings / (time.perf_counter() - began)


async def _until_drained(stack: Stack, device_id: str, readings: int) -> tuple[float, float]:
    """Wait until everything up to the backlog's last reading is committed; return readings a second, and seconds.

    They count from the last look at which nothing was committed.
    """
    connection = await asyncpg.connect(stack.database_url)
    try:
        seen, moved_at = 0, time.perf_counter()
        began = moved_at
        while seen < readings:
            await asyncio.sleep(_POLL_SECONDS)
            cum, now = int(await connection.fetchval(_RECEIVED, device_id)), time.perf_counter()
            if cum > seen:
                seen, moved_at = cum, now
            elif now - moved_at > _STALLED_SECONDS:
                raise BenchError(
                    f"{seen} of {readings} readings were committed, and no more for {_STALLED_SECONDS:g} s"
                )
            elif seen == 0:
                began = now
    finally:
        await connection.close()
    stored, _ = await _stored(stack, device_id)
    if stored != readings:
        raise BenchError(f"{readings} rows were due, {stored} are stored")
    seconds = moved_at - began
    return readings / seconds, seconds


async def _stored(stack: Stack, device_id: str) -> tuple[int, int]:
    """Return how many readings of the backlog are stored, and how many live ones."""
    ((backlog, live),) = await stack.fetch(_STORED, device_id, _LIVE_METRIC, time.time() - _OLD_US / 2e6)
    return backlog, live


@asynccontextmanager
async def _live_delays(stack: Stack, token: str, device_id: str) -> AsyncIterator[list[float]]:
    """Collect how late each live reading of the device reaches a socket, in milliseconds."""
    delays: list[float] = []
    url = stack.gateway_url.replace("http", "ws", 1) + "/ws/live"
    async with connect(url, subprotocols=[Subprotocol(SUBPROTOCOL)], max_size=None) as socket:
        await _subscribe(socket, token, device_id)

        async def read() -> None:
            async for text in socket:
                now_ms = time.time() * 1000
                frame = json.loads(text)
                if frame["type"] == "data":
                    delays.extend(now_ms - row[2] for row in frame["rows"])

        reading = asyncio.create_task(read())
        try:
            yield delays
        finally:
            reading.cancel()


async def _subscribe(socket: ClientConnection, token: str, device_id: str) -> None:
    wanted = {"device_ids": [device_id], "metrics": [_LIVE_METRIC]}
    asked = {"type": "subscribe", "id": 2, "sub": "r", "topic": "telemetry.raw", "filter": wanted, "interval_ms": 0}
    client = {"name": "bench", "version": "1"}
    await socket.send(json.dumps({"type": "auth", "id": 1, "token": token, "client": client}))
    await socket.send(json.dumps(asked | {"snapshot": False}))
    async with asyncio.timeout(10):
        async for text in socket:
            frame = json.loads(text)
            if frame["type"] == "error":
                raise BenchError(f"the socket refused: {frame['code']} {frame['message']}")
            if frame["type"] == "ack" and frame["id"] == 2:
                return
