"""What clients publish, read from the broker and handed on; and the acks and welcomes that go back to them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from pulse_chassis.broker_link import BrokerLink
from pulse_chassis.logging import get_logger
from pulse_chassis.mqtt import InboundMessage, MqttError
from pulse_contracts.acks import Welcome
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import BROKER_NOTICES, UPLINK_FILTERS, UplinkKind, ack, parse_uplink, shared
from pulse_ingest.domain.batch import Message
from pulse_ingest.messaging.wire import encode_ack, encode_welcome
from pulse_ingest.use_cases.ports import AckDraft

GROUP: Final = "ingest"
SUBSCRIPTIONS: Final[tuple[tuple[str, int], ...]] = (
    *((shared(GROUP, pattern), 1) for pattern in UPLINK_FILTERS),
    (BROKER_NOTICES, 0),
)
MAX_CACHED_TOPICS: Final = 50_000
STEPPED_BACK_US: Final = 1_000_000
"""A clock that is further behind the last message was set back, and is believed: else everything would count as late, and
readings would get times of the future, until it has caught up."""

_REFUSED: Final = re.compile(rb"not authori[sz]ed|bad (user ?name|credentials)|refused", re.IGNORECASE)
_log = get_logger("mqtt_source")


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


class MqttDownlink:
    """Plays `Downlink` over the link that is up."""

    def __init__(self, link: BrokerLink, now_us: Callable[[], int]) -> None:
        self._link = link
        self._now_us = now_us
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
        session = self._link.down
        try:
            if session is not None:
                await session.publish_many(messages, qos=1)
                return
        except MqttError as error:
            _log.warning("acks_not_sent", count=len(messages), reason=str(error))
        self.acks_failed += len(messages)

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """PUBACK what the broker brought; QoS 0 wants none, and what came over HTTP has another receipt."""
        receipts = [message.receipt for message in messages]
        self._link.acknowledge([receipt for receipt in receipts if type(receipt) is InboundMessage and receipt.qos])


class MqttSource:
    """Hands every message to the pump or to the presence desk. Plays the link's `Reader`."""

    def __init__(self, link: BrokerLink, pump: Pump, presence: PresenceDesk, now_us: Callable[[], int]) -> None:
        self._link = link
        self._pump = pump
        self._presence = presence
        self._now_us = now_us
        self._last_us = 0
        self._topics: dict[str, tuple[str, ClientId]] = {}
        self.refused_connections = 0
        """Connections that the broker said it refused, ever."""

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop` and until everything that was read is settled."""
        await self._link.run(stop, self)

    def connected(self) -> None:
        """Nothing is to be done: who is present is asked of `connected_at`."""

    async def settled(self) -> None:
        """Wait until the pump has committed all that it took."""
        await self._pump.drained.wait()

    def take(self, inbound: InboundMessage) -> None:
        """Hand a message on by its topic and QoS."""
        topic = inbound.topic
        known = self._topics.get(topic)
        if known is None:
            if topic == BROKER_NOTICES:
                self.refused_connections += _REFUSED.search(inbound.payload) is not None
                return
            known = self._learn_topic(topic)
        received_us = self._now_us()
        if self._last_us - STEPPED_BACK_US < received_us <= self._last_us:
            # Strictly increasing, so that two readings without a time of their own never share one.
            received_us = self._last_us + 1
        self._last_us = received_us
        form, client_id = known
        message = Message(client_id, topic, form, inbound.payload, received_us, inbound)
        if inbound.qos > 0:
            self._link.count(inbound)
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


_HEARTBEAT: Final = UplinkKind.HEARTBEAT.value
_NOWHERE: Final = ("unknown", ClientId(""))
