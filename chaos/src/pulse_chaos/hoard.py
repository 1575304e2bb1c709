"""One device that has measured 187,000 readings in five minutes, and delivers them in runs as an agent does.

It keeps to what it is told: runs of at most 500 readings, as many on their way as the server's credit says, and what was
not acknowledged is sent again. The oracle has each reading before it is sent for the first time.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Final

from pulse_chassis.mqtt import InboundMessage, MqttEndpoint, MqttError, MqttSession
from pulse_contracts.acks import Ack
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import ack, telemetry_buffer
from pulse_simulator.embedded_stack import EmbeddedStack, EmbeddedStackError
from pulse_simulator.oracle import OracleLog

READINGS: Final = 187_000
_SPAN_US: Final = 300_000_000
_RUN: Final = 500
_FIRST_WINDOW: Final = 4
_PATIENCE: Final = 10.0
"""Without a word from the server: what is on its way is sent again."""
_RETRY: Final = 0.5
_METRIC: Final = "level"


class Hoard:
    """Use `deliver`; `acknowledged` says how far it is."""

    def __init__(self, stack: EmbeddedStack, client_id: str, key: str) -> None:
        self._stack = stack
        self._id = client_id
        self._key = key
        self._begins_us = time.time_ns() // 1000 - _SPAN_US
        self._window = _FIRST_WINDOW
        self._heard = asyncio.Event()
        self._epoch = 0
        self.acknowledged = 0
        """The highest sequence below which nothing is missing."""

    async def deliver(self, oracle: OracleLog) -> None:
        """Send until all is acknowledged."""
        written = 0
        while self.acknowledged < READINGS:
            with suppress(MqttError, EmbeddedStackError, OSError, TimeoutError):
                if not self._epoch:
                    self._epoch = await self._stack.say_hello(self._id, self._key)
                if not written:
                    written = await asyncio.to_thread(self._write_down, oracle)
                await self._send_while_connected()
            await asyncio.sleep(_RETRY)

    def _write_down(self, oracle: OracleLog) -> int:
        for number in range(1, READINGS + 1):
            moment = self._moment(number)
            oracle.intend(self._id, moment, {_METRIC: number}, number)
            oracle.accepted(self._id, moment, number)
        return READINGS

    def _moment(self, number: int) -> int:
        return self._begins_us + number * _SPAN_US // READINGS

    async def _send_while_connected(self) -> None:
        endpoint = MqttEndpoint(self._stack.mqtt_host, self._stack.mqtt_port, self._id, self._key)
        session = await MqttSession.connect(endpoint, client_id=self._id, on_message=lambda m: self._take(session, m))
        try:
            await session.subscribe([(ack(ClientId(self._id)), 1)])
            sent = self.acknowledged
            while session.is_open and self.acknowledged < READINGS:
                while sent < READINGS and sent - self.acknowledged < self._window * _RUN:
                    rows = range(sent + 1, min(sent + _RUN, READINGS) + 1)
                    await self._publish(session, rows)
                    sent = rows[-1]
                self._heard.clear()
                try:
                    async with asyncio.timeout(_PATIENCE):
                        await self._heard.wait()
                except TimeoutError:
                    sent = self.acknowledged
        finally:
            await session.close()

    async def _publish(self, session: MqttSession, numbers: range) -> None:
        rows = [[self._moment(number), {_METRIC: number}] for number in numbers]
        run = {"v": 1, "epoch": self._epoch, "first": numbers[0], "rows": rows}
        async with asyncio.timeout(_PATIENCE):
            await session.publish(telemetry_buffer(ClientId(self._id)), json.dumps(run).encode(), qos=1)

    def _take(self, session: MqttSession, message: InboundMessage) -> None:
        session.ack(message)
        body = json.loads(message.payload)
        if "cum" in body and body.get("type") != "welcome":
            heard = Ack.model_validate(body)
            if heard.epoch == self._epoch:
                self.acknowledged = max(self.acknowledged, heard.cum)
                self._window = max(1, heard.credit.window)
                self._heard.set()
