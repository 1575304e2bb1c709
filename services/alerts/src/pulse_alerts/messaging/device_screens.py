"""Devices that are told by MQTT, on `alert/{client_id}`: QoS 1 and retained, always the whole truth about one device.

Retained, because it is a state: a screen that starts, or was away for longer than its session, is told at once. The link is
made again with a growing pause for as long as the process lives; a broker that comes back may have lost what it
retained, so all that are concerned are told again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Final

import aiomqtt

from pulse_alerts.domain.retrying import NotTaken, Outcome, Sent
from pulse_chassis.backoff import Backoff
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.mqtt import MqttEndpoint
from pulse_chassis.run import Worker
from pulse_contracts.alerts import DeviceAlerts
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import alert

ANSWER_SECONDS: Final = 10.0
MOST_PENDING: Final = 32
"""Publishes that may wait for their answers without a word from the library; the sender has fewer under way."""
_KEEPALIVE_SECONDS: Final = 10
_log = get_logger("device_screens")


class MqttScreens:
    """Plays `DeviceScreens`; `worker` keeps its connection."""

    def __init__(self, endpoint: MqttEndpoint) -> None:
        self._endpoint = endpoint
        self._client: aiomqtt.Client | None = None
        self._is_away = False
        self._on_connect: Callable[[], None] = lambda: None

    def worker(self, on_connect: Callable[[], None]) -> Worker:
        """Return the worker that keeps the connection; `on_connect` hears each time that it is up."""
        self._on_connect = on_connect
        return Worker("device_screens", self._run, stops_last=True)

    async def check(self) -> None:
        """Raise UnavailableError unless the broker is there: for /readyz."""
        if self._client is None:
            message = "not connected to the broker"
            raise UnavailableError(message)

    async def tell(self, alerts: DeviceAlerts, *, is_kept: bool) -> Outcome:
        """Publish to the device, retained; not `is_kept`: take away what is retained."""
        client = self._client
        if client is None:
            return NotTaken("broker_away", "not connected to the broker")
        topic = alert(ClientId(alerts.device_id))
        payload = alerts.model_dump_json().encode() if is_kept else b""
        try:
            await client.publish(topic, payload, qos=1, retain=True, timeout=ANSWER_SECONDS)
        except (aiomqtt.MqttError, TimeoutError):
            return NotTaken("broker_silent", "the broker did not confirm it", is_doubtful=True)
        return Sent()

    async def _run(self, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait(), name="device_screens_stop")
        backoff = Backoff(0.2, 5.0)
        try:
            while not stop.is_set():
                try:
                    await self._stay_connected(stopping, backoff)
                except (aiomqtt.MqttError, OSError) as error:
                    if not self._is_away:
                        _log.warning("broker_away", reason=str(error))
                    self._is_away = True
                await asyncio.wait({stopping}, timeout=backoff.next_delay())
        finally:
            stopping.cancel()

    async def _stay_connected(self, stopping: asyncio.Task[bool], backoff: Backoff) -> None:
        """Connect and stay until the connection ends or the process stops."""
        async with self._new_client() as client:
            client.pending_calls_threshold = MOST_PENDING
            reading = asyncio.create_task(_read(client), name="device_screens_read")
            try:
                _log.info("broker_connected")
                self._client, self._is_away = client, False
                backoff.reset()
                self._on_connect()
                await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    reading.result()
            finally:
                self._client = None
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    def _new_client(self) -> aiomqtt.Client:
        endpoint = self._endpoint
        tls = None if endpoint.ca_file is None else aiomqtt.TLSParameters(ca_certs=str(endpoint.ca_file))
        return aiomqtt.Client(
            endpoint.host,
            endpoint.port,
            username=endpoint.username,
            password=endpoint.password,
            identifier=f"svc-alerts-{secrets.token_hex(6)}",
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=True,
            keepalive=_KEEPALIVE_SECONDS,
            timeout=ANSWER_SECONDS,
            tls_params=tls,
        )


async def _read(client: aiomqtt.Client) -> None:
    """Wait for the end of the connection: nothing is subscribed."""
    async for _ in client.messages:
        continue
