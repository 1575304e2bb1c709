"""The two connections to the broker: what clients publish comes in on one, acks and welcomes go out on the other.

Two, because Mosquitto 2.0 loses count of Receive Maximum on a connection that also publishes at QoS 1: measured here,
18,000 messages in flight where 500 were agreed, and with them the bound of our memory.

Guaranteed: MQTT 5 with a Receive Maximum, every message acknowledged by hand and only on the connection it came on;
the shared subscriptions are made on every connect; the link is made again with a growing pause for as long as the
process lives. On `stop` nothing more is read, what was read is settled, then the broker is told goodbye.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_chassis.mqtt import InboundMessage, MqttConnectionError, MqttEndpoint, MqttError, MqttSession
from pulse_contracts.acks import Welcome
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import BROKER_NOTICES, UPLINK_FILTERS, UplinkKind, ack, parse_uplink, shared
from pulse_ingest.domain.batch import Message
from pulse_ingest.messaging.wire import encode_ack, encode_welcome
from pulse_ingest.use_cases.ports import AckDraft

GROUP: Final = "ingest"
SESSION_SECONDS: Final = 7 * 86_400
"""How long the broker keeps a durable session's messages while no worker of that name is there."""
MAX_CACHED_TOPICS: Final = 50_000
TAKEN_OVER: Final = 0x8E
TAKEN_OVER_PAUSE: Final = 5.0
"""Seconds to stay away after somebody connected under our name: two that fight for it would serve nobody."""

_REFUSED: Final = re.compile(rb"not authori[sz]ed|bad (user ?name|credentials)|refused", re.IGNORECASE)
_log = get_logger("mqtt_source")

Session = Literal["durable", "ephemeral"]


class Pump(Protocol):
    """Where telemetry goes."""

    drained: asyncio.Event

    def offer_certain(self, message: Message) -> None:
        """Take a message of QoS 1."""
        ...

    def offer_live(self, message: Message) -> None:
        """Take a message of QoS 0."""
        ...


class PresenceDesk(Protocol):
    """Where hellos, heartbeats and last wills go."""

    def offer(self, message: Message, *, is_certain: bool) -> None:
        """Take a message."""
        ...


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How to connect: `worker_id` is unique among the workers of one broker."""

    endpoint: MqttEndpoint
    worker_id: str
    session: Session
    receive_maximum: int = 2_000
    reads_traces: bool = False


class MqttLink:
    """The current connections. Plays `Downlink`.

    What was read and is not settled is bounded twice: in messages by Receive Maximum, and in bytes here, because 2,000
    messages of the largest size would be half a gigabyte. Above the bound reading stops until half of it is settled.
    """

    def __init__(self, now_us: Callable[[], int], *, waiting_bytes: int) -> None:
        self._now_us = now_us
        self._most_bytes = waiting_bytes
        self._bytes = 0
        self._is_full = False
        self.up: MqttSession | None = None
        self.down: MqttSession | None = None
        self.connected_at: float | None = None
        self.acks_failed = 0
        """Acks that could not be handed to the broker, ever; each is healed by its client's resend."""

    async def send_acks(self, drafts: Sequence[AckDraft]) -> None:
        """Send acks to the clients."""
        now_ms = self._now_us() // 1000
        await self._publish([(ack(draft.client_id), encode_ack(draft, now_ms)) for draft in drafts])

    async def send_welcome(self, client_id: ClientId, welcome: Welcome) -> None:
        """Send the answer to a hello."""
        await self._publish([(ack(client_id), encode_welcome(welcome))])

    async def _publish(self, messages: list[tuple[str, bytes]]) -> None:
        session = self.down
        try:
            if session is not None:
                await session.publish_many(messages, qos=1)
                return
        except MqttError as error:
            _log.warning("acks_not_sent", count=len(messages), reason=str(error))
        self.acks_failed += len(messages)

    def opened(self, up: MqttSession) -> None:
        """Begin with a new connection, of which nothing is waiting yet."""
        self.up, self._bytes, self._is_full = up, 0, False

    def arrived(self, message: InboundMessage) -> None:
        """Count a message that will be acknowledged."""
        self._bytes += len(message.payload)
        if self._bytes > self._most_bytes and not self._is_full and self.up is not None:
            self._is_full = True
            self.up.pause_reading()

    def end_reading(self) -> None:
        """Read nothing more: the process stops, and what was read is settled."""
        if self.up is not None:
            self.up.pause_reading()
        self._is_full = False

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """PUBACK what the broker brought."""
        session = self.up
        if session is None:
            return
        for message in messages:
            receipt = message.receipt
            if type(receipt) is InboundMessage and receipt.session == session.session:
                session.ack(receipt)
                if receipt.qos:
                    self._bytes -= len(receipt.payload)
        if self._is_full and self._bytes <= self._most_bytes // 2:
            self._is_full = False
            session.resume_reading()

    async def check(self) -> None:
        """Raise unless the broker is there: for /readyz."""
        if not (self.up and self.up.is_open and self.down and self.down.is_open):
            raise MqttConnectionError(None, "not connected to the broker")


