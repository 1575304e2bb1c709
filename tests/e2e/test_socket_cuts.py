"""A socket that is cut again and again ends with exactly the events that were stored, in their order."""

import asyncio
import json
import random
import time
from urllib.parse import urlsplit

from pulse_chassis.mqtt import MqttEndpoint, MqttSession
from pulse_contracts.frames import Filter
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import telemetry_buffer
from pulse_simulator.tcp_proxy import TcpProxy

EVENTS = 10_000
CUTS = 50
ROWS = 20
DEVICE = "cut-me"


async def send_all(stack, key: str, epoch: int, *, seconds: float) -> list[int]:
    """Send the events as runs, spread over `seconds`; return their times in milliseconds, in order."""
    session = await MqttSession.connect(
        MqttEndpoint(*stack.mqtt, DEVICE, key), client_id=DEVICE, on_message=lambda _: None
    )
    times: list[int] = []
    pause = seconds / (EVENTS / ROWS)
    base_ms = time.time_ns() // 1_000_000 - EVENTS
    for first in range(1, EVENTS + 1, ROWS):
        rows = [[(base_ms + first + n) * 1000, {"n": first + n}] for n in range(ROWS)]
        times += [row[0] // 1000 for row in rows]
        run = {"v": 1, "epoch": epoch, "first": first, "rows": rows}
        assert await session.publish(telemetry_buffer(ClientId(DEVICE)), json.dumps(run).encode(), qos=1) == 0
        await asyncio.sleep(pause)
    await session.disconnect()
    return times


async def cut_at_random(proxy: TcpProxy, seed: int, *, seconds: float) -> None:
    rng = random.Random(seed)
    for _ in range(CUTS):
        await asyncio.sleep(rng.uniform(0.5, 1.5) * seconds / CUTS)
        proxy.reset()


async def test_fifty_cuts_over_ten_thousand_events_lose_and_double_none(stack) -> None:
    async with stack.admin() as http:
        key = (await stack.register(http, DEVICE))[DEVICE]
    epoch = await stack.hello(DEVICE, key)
    address = urlsplit(stack.url)
    account = stack.description["admin"]
    seen: list[tuple[int, int]] = []
    async with (
        TcpProxy(address.hostname, address.port) as proxy,
        stack.socket(account["username"], account["password"], f"http://127.0.0.1:{proxy.port}") as client,
    ):
        await client.subscribe(
            "telemetry.raw", name="raw", filter=Filter(device_ids=[DEVICE]), interval_ms=0, snapshot=False
        )
        await client.until_answered("raw")
        sending = asyncio.create_task(send_all(stack, key, epoch, seconds=30))
        cutting = asyncio.create_task(cut_at_random(proxy, 20261121, seconds=30))
        async with asyncio.timeout(90):
            async for frame in client:
                assert frame.type in {"ack", "data"}, frame
                if frame.type == "data":
                    seen += [(row[2], row[3]) for row in frame.rows]
                    assert frame.n == len(frame.rows)
                if len(seen) >= EVENTS and cutting.done():
                    break
        times = await sending
        await cutting

    assert client.counters.resumed >= CUTS // 2
    assert seen == list(zip(times, range(1, EVENTS + 1), strict=True))
