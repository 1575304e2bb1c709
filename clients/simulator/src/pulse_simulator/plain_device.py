"""An ESP32-style device: plain MQTT 3.1.1, QoS 1, no outbox. What it cannot send while it measures is gone, as on the
real one.

It speaks one of the two simple wire forms (flat, or nested with a time without zone), connects again with backoff,
keeps at most ten publishes in flight and drops what comes beyond. It never sends a reading twice.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import aiomqtt

from pulse_chassis.backoff import Backoff
from pulse_chassis.mqtt import MqttEndpoint
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import app_telemetry, device_data
from pulse_simulator.figures import Figures
from pulse_simulator.generation import Generator
from pulse_simulator.oracle import OracleLog
from pulse_simulator.waveforms import Reading

_MAX_IN_FLIGHT: Final = 10
_ANSWER_S: Final = 10.0
_CONNECT_S: Final = 10.0
_KEEPALIVE_S: Final = 15
_QUIET: Final = logging.getLogger("pulse_simulator.mqtt")
"""paho's chatter about each lost link: an outage on demand is no news."""
_QUIET.setLevel(logging.CRITICAL)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class WireForm(StrEnum):
    """How a simple device writes a reading."""

    FLAT = "flat"
    APP = "app"


def encode(form: WireForm, account: MqttEndpoint, number: int, moment_us: int, reading: Reading) -> tuple[str, bytes]:
    """Return topic and payload of a reading. The flat form carries the key and a number, as the specification's
    example."""
    client = ClientId(account.username or "")
    moment = (_EPOCH + timedelta(microseconds=moment_us)).replace(tzinfo=None).isoformat(timespec="microseconds")
    if form is WireForm.APP:
        # Without a zone, as the app family sends it: it means UTC.
        return app_telemetry(client), json.dumps({"telemetry": reading, "timestamp": moment}).encode()
    flat = {
        "device_id": client,
        "api_key": account.password,
        "timestamp": f"{moment}Z",
        "sequence_no": number,
        **reading,
    }
    return device_data(client), json.dumps(flat).encode()


@dataclass(frozen=True, slots=True)
class PlainSetup:
    """Who the device is, where the broker is, and how it speaks."""

    account: MqttEndpoint
    form: WireForm
    connecting: asyncio.Semaphore
    """Shared by the fleet: how many may connect at once."""


class PlainDevice:
    """One device: `connect_forever` and `generate` are run by the fleet."""

    def __init__(self, setup: PlainSetup, generator: Generator, oracle: OracleLog | None) -> None:
        self._setup = setup
        self._generator = generator
        self._oracle = oracle
        self._client: aiomqtt.Client | None = None
        self._number = 0
        self._in_flight: set[asyncio.Task[None]] = set()
        self._figures = Figures(clients=1)

    async def connect_forever(self) -> None:
        """Keep a connection until cancelled; then say goodbye to the broker."""
        backoff = Backoff(0.5, 10.0)
        while True:
            with suppress(aiomqtt.MqttError, OSError, TimeoutError):
                await self._hold(backoff)
            await asyncio.sleep(backoff.next_delay())

    async def _hold(self, backoff: Backoff) -> None:
        account = self._setup.account
        # A new client for each connection: paho would send again what it still holds of the last one.
        client = aiomqtt.Client(
            account.host,
            account.port,
            username=account.username,
            password=account.password,
            identifier=account.username,
            protocol=aiomqtt.ProtocolVersion.V311,
            keepalive=_KEEPALIVE_S,
            timeout=_CONNECT_S,
            logger=_QUIET,
        )
        async with self._setup.connecting:
            await client.__aenter__()
        try:
            self._client = client
            self._figures.connections += 1
            backoff.reset()
            async for _ in client.messages:
                pass  # Nothing is subscribed to; this waits for the end of the link, which raises MqttError.
        finally:
            self._client = None
            with suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)

    async def generate(self) -> None:
        """Measure and publish until cancelled."""
        await self._generator.run(self._emit)

    def _emit(self, moment_us: int, reading: Reading) -> None:
        self._number += 1
        client = self._client
        if client is None or len(self._in_flight) >= _MAX_IN_FLIGHT:
            self._figures.dropped += 1
            return
        topic, payload = encode(self._setup.form, self._setup.account, self._number, moment_us, reading)
        if self._oracle is not None:
            self._oracle.intend(self._setup.account.username or "", moment_us, reading, self._sequence())
        self._start(self._publish(client, topic, payload, moment_us))

    def _sequence(self) -> int | None:
        return self._number if self._setup.form is WireForm.FLAT else None

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _publish(self, client: aiomqtt.Client, topic: str, payload: bytes, moment_us: int) -> None:
        number = self._sequence()
        self._figures.sent += 1
        try:
            await client.publish(topic, payload, qos=1, timeout=_ANSWER_S)
        except (aiomqtt.MqttError, OSError):
            self._figures.unconfirmed += 1
            return
        self._figures.acked += 1
        if self._oracle is not None:
            self._oracle.accepted(self._setup.account.username or "", moment_us, number)

    async def close(self) -> None:
        """Give up what still waits for an answer."""
        unanswered = tuple(self._in_flight)
        for task in unanswered:
            task.cancel()
        await asyncio.gather(*unanswered, return_exceptions=True)

    @property
    def is_connected(self) -> bool:
        """Tell whether it has a link."""
        return self._client is not None

    @property
    def is_drained(self) -> bool:
        """Tell whether no answer is awaited."""
        return not self._in_flight

    def figures(self) -> Figures:
        """Return what it did so far."""
        figures = self._figures
        figures.generated = self._generator.generated
        figures.skipped = self._generator.skipped
        figures.outstanding = len(self._in_flight)
        figures.connected = int(self.is_connected)
        return figures
