"""A storm: 500 dashboards lose their lines at the same moment and come back, while events go on.

Twice: every line cut at once, with the gateway alive; and the gateway killed, so that it must start again before anybody can
come back. The dashboards come back as ours do (`dashboard_crowd`). Steps of alarms are put on their stream all the time; at
the end each dashboard must have each of them, whatever happened to its lines.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final
from uuid import UUID

from redis.asyncio import Redis

from pulse_bench.crowds import Crowds, crowds
from pulse_bench.errors import BenchError
from pulse_bench.fanout_load import gateway_plan
from pulse_bench.stack import Stack, register, sign_in
from pulse_chassis.streams import StreamWriter, connect_redis
from pulse_contracts.streams import ALERTS_STREAM, STREAM_MAXLEN, AlarmChanged

EVENTS_HERTZ: Final = 5.0
DEVICE: Final = "bench-storm"
_BEFORE_SECONDS: Final = 3.0
_DEADLINE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class StormFigure:
    """One storm; seconds from when the lines were lost.

    `served_s` is when the gateway spoke to the first one that came back, `resumed_s` when the last one had its subscription
    again; `lost` counts events that a dashboard did not get, over all dashboards.
    """

    kind: str
    sockets: int
    served_s: float
    p50_s: float
    resumed_s: float
    unrecovered: int
    turned_away: dict[str, int]
    events: int
    lost: int

    @property
    def after_served_s(self) -> float:
        """Seconds from when the gateway was there again until all were resumed."""
        return self.resumed_s - (self.served_s if self.kind == "killed" else 0.0)

    def as_dict(self) -> dict[str, Any]:
        """Return the figure for the report."""
        return asdict(self) | {"after_served_s": self.after_served_s}


async def measure_storms(stack: Stack, *, sockets: int, runs: int) -> list[StormFigure]:
    """Cut the lines, then kill the gateway, so many times. Raises BenchError."""
    redis = connect_redis(str(stack.description["redis_url"]))
    figures: list[StormFigure] = []
    try:
        for _ in range(runs):
            for kind in ("cut", "killed"):
                async with sign_in(stack) as session:
                    if not figures:
                        await register(session, [DEVICE])
                    plan = gateway_plan(stack, await session.access_token(), sockets, "alerts")
                async with crowds(plan) as crowd:
                    figures.append(await _storm(stack, redis, crowd, kind, sockets))
    finally:
        await redis.aclose()
    return figures


async def _storm(stack: Stack, redis: Redis, crowd: Crowds, kind: str, sockets: int) -> StormFigure:
    async with _events(redis) as sent:
        await asyncio.sleep(_BEFORE_SECONDS)
        if kind == "cut":
            crowd.tell("drop")
        else:
            crowd.tell("measure")
            await crowd.report()  # has been read, and with it the word before
            await stack.kill("gateway")
        seen = await _until(crowd, lambda seen: len(seen["resumed"]) >= sockets and seen["subscribed"] == sockets)
    seen = await _until(crowd, lambda seen: min(seen["events"]) >= len(sent), seen)
    if len(seen["resumed"]) < sockets:
        raise BenchError(f"{sockets - len(seen['resumed'])} dashboards were not back within {_DEADLINE_SECONDS:g} s")
    return StormFigure(
        kind=kind,
        sockets=sockets,
        served_s=seen["greeted"],
        p50_s=statistics.median(seen["resumed"]),
        resumed_s=max(seen["resumed"]),
        unrecovered=seen["unrecovered"],
        turned_away=dict(Counter(seen["turned_away"])),
        events=len(sent),
        lost=sum(max(0, len(sent) - had) for had in seen["events"]),
    )


async def _until(
    crowd: Crowds, is_so: Callable[[dict[str, Any]], bool], seen: dict[str, Any] | None = None
) -> dict[str, Any]:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while seen is None or (not is_so(seen) and time.monotonic() < deadline):
        await asyncio.sleep(_POLL_SECONDS)
        seen = await crowd.report()
    return seen


@asynccontextmanager
async def _events(redis: Redis) -> AsyncIterator[list[UUID]]:
    """Put steps of alarms on the stream inside of the block; the list has those that are there."""
    sent: list[UUID] = []
    stop = asyncio.Event()

    async def feed() -> None:
        writer = StreamWriter(redis, ALERTS_STREAM, STREAM_MAXLEN[ALERTS_STREAM])
        first = time.time_ns()
        due = time.perf_counter()
        while not stop.is_set():
            due += 1 / EVENTS_HERTZ
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            event = _event(UUID(int=first + len(sent)))
            await writer.append(event.model_dump_json().encode())
            sent.append(event.event_id)

    task = asyncio.create_task(feed())
    try:
        yield sent
    finally:
        stop.set()
        await asyncio.wait([task])
    if (error := task.exception()) is not None:
        raise BenchError(f"the events could not be put on the stream: {error}") from error


def _event(event_id: UUID) -> AlarmChanged:
    now = time.time_ns() // 1_000_000
    return AlarmChanged(
        event_id=event_id,
        at=now,
        kind="commented",
        alarm_id=UUID(int=1),
        rule_id=UUID(int=2),
        rule_name="bench",
        device_id=DEVICE,
        severity="info",
        state="active",
        message="a step of an alarm",
        raised_at=now,
    )
