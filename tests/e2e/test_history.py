"""What history answers is what was sent: with roll-ups at work, late data, everything twice, and retention in between."""

import json
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx

from pulse_chassis.mqtt import InboundMessage, MqttEndpoint, MqttSession
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import ack, telemetry_buffer

DAY = 86_400_000_000
HOUR = DAY // 24
MINUTE = HOUR // 60
AGGREGATES = ("count", "sum", "avg", "min", "max", "first", "last", "difference", "median")
INTERVALS = {"1m": MINUTE, "10m": 10 * MINUTE, "1h": HOUR, "6h": 6 * HOUR, "1d": DAY}
RUN = 30
"""Rows in a message: few, so that there are many of them."""
Row = tuple[int, float]
"""Microseconds, value: a multiple of an eighth, so that every sum is exact."""


@dataclass
class Outbox:
    """A client's readings, sent by runs in any order; `cum` is up to where the server has committed all."""

    device: str
    session: MqttSession
    epoch: int
    rows: list[Row]
    cum: int = 0
    sent: set[int] = field(default_factory=set)

    async def send(self, first: int) -> None:
        """Send the run that begins there."""
        part = [[at, {"m": value}] for at, value in self.rows[first : first + RUN]]
        said = {"v": 1, "epoch": self.epoch, "first": first + 1, "rows": part}
        await self.session.publish(telemetry_buffer(ClientId(self.device)), json.dumps(said).encode(), qos=1)
        self.sent.add(first)

    @property
    def truth(self) -> list[Row]:
        """What was sent, however often."""
        return sorted(row for first in self.sent for row in self.rows[first : first + RUN])


def readings(draw: random.Random, now: int) -> list[Row]:
    """Some hours of some days ago, and the last one; each microsecond once, in the order of nothing."""
    begun = [now // DAY * DAY - days * DAY + HOUR * draw.randint(0, 20) for days in (5, 4, 3, 2, 1)]
    moments = {start + draw.randrange(3 * HOUR) for start in begun for _ in range(90)}
    moments |= {now - draw.randrange(HOUR) for _ in range(150)}
    rows = [(at, draw.randint(-8_000, 8_000) / 8) for at in moments]
    draw.shuffle(rows)
    return rows


def brute_force(rows: list[Row], interval: int) -> dict[int, dict[str, float]]:
    """What each interval that has readings says, from all of them, the simple way."""
    slots: dict[int, list[float]] = {}
    for at, value in rows:
        slots.setdefault(at // interval * interval, []).append(value)
    found, before = {}, None
    for start, values in slots.items():
        found[start] = {
            "count": len(values), "sum": sum(values), "avg": sum(values) / len(values), "min": min(values),
            "max": max(values), "first": values[0], "last": values[-1], "median": statistics.median(values),
            "difference": values[-1] - (values[0] if before is None else before),
        }  # fmt: skip
        before = values[-1]
    return found


async def check(http: httpx.AsyncClient, outbox: Outbox, now: int, *, kept_from: int = 0) -> set[str]:
    """Ask for every aggregation by every interval; return from what it was read. Medians need readings that are kept."""
    sources = set()
    for name, interval in INTERVALS.items():
        for aggregates, since in ((AGGREGATES[:-1], now - 6 * DAY), (AGGREGATES[-1:], max(kept_from, now - 6 * DAY))):
            start = since // DAY * DAY
            # Retention takes whole days of readings, and minutes of it stay: coarser slots than those can be told anew.
            answer = await http.get(
                "/api/telemetry/history",
                params={
                    "device_id": outbox.device, "interval": name, "agg": ",".join(aggregates), "fill": "none",
                    "from": start / 1e6, "to": (now // DAY + 1) * DAY / 1e6,
                },
            )  # fmt: skip
            assert answer.status_code == 200, answer.text
            (series,) = answer.json()["series"]
            told = {row[0] * 1000: dict(zip(series["columns"][1:], row[1:], strict=True)) for row in series["points"]}
            rows = [row for row in outbox.truth if row[0] >= start]
            wanted = {
                slot: {one: values[one] for one in aggregates} for slot, values in brute_force(rows, interval).items()
            }
            assert told == wanted, (name, aggregates)
            sources.add(series["source"])
    return sources


async def test_history_is_what_was_sent_whatever_rollups_and_retention_do(
    stack: Any, eventually: Callable[..., Awaitable[Any]]
) -> None:
    device, draw, now = f"history-{uuid4().hex[:8]}", random.Random(7), time.time_ns() // 1000
    async with stack.admin() as http:
        key = (await stack.register(http, device))[device]
        epoch = await stack.hello(device, key)

        def on_message(message: InboundMessage) -> None:
            session.ack(message)
            outbox.cum = max(outbox.cum, json.loads(message.payload).get("cum", 0))

        endpoint = MqttEndpoint(*stack.mqtt, device, key)
        session = await MqttSession.connect(endpoint, client_id=device, on_message=on_message)
        outbox = Outbox(device, session, epoch, readings(draw, now))
        await session.subscribe([(ack(ClientId(device)), 1)])

        async def stored() -> bool:
            sql = "select count(*) from telemetry.sample_data d join telemetry.series_index s using (series_id)"
            (row,) = await stack.fetch(f"{sql} where s.client_id = $1", device)
            return bool(row[0] >= len(outbox.truth))

        async def rolled_up() -> bool:
            """Whether of all that has ended for a while, nothing waits for its roll-up."""
            marks = " union all ".join(
                f"select bucket from telemetry.{unit}_dirty d join telemetry.series_index s using (series_id)"
                f" where s.client_id = $1 and bucket < $2::timestamptz - interval '2 {unit}'"
                for unit in ("minute", "hour")
            )
            return not await stack.fetch(marks, device, time_of(now))

        firsts = list(range(0, len(outbox.rows), RUN))
        draw.shuffle(firsts)
        held, now_sent = firsts[::3], [first for first in firsts if first not in firsts[::3]]
        for first in now_sent + draw.sample(now_sent, 5):
            await outbox.send(first)
        await eventually(stored, what="what was sent is stored")
        await check(http, outbox, now)
        await eventually(rolled_up, what="minutes and hours are rolled up")
        assert await check(http, outbox, now) >= {"hour"}

        answer = await http.put(f"/api/retention/{device}/-", json={"raw_days": 1})
        assert answer.status_code == 201, answer.text
        kept_from = now // DAY * DAY - DAY
        await stack.kill("ingest")  # It looks at what has expired when it begins, and then once a minute.

        async def expired() -> bool:
            sql = "select count(*) from telemetry.sample_data d join telemetry.series_index s using (series_id)"
            (row,) = await stack.fetch(f"{sql} where s.client_id = $1 and recorded_at < $2", device, time_of(kept_from))
            return bool(row[0] == 0)

        await eventually(expired, what="what has expired is gone")
        assert await check(http, outbox, now, kept_from=kept_from) >= {"hour"}

        # What was held back comes late, most of it to where nothing is left; and everything else comes again.
        for first in held + draw.sample(now_sent, 8):
            await outbox.send(first)

        async def committed() -> bool:
            return outbox.cum >= len(outbox.rows)

        await eventually(committed, what="all is acknowledged")
        await eventually(rolled_up, what="what came late is rolled up")
        await eventually(expired, what="what came late and has expired is gone")
        await check(http, outbox, now, kept_from=kept_from)
        await session.disconnect()


def time_of(moment: int) -> datetime:
    return datetime.fromtimestamp(moment / 1e6, UTC)
