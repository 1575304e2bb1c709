"""A client that believes no ack: each sequence that is acknowledged to it must be in the table at that moment.

It speaks the contract itself, keeps nothing on a disk, and goes straight to the broker. What it could not ask the
database at once counts as not seen, never as good.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Any, Final

import asyncpg

from pulse_chaos.database_errors import DATABASE_ERRORS
from pulse_chassis.mqtt import InboundMessage, MqttEndpoint, MqttError, MqttSession
from pulse_contracts.acks import Ack
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import ack, telemetry_buffer
from pulse_simulator.embedded_stack import EmbeddedStack, EmbeddedStackError

_PERIOD: Final = 0.25
_ASKING: Final = 2.0
_RETRY: Final = 0.5
_STORED: Final = """
select distinct sequence_no from telemetry.telemetry_data where client_id = $1 and epoch = $2 and sequence_no = any($3)
"""


class AckProbe:
    """Run `run` as a task; read `seen` and `uncommitted`."""

    def __init__(self, stack: EmbeddedStack, client_id: str, key: str) -> None:
        self._stack = stack
        self._id = client_id
        self._key = key
        self._next = 1
        self._open: set[int] = set()
        self._epoch = 0
        self._acks: asyncio.Queue[Ack] = asyncio.Queue(maxsize=1000)
        self.seen = 0
        self.uncommitted: list[str] = []
        self.is_blind = False
        """Set while a fault keeps committed rows where the table does not show them: what is heard then is not compared."""

    async def run(self) -> None:
        """Send and check until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_forever())
            group.create_task(self._check_forever())

    async def _send_forever(self) -> None:
        while True:
            with suppress(MqttError, EmbeddedStackError, OSError, TimeoutError):
                if not self._epoch:
                    self._epoch = await self._stack.say_hello(self._id, self._key)
                await self._send_while_connected()
            await asyncio.sleep(_RETRY)

    async def _send_while_connected(self) -> None:
        endpoint = MqttEndpoint(self._stack.mqtt_host, self._stack.mqtt_port, self._id, self._key)
        session = await MqttSession.connect(endpoint, client_id=self._id, on_message=lambda m: self._heard(session, m))
        try:
            await session.subscribe([(ack(ClientId(self._id)), 1)])
            while session.is_open:
                run = {"v": 1, "epoch": self._epoch, "first": self._next, "rows": [[time.time_ns() // 1000, {"n": 1}]]}
                self._open.add(self._next)
                self._next += 1
                async with asyncio.timeout(_ASKING):
                    await session.publish(telemetry_buffer(ClientId(self._id)), json.dumps(run).encode(), qos=1)
                await asyncio.sleep(_PERIOD)
        finally:
            await session.close()

    def _heard(self, session: MqttSession, message: InboundMessage) -> None:
        session.ack(message)
        body: dict[str, Any] = json.loads(message.payload)
        if "cum" in body and body.get("type") != "welcome":
            with suppress(asyncio.QueueFull):
                self._acks.put_nowait(Ack.model_validate(body))

    async def _check_forever(self) -> None:
        while True:
            with suppress(*DATABASE_ERRORS):
                async with asyncio.timeout(_ASKING):
                    connection = await asyncpg.connect(self._stack.database_url)
                try:
                    while True:
                        await self._check(connection, await self._acks.get())
                finally:
                    connection.terminate()
            await asyncio.sleep(_RETRY)

    async def _check(self, connection: asyncpg.Connection[asyncpg.Record], heard: Ack) -> None:
        if heard.epoch != self._epoch:
            return
        said = {n for n in self._open if n <= heard.cum or any(low <= n <= high for low, high in heard.ok)}
        self._open -= said
        if not said:
            return
        was_blind = self.is_blind
        async with asyncio.timeout(_ASKING):
            rows = await connection.fetch(_STORED, self._id, self._epoch, sorted(said))
        if was_blind or self.is_blind:
            return
        self.seen += len(said)
        self.uncommitted += [f"{self._id} {n}" for n in sorted(said - {row[0] for row in rows})]
