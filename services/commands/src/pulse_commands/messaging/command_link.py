"""The two connections to the broker: commands go down on one, reports come up on the other.

Two for the same reason as ingest's: Mosquitto 2.0 loses count of Receive Maximum on a connection that also publishes.

Guaranteed: reports are acknowledged by hand, on the connection that they came on; the shared subscription is made on every
connect; the link is made again with a growing pause for as long as the process lives. On `stop` nothing more is read,
what was read is settled, then the broker is told goodbye.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_chassis.mqtt import InboundMessage, MqttConnectionError, MqttEndpoint, MqttError, MqttSession
from pulse_commands.messaging.report_reading import read_report
from pulse_commands.use_cases.take_reports import Arrival
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import COMMAND_STATUS_FILTER, sender_of, shared
from pulse_contracts.topics import command as command_topic

GROUP: Final = "commands"
SESSION_SECONDS: Final = 7 * 86_400
"""How long the broker keeps a durable session's reports while no worker of that name is there."""
SEND_SECONDS: Final = 10.0
FIRST_FAILURE_CODE: Final = 0x80
TAKEN_OVER: Final = 0x8E
TAKEN_OVER_PAUSE: Final = 5.0
"""Seconds to stay away after somebody connected under our name: two that fight for it would serve nobody."""

_log = get_logger("command_link")


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How to connect: `worker_id` is unique among the workers of one broker."""

    endpoint: MqttEndpoint
    worker_id: str
    session: Literal["durable", "ephemeral"]
    receive_maximum: int


class Offer(Protocol):
    """Where reports go."""

    def __call__(self, arrival: Arrival, *, is_certain: bool) -> None:
        """Take a report; one that is certain (QoS 1) waits to be acknowledged."""
        ...


class CommandLink:
    """Plays `Downlink` and `Receipts`; `run` is the worker that keeps the link up for those that `serve` named."""

    def __init__(self, options: LinkOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._offer: Offer = _nowhere
        self._on_connect: Callable[[], None] = lambda: None
        self._drained = asyncio.Event()
        self._up: MqttSession | None = None
        self._down: MqttSession | None = None
        self._connected_at: datetime | None = None
        suffix = "" if options.session == "durable" else f"-{secrets.token_hex(4)}"
        self._client_id = f"commands-{options.worker_id}{suffix}"

    def serve(self, offer: Offer, on_connect: Callable[[], None], drained: asyncio.Event) -> None:
        """Work for these, before `run`: `offer` takes reports, `on_connect` hears that the link is (again) up, and
        `drained` is set when all that was read is settled."""
        self._offer = offer
        self._on_connect = on_connect
        self._drained = drained

    @property
    def connected_at(self) -> datetime | None:
        """Since when the link is up; None while it is down."""
        return self._connected_at

    async def send(self, device_id: str, token: str, keep_seconds: int) -> bool:
        """Hand a token to the broker, QoS 2, not retained; say whether the broker took it."""
        session = self._down
        if session is None:
            return False
        topic = command_topic(ClientId(device_id))
        try:
            async with asyncio.timeout(SEND_SECONDS):
                code = await session.publish(topic, token.encode(), 2, expiry_seconds=keep_seconds)
        except (MqttError, TimeoutError) as error:
            _log.warning("command_not_published", device_id=device_id, reason=str(error) or "no answer in time")
            return False
        if code >= FIRST_FAILURE_CODE:
            _log.warning("command_not_published", device_id=device_id, code=code)
        return code < FIRST_FAILURE_CODE

    def acknowledge(self, receipts: Sequence[object]) -> None:
        """PUBACK what the broker brought on the connection that is up; what came on an earlier one comes again."""
        session = self._up
        if session is None:
            return
        for receipt in receipts:
            if isinstance(receipt, InboundMessage):
                session.ack(receipt)

    async def check(self) -> None:
        """Raise unless the broker is there: for /readyz."""
        if not (self._up and self._up.is_open and self._down and self._down.is_open):
            raise MqttConnectionError(None, "not connected to the broker")

    async def run(self, stop: asyncio.Event) -> None:
        """Stay connected until `stop` and until everything that was read is settled."""
        stopping = asyncio.create_task(stop.wait(), name="command_link_stop")
        backoff = Backoff(0.2, 5.0)
        is_away = False
        try:
            while not stop.is_set():
                try:
                    await self._connect()
                except MqttError as error:
                    await self._disconnect()
                    if not is_away:
                        _log.warning("broker_away", reason=str(error))
                    is_away = True
                    await asyncio.wait({stopping}, timeout=backoff.next_delay())
                    continue
                is_away = False
                backoff.reset()
                await self._serve(stopping)
        finally:
            stopping.cancel()
            await self._disconnect()

    async def _connect(self) -> None:
        options = self._options
        is_durable = options.session == "durable"
        self._down = await MqttSession.connect(
            options.endpoint, client_id=f"{self._client_id}-down", on_message=_ignore
        )
        self._up = await MqttSession.connect(
            options.endpoint,
            client_id=self._client_id,
            clean_start=not is_durable,
            session_expiry=SESSION_SECONDS if is_durable else 0,
            receive_maximum=options.receive_maximum,
            on_message=self._on_message,
        )
        await self._up.subscribe([(shared(GROUP, COMMAND_STATUS_FILTER), 1)])
        self._connected_at = self._clock.now()
        _log.info("broker_connected", client_id=self._client_id, session_present=self._up.session_present)
        self._on_connect()

    async def _disconnect(self) -> None:
        up, down = self._up, self._down
        self._up = self._down = self._connected_at = None
        for session in (up, down):
            if session is not None:
                await session.disconnect()

    async def _serve(self, stopping: asyncio.Task[bool]) -> None:
        """Wait for the end of either connection, or for the stop; then end both."""
        closing = {
            asyncio.create_task(session.wait_closed()) for session in (self._up, self._down) if session is not None
        }
        draining = asyncio.create_task(self._drained.wait(), name="command_link_drain")
        try:
            await asyncio.wait({*closing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not any(task.done() for task in closing):
                if self._up is not None:
                    self._up.pause_reading()
                await asyncio.wait({*closing, draining}, return_when=asyncio.FIRST_COMPLETED)
            ended = [task for task in closing if task.done()]
        finally:
            draining.cancel()
            await self._disconnect()
            reasons = await asyncio.gather(*closing, return_exceptions=True)
        for reason in reasons:
            if isinstance(reason, BaseException):
                raise reason
        if stopping.done() or not ended:
            return
        reason = ended[0].result()
        _log.warning("broker_lost", reason=reason.text, code=reason.reason_code)
        if reason.reason_code == TAKEN_OVER:
            _log.error("worker_id_taken", worker_id=self._options.worker_id)
            await asyncio.wait({stopping}, timeout=TAKEN_OVER_PAUSE)

    def _on_message(self, inbound: InboundMessage) -> None:
        sender = sender_of(inbound.topic, COMMAND_STATUS_FILTER)
        if sender is None:
            _log.warning("report_from_nobody", topic=inbound.topic[:200])
            self.acknowledge([inbound])
            return
        self._offer(Arrival(sender, read_report(inbound.payload), inbound), is_certain=inbound.qos > 0)


def _nowhere(arrival: Arrival, *, is_certain: bool) -> None:
    """Until somebody is served nothing is read."""
    del arrival, is_certain


def _ignore(_message: InboundMessage) -> None:
    """Nothing is subscribed on the way down."""
