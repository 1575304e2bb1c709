"""Devices that misbehave: with an account of their own and no other right, for as long as their task lives."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from websockets.asyncio.client import connect

from pulse_chaos.hoard import Hoard
from pulse_chassis.mqtt import MqttEndpoint, MqttError, MqttSession
from pulse_contracts.frames import SUBPROTOCOL
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import ack, app_telemetry, command, device_data, sync_down, telemetry_buffer, telemetry_live
from pulse_simulator.embedded_stack import EmbeddedStack
from pulse_simulator.gateway_session import GatewaySession
from pulse_simulator.oracle import OracleLog

_UNSIGNED: Final = b"eyJhbGciOiJub25lIn0.eyJuYW1lIjoiTk9URSJ9."  # pragma: allowlist secret -- nobody signed it
_RETRY: Final = 0.3
_ANSWER: Final = 5.0
_FLOOD_MESSAGES: Final = 20_000
_FLOOD_AT_ONCE: Final = 200
_ALL_WRONG: Final = (
    b"",
    b"\x00\xff\xfe",
    b"{",
    b"null",
    b"[]",
    b'{"v":1}',
    b'{"v":1,"epoch":-1,"first":0,"rows":[]}',
    b'{"v":1,"epoch":1,"first":1,"rows":[[1,{"a":NaN}]]}',
    b'{"v":1,"epoch":1,"first":1,"rows":[[1,{"a":1e999}]]}',
    b'{"v":1,"epoch":1,"first":9223372036854775807,"rows":[[1,{"a":1}],[2,{"a":2}]]}',
    b'{"client_id":"somebody-else","metric_name":"a","value_numeric":1}',
    b'{"metrics":{"\\u0000":"\\u0000"}}',
    b'{"telemetry":' + b"[" * 5000 + b"]" * 5000 + b"}",
    b"9" * 200_000,
)
_LONG_AGO_US: Final = 1_420_070_400_000_000
"""The first moment of 2015, before which a time is suspect."""


class Intruder:
    """A registered device; `forge`, `poison`, `flood` and `odd_times` each run until cancelled."""

    def __init__(self, stack: EmbeddedStack, device_id: str, key: str) -> None:
        self._stack = stack
        self.device_id = device_id
        self._key = key
        self.said = 0

    async def poison(self) -> None:
        """Publish on each of its own topics what no decoder may take."""
        own = ClientId(self.device_id)
        topics = (telemetry_buffer(own), telemetry_live(own), device_data(own), app_telemetry(own))

        async def say(session: MqttSession) -> None:
            for payload in _ALL_WRONG:
                for topic in topics:
                    await self._publish(session, topic, payload)
            await asyncio.sleep(_RETRY)

        await self._again_and_again(say)

    async def forge(self, agents: list[str], workstation: str, epoch: int) -> None:
        """Publish acks, commands, pages and readings in the name of others."""
        now = int(time.time() * 1000)
        credit = {"rows_s": 1000, "window": 4}
        forged_ack = {"v": 1, "epoch": epoch, "cum": 10**6, "ok": [], "rej": [], "credit": credit, "server_time": now}
        run = {"v": 1, "epoch": epoch, "first": 1, "rows": [[now * 1000, {"forged": 1}]]}
        desk = ClientId(workstation)

        async def say(session: MqttSession) -> None:
            for agent in map(ClientId, agents):
                await self._publish(session, ack(agent), json.dumps(forged_ack).encode())
                await self._publish(session, telemetry_buffer(agent), json.dumps(run).encode())
            await self._publish(session, command(desk), _UNSIGNED)
            await self._publish(session, sync_down(desk), b"\x01forged page")
            await asyncio.sleep(_RETRY)

        await self._again_and_again(say)

    async def flood(self) -> None:
        """Publish readings as fast as the broker takes them, up to a bound."""

        async def say(session: MqttSession) -> None:
            while self.said < _FLOOD_MESSAGES:
                moment = time.time_ns() // 1000
                bodies = ({"telemetry": {"level": n}, "timestamp": _iso(moment + n)} for n in range(_FLOOD_AT_ONCE))
                topic = app_telemetry(ClientId(self.device_id))
                async with asyncio.timeout(_ANSWER):
                    await session.publish_many([(topic, json.dumps(body).encode()) for body in bodies])
                self.said += _FLOOD_AT_ONCE
            await session.wait_closed()

        await self._again_and_again(say)

    async def hoard(self, oracle: OracleLog) -> None:
        """Deliver as many readings of one device as it measured in five minutes, as fast as it is let; return when all
        are acknowledged.
        """
        await Hoard(self._stack, self.device_id, self._key).deliver(oracle)

    async def odd_times(self, oracle: OracleLog) -> None:
        """Publish readings of 2015 and later years, far from any partition, and tell the oracle."""
        number = 0

        async def say(session: MqttSession) -> None:
            nonlocal number
            number += 1
            moment = _LONG_AGO_US + number * 86_400_000_000 * 37 + number
            reading = {"level": number}
            oracle.intend(self.device_id, moment, reading)
            body = {"telemetry": reading, "timestamp": _iso(moment)}
            if await self._publish(session, app_telemetry(ClientId(self.device_id)), json.dumps(body).encode()) == 0:
                oracle.accepted(self.device_id, moment)
            await asyncio.sleep(_RETRY)

        await self._again_and_again(say)

    async def _publish(self, session: MqttSession, topic: str, payload: bytes) -> int:
        self.said += 1
        async with asyncio.timeout(_ANSWER):
            return await session.publish(topic, payload, qos=1)

    async def _again_and_again(self, say: Callable[[MqttSession], Awaitable[None]]) -> None:
        endpoint = MqttEndpoint(self._stack.mqtt_host, self._stack.mqtt_port, self.device_id, self._key)
        while True:
            with suppress(MqttError, OSError, TimeoutError):
                session = await MqttSession.connect(endpoint, client_id=self.device_id, on_message=lambda _: None)
                try:
                    while session.is_open:
                        await say(session)
                finally:
                    await session.close()
            await asyncio.sleep(_RETRY)


async def never_read(stack: EmbeddedStack, session: GatewaySession) -> None:
    """Subscribe to everything on a socket whose frames are never read; a new one whenever it is closed."""
    url = stack.gateway_url.replace("http", "ws", 1) + "/ws/live"
    while True:
        with suppress(Exception):  # Whatever the gateway does to such a client is right.
            token = await session.access_token()
            async with connect(url, subprotocols=[SUBPROTOCOL], max_queue=1) as socket:  # type: ignore[list-item]
                client = {"name": "deaf", "version": "1"}
                await socket.send(json.dumps({"type": "auth", "id": 1, "token": token, "client": client}))
                wish = {"type": "subscribe", "id": 2, "sub": "all", "topic": "telemetry.raw", "interval_ms": 0}
                await socket.send(json.dumps(wish))
                socket.transport.pause_reading()
                await socket.wait_closed()
        await asyncio.sleep(_RETRY)


def _iso(moment_us: int) -> str:
    seconds, micros = divmod(moment_us, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{micros:06d}Z"