class MqttSource:
    """Keeps the link up and hands every message to the pump or to the presence desk."""

    def __init__(
        self,
        options: SourceOptions,
        link: MqttLink,
        pump: Pump,
        presence: PresenceDesk,
        clock: Clock,
        now_us: Callable[[], int],
    ) -> None:
        self._options = options
        self._link = link
        self._pump = pump
        self._presence = presence
        self._clock = clock
        self._now_us = now_us
        self._last_us = 0
        self._topics: dict[str, tuple[str, ClientId]] = {}
        self.refused_connections = 0
        """Connections that the broker said it refused, ever."""
        self.connects = 0
        suffix = "" if options.session == "durable" else f"-{secrets.token_hex(4)}"
        self._client_id = f"ingest-{options.worker_id}{suffix}"

    async def run(self, stop: asyncio.Event) -> None:
        """Stay connected until `stop` and until everything that was read is settled."""
        stopping = asyncio.create_task(stop.wait(), name="mqtt_stop")
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
        endpoint, link = self._options.endpoint, self._link
        is_durable = self._options.session == "durable"
        # The way down first: a durable session's messages come at once, and want their acks.
        link.down = await MqttSession.connect(endpoint, client_id=f"{self._client_id}-down", on_message=_ignore)
        up = await MqttSession.connect(
            endpoint,
            client_id=self._client_id,
            clean_start=not is_durable,
            session_expiry=SESSION_SECONDS if is_durable else 0,
            receive_maximum=self._options.receive_maximum,
            on_message=self._on_message,
            reads_traces=self._options.reads_traces,
        )
        link.opened(up)
        filters = [(shared(GROUP, pattern), 1) for pattern in UPLINK_FILTERS]
        await up.subscribe([*filters, (BROKER_NOTICES, 0)])
        link.connected_at = self._clock.monotonic()
        self.connects += 1
        _log.info("broker_connected", client_id=self._client_id, session_present=up.session_present)

    async def _disconnect(self) -> None:
        link = self._link
        up, down = link.up, link.down
        link.up = link.down = link.connected_at = None
        for session in (up, down):
            if session is not None:
                await session.disconnect()

    async def _serve(self, stopping: asyncio.Task[bool]) -> None:
        """Wait for the end of either connection, or for the stop; then end both."""
        up, down = self._link.up, self._link.down
        assert up is not None  # noqa: S101 -- _connect has returned
        assert down is not None  # noqa: S101 -- likewise
        closing = {asyncio.create_task(session.wait_closed()) for session in (up, down)}
        draining = asyncio.create_task(self._pump.drained.wait(), name="mqtt_drain")
        try:
            await asyncio.wait({*closing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not any(task.done() for task in closing):
                self._link.end_reading()
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
        topic = inbound.topic
        known = self._topics.get(topic)
        if known is None:
            if topic == BROKER_NOTICES:
                self.refused_connections += _REFUSED.search(inbound.payload) is not None
                return
            known = self._learn_topic(topic)
        # Strictly increasing, so that two readings without a time of their own never share one.
        received_us = max(self._now_us(), self._last_us + 1)
        self._last_us = received_us
        form, client_id = known
        message = Message(client_id, topic, form, inbound.payload, received_us, inbound)
        if inbound.qos > 0:
            self._link.arrived(inbound)
        if form == _HEARTBEAT:
            self._presence.offer(message, is_certain=inbound.qos > 0)
        elif inbound.qos > 0:
            self._pump.offer_certain(message)
        else:
            self._pump.offer_live(message)

    def _learn_topic(self, topic: str) -> tuple[str, ClientId]:
        uplink = parse_uplink(topic)
        if uplink is None:
            return _NOWHERE
        if len(self._topics) >= MAX_CACHED_TOPICS:
            self._topics.clear()
        known = self._topics[topic] = (uplink.kind.value, uplink.client_id)
        return known


def _ignore(_message: InboundMessage) -> None:
    """Nothing is subscribed on the way down."""


_HEARTBEAT: Final = UplinkKind.HEARTBEAT.value
_NOWHERE: Final = ("unknown", ClientId(""))
