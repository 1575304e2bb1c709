"""Sensor to screen: from a device's publish to the frame on a subscribed socket, the commit included.

Devices publish at an even rate spread over each second; one socket subscribes to `telemetry.raw` with `interval_ms` 0. Both
ends are in this process, so one clock reads both; a reading is recognised by device and time.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

from websockets.asyncio.client import ClientConnection, connect

from pulse_bench.errors import BenchError
from pulse_bench.stack import Stack, register, say_hello, sign_in
from pulse_chassis.mqtt import MqttEndpoint, MqttSession
from pulse_contracts.frames import SUBPROTOCOL
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import telemetry_live


@dataclass(frozen=True, slots=True)
class LatencyFigure:
    """Milliseconds from publish to frame."""

    devices: int
    readings_per_s: float
    readings: int
    lost: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float

    def as_dict(self) -> dict[str, float | int]:
        """Return the fields for a JSON report."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Site:
    """Both ends: a subscribed socket, and the devices' connections and epochs."""

    socket: ClientConnection
    links: dict[str, MqttSession]
    epochs: dict[str, int]

    def payload(self, device_id: str, sequence: int, now_us: int) -> bytes:
        """Return a message of one reading."""
        rows = [[now_us, {"temperature": 20 + sequence % 50 / 10}]]
        return json.dumps({"v": 1, "epoch": self.epochs[device_id], "first": sequence, "rows": rows}).encode()


class _Flight:
    """Publish times of readings that are on their way, and the delays of those that arrived."""

    def __init__(self) -> None:
        self.departed: dict[tuple[str, int], float] = {}
        self.delays_ms: list[float] = []

    def land(self, device_id: str, ts: int) -> None:
        departed = self.departed.pop((device_id, ts), None)
        if departed is not None:
            self.delays_ms.append((time.perf_counter() - departed) * 1000)


async def measure_latency(
    stack: Stack, *, devices: int, per_device_s: float, seconds: float, run: int
) -> LatencyFigure:
    """Run `devices` at `per_device_s` readings a second each for `seconds`, after a warm-up of two seconds.

    Raises:
        BenchError: the socket could not subscribe, or readings never arrived.
    """
    flight = _Flight()
    async with connected(stack, [f"lat-{run}-{n:03d}" for n in range(devices)]) as site:
        reader = asyncio.create_task(_read(site.socket, flight))
        try:
            sequence = await _publish(site, flight, per_device_s=per_device_s, seconds=2, first=1)
            await _landed(flight)
            flight.delays_ms.clear()
            await _publish(site, flight, per_device_s=per_device_s, seconds=seconds, first=sequence)
            await _landed(flight)
        finally:
            reader.cancel()
    delays = sorted(flight.delays_ms)
    if len(delays) < 100:
        raise BenchError(f"only {len(delays)} readings arrived")
    cut = statistics.quantiles(delays, n=100)
    return LatencyFigure(
        devices=devices,
        readings_per_s=devices * per_device_s,
        readings=len(delays),
        lost=len(flight.departed),
        p50_ms=cut[49],
        p90_ms=cut[89],
        p99_ms=cut[98],
        max_ms=delays[-1],
    )


@asynccontextmanager
async def connected(stack: Stack, ids: list[str]) -> AsyncIterator[Site]:
    """Register and connect devices, and a socket that is subscribed to all of them.

    Raises:
        BenchError: the socket could not subscribe, or a device was not welcomed.
    """
    async with sign_in(stack) as session:
        keys = await register(session, ids)
        token = await session.access_token()
    url = stack.gateway_url.replace("http", "ws", 1) + "/ws/live"
    async with connect(url, subprotocols=[SUBPROTOCOL], max_size=None) as socket:  # type: ignore[list-item]
        await _subscribe(socket, token, ids)
        epochs = {i: (await say_hello(stack, i, keys[i])).epoch for i in ids}
        links = {
            i: await MqttSession.connect(
                MqttEndpoint(stack.mqtt_host, stack.mqtt_port, i, keys[i]), client_id=i, on_message=lambda _: None
            )
            for i in ids
        }
        yield Site(socket, links, epochs)
        for link in links.values():
            await link.disconnect()


async def _subscribe(socket: ClientConnection, token: str, ids: list[str]) -> None:
    client = {"name": "bench", "version": "1"}
    await socket.send(json.dumps({"type": "auth", "id": 1, "token": token, "client": client}))
    await socket.send(
        json.dumps(
            {
                "type": "subscribe",
                "id": 2,
                "sub": "r",
                "topic": "telemetry.raw",
                "filter": {"device_ids": ids},
                "interval_ms": 0,
                "snapshot": False,
            }
        )
    )
    async with asyncio.timeout(10):
        async for text in socket:
            frame = json.loads(text)
            if frame["type"] == "error":
                raise BenchError(f"the socket refused: {frame['code']} {frame['message']}")
            if frame["type"] == "ack" and frame["id"] == 2:
                return


async def _read(socket: ClientConnection, flight: _Flight) -> None:
    async for text in socket:
        frame = json.loads(text)
        for device_id, _metric, ts, _value, _quality in frame["rows"] if frame["type"] == "data" else ():
            flight.land(device_id, ts)


async def _publish(site: Site, flight: _Flight, *, per_device_s: float, seconds: float, first: int) -> int:
    loop = asyncio.get_running_loop()
    rounds = max(1, round(seconds * per_device_s))
    gap = 1 / (per_device_s * len(site.links))
    due = loop.time()
    for sequence in range(first, first + rounds):
        for device_id, link in site.links.items():
            due += gap
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            now_us = time.time_ns() // 1000
            flight.departed[device_id, now_us // 1000] = time.perf_counter()
            link.publish_nowait(telemetry_live(ClientId(device_id)), site.payload(device_id, sequence, now_us))
    return first + rounds


async def _landed(flight: _Flight) -> None:
    deadline = asyncio.get_running_loop().time() + 5
    while flight.departed and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.05)
