"""What rules cost: CPU of the alerts service with 1,000 rules while 5,000 readings a second come on the telemetry stream.

The readings are put on the stream as ingest puts them, in batches of what arrives in 20 ms, so that nothing but alerts is
measured. What the service uses with the same readings and no rule stands beside it. CPU seconds are those of the process:
how busy the machine is otherwise changes them little.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import asdict, dataclass
from typing import Any, Final

import asyncpg
import psutil
from redis.asyncio import Redis

from pulse_bench.errors import BenchError
from pulse_bench.stack import Stack, register, sign_in
from pulse_chassis.streams import StreamWriter, connect_redis
from pulse_contracts.streams import STREAM_MAXLEN, TELEMETRY_STREAM
from pulse_simulator.gateway_session import GatewayError, GatewaySession

ENVIRONMENT: Final = {"PULSE_RATE_LIMITS": "off"}
METRICS: Final = ("temperature", "humidity", "pressure")
DEVICES: Final = 1_000
BATCH_SECONDS: Final = 0.02
SETTLE_SECONDS: Final = 12.0
"""After rules changed, until all is read anew and nothing is written that belongs to the start."""


@dataclass(frozen=True, slots=True)
class AlertsFigure:
    """CPU of the service in microseconds a reading, and as a share of one core at the wanted rate."""

    rules: int
    readings: int
    readings_per_s: float
    cpu_us_per_reading: float
    core_percent_at_rate: float
    alarms: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for a JSON report."""
        return asdict(self)


async def measure_alerts(stack: Stack, *, rules: int, rate: int, seconds: float) -> list[AlertsFigure]:
    """Return the figure without any rule, then with all of them.

    Raises:
        BenchError: the stack refused, or the service did not read the stream.
    """
    ids = [f"bench-{number:04}" for number in range(DEVICES)]
    db = await asyncpg.connect(stack.database_url)
    redis = connect_redis(str(stack.description["redis_url"]))
    try:
        async with sign_in(stack) as session:
            for start in range(0, DEVICES, 500):
                await register(session, ids[start : start + 500])
            await _clear_rules(session)
            figures = [await _measure(stack, (db, redis), ids, rules=0, rate=rate, seconds=seconds)]
            await _make_rules(session, ids, rules)
            figures.append(await _measure(stack, (db, redis), ids, rules=rules, rate=rate, seconds=seconds))
    except GatewayError as error:
        raise BenchError(f"the rules could not be made: {error}") from error
    finally:
        await db.close()
        await redis.aclose()
    return figures


async def _clear_rules(session: GatewaySession) -> None:
    for rule in (await session.request("GET", "/api/alert-rules"))["items"]:
        await session.request("DELETE", f"/api/alert-rules/{rule['id']}", if_match="*")


async def _make_rules(session: GatewaySession, ids: list[str], rules: int) -> None:
    """Make rules of all kinds: most for a few devices each, some for all, as a site would have them."""
    draw = random.Random(1)  # noqa: S311 -- a load, no secret
    tests = [
        {"operator": ">", "value": 90},
        {"operator": "<", "value": 5},
        {"operator": "between", "low": 92, "high": 95},
    ]
    for number in range(rules):
        test = tests[number % 3]
        kinds = [
            {"kind": "threshold", "test": test},
            {"kind": "threshold", "test": test},
            {"kind": "duration", "test": test, "for_seconds": 60},
            {"kind": "repetition", "test": test, "times": 3, "window_seconds": 600},
            {"kind": "rate", "operator": ">", "value": 80, "per": "second", "window_seconds": 10, "is_absolute": True},
            {"kind": "anomaly", "k": 8, "min_deviation": 60},
        ]
        is_for_all = number % 100 == 0
        body = {
            "name": f"bench {number}",
            "metric": METRICS[number % 3],
            "device_ids": [] if is_for_all else draw.sample(ids, 5),
            "condition": kinds[0] if is_for_all else kinds[number % len(kinds)],
            "message": "{device}: {metric} is {value}",
        }
        await session.request("POST", "/api/alert-rules", json=body)


async def _measure(
    stack: Stack, stores: tuple[asyncpg.Connection, Redis], ids: list[str], *, rules: int, rate: int, seconds: float
) -> AlertsFigure:
    db, redis = stores
    process = psutil.Process(int(stack.service("alerts")["pid"]))
    await _feed(redis, ids, rate, SETTLE_SECONDS)
    before, used = await _alarms(db), _cpu(process)
    began = time.monotonic()
    readings = await _feed(redis, ids, rate, seconds)
    took = time.monotonic() - began
    cpu = _cpu(process) - used
    each = cpu / readings * 1e6
    return AlertsFigure(rules, readings, readings / took, each, each * rate / 1e4, await _alarms(db) - before)


async def _feed(redis: Redis, ids: list[str], rate: int, seconds: float) -> int:
    """Put readings on the stream at this rate; when the machine is too slow, fewer a second, and all of them."""
    writer = StreamWriter(redis, TELEMETRY_STREAM, STREAM_MAXLEN[TELEMETRY_STREAM])
    draw = random.Random(2)  # noqa: S311 -- a load, no secret
    each, begun = round(rate * BATCH_SECONDS), time.monotonic()
    sent = batch = 0
    while batch * BATCH_SECONDS < seconds:
        now = time.time_ns() // 1_000_000
        rows = []
        for number in range(each):
            # One reading in 20,000 is beyond the levels: an alarm every few seconds, as on a site that is well kept.
            high = 97.0 if draw.random() < 0.000_05 else 60.0
            values = {metric: round(high - draw.random() * 20, 2) for metric in METRICS}
            rows.append([ids[(sent + number) % len(ids)], now, "good", values])
        await writer.append(json.dumps({"v": 1, "at": now, "rows": rows, "late": []}).encode())
        sent += each
        batch += 1
        await asyncio.sleep(max(0.0, begun + batch * BATCH_SECONDS - time.monotonic()))
    return sent


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _alarms(db: asyncpg.Connection) -> int:
    return int(await db.fetchval("select count(*) from alerts.alarm") or 0)
