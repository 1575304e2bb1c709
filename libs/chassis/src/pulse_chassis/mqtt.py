"""An asyncio MQTT 5 session for the hot path: one connection, from CONNECT to its end.

Guaranteed: a message of QoS 1 or 2 is acknowledged when the application says so (`ack`) and never before, and an ack
meant for an earlier connection is dropped; `publish` returns what the broker answered, so "sent" is never mistaken for
"delivered"; both receive maxima are kept, ours also against a broker that does not; one that stops answering is
noticed. It never reconnects, never resends and holds no queue: after the end everything that was not answered is the
application's to send again. A message of QoS 2 is delivered once on a connection; across connections its receiver
dedupes (a command by its `jti`).
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

import mqtt5

from pulse_chassis.mqtt_link import MAX_PACKET_BYTES, PROTOCOL_ERROR, Link
from pulse_chassis.mqtt_outbound import FIRST_FAILURE_CODE, MAX_PACKET_ID, PACKET_ID_NOT_FOUND, QOS, Outbound
from pulse_chassis.mqtt_types import (
    InboundMessage,
    MqttConnectionError,
    MqttDisconnectReason,
    MqttEndpoint,
    MqttError,
    NotAuthorizedError,
    NotConnectedError,
    PacketTooLargeError,
    SubscribeError,
    Will,
    WriteBufferFullError,
)
from pulse_chassis.tracing import TRACEPARENT

__all__ = [
    "InboundMessage",
    "MqttConnectionError",
    "MqttDisconnectReason",
    "MqttEndpoint",
    "MqttError",
    "MqttSession",
    "NotAuthorizedError",
    "NotConnectedError",
    "PacketTooLargeError",
    "SubscribeError",
    "Will",
    "WriteBufferFullError",
]

MAX_HELD: Final = 1_000
DISCONNECT_WITH_WILL: Final = 0x04
_REFUSED_ACCOUNT: Final = frozenset({0x86, 0x87})
_connection_numbers = itertools.count(1)


class MqttSession:
    """One connection's life; made by `connect`.

    `session` is its number in this process, `session_present` whether the broker kept an older state for us,
    `ignored_acks` how often `ack` was called for a message that is not open here, `excess_messages` how many came
    above our receive maximum, `dropped_messages` how many of QoS 0 a pause has cost.
    """

    def __init__(
        self, on_message: Callable[[InboundMessage], None], receive_maximum: int, *, reads_traces: bool = False
    ) -> None:
        self.session = next(_connection_numbers)
        self.session_present = False
        self.server_receive_maximum = MAX_PACKET_ID
        self.max_packet_size: int | None = None
        self.ignored_acks = 0
        self.excess_messages = 0
        self.dropped_messages = 0
        self._on_message = on_message
        self._receive_maximum = receive_maximum
        self._reads_traces = reads_traces
        self._open_qos1: set[int] = set()
        self._open_qos2: dict[int, bool] = {}
        """Inbound QoS 2 by packet id: whether the application has acknowledged it (PUBREC is out)."""
        self._outbound = Outbound(self._balance)
        self._is_throttled = False
        self._is_paused = False
        self._held: deque[InboundMessage] = deque()
        """What came with an answer while the application paused."""
        self._greeting: asyncio.Future[mqtt5.ConnAckPacket] = asyncio.get_running_loop().create_future()
        self._link = Link(
            {
                mqtt5.PublishPacket: self._on_publish,
                mqtt5.PubAckPacket: self._outbound.on_puback,
                mqtt5.PubRecPacket: self._outbound.on_pubrec,
                mqtt5.PubRelPacket: self._on_pubrel,
                mqtt5.PubCompPacket: self._outbound.on_pubcomp,
                mqtt5.SubAckPacket: self._outbound.on_suback,
                mqtt5.ConnAckPacket: self._on_connack,
                mqtt5.PingRespPacket: _ignore,
                mqtt5.DisconnectPacket: self._on_disconnect,
            },
            self._on_lost,
        )

    @classmethod
    async def connect(  # noqa: PLR0913 -- what MQTT lets a client say, each by name
        cls,
        endpoint: MqttEndpoint,
        *,
        client_id: str,
        clean_start: bool = True,
        session_expiry: int = 0,
        receive_maximum: int = 500,
        keepalive: int = 15,
        will: Will | None = None,
        on_message: Callable[[InboundMessage], None],
        reads_traces: bool = False,
        timeout: float = 10,  # noqa: ASYNC109 -- covers the whole handshake and is part of the contract
    ) -> Self:
        """Connect and wait for the broker's yes; messages come from the turn of the event loop after that.

        `on_message` is called in the event loop and must not block; what it raises ends the connection and comes out
        of `wait_closed`. With `reads_traces` messages tell the trace that they belong to.
        `keepalive`, `session_expiry` and `timeout` are in seconds.
        Raises MqttConnectionError, or its NotAuthorizedError when the account is refused.
        """
        session = cls(on_message, receive_maximum, reads_traces=reads_traces)
        packet = mqtt5.ConnectPacket(
            client_id,
            username=endpoint.username,
            password=None if endpoint.password is None else endpoint.password.encode(),
            clean_start=clean_start,
            will=_codec_will(will),
            keep_alive=keepalive,
            session_expiry_interval=session_expiry,
            receive_max=receive_maximum,
            max_packet_size=MAX_PACKET_BYTES,
        )
        try:
            async with asyncio.timeout(timeout):
                await session._open(endpoint, packet.write())
        except TimeoutError:
            session._link.abort()
            raise MqttConnectionError(None, f"no answer from the broker within {timeout:g} s") from None
        except BaseException:
            session._link.abort()
            raise
        session._link.watch_peer(session._agreed_keepalive(keepalive))
        asyncio.get_running_loop().call_soon(session._link.release)
        return session

    async def __aenter__(self) -> Self:
        """Give the session itself: `async with await MqttSession.connect(…) as session`."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye; after an error in such a way that the will is published."""
        await self.disconnect(0 if error is None else DISCONNECT_WITH_WILL)

    @property
    def is_open(self) -> bool:
        """Whether the link is up, as far as we know."""
        return self._link.is_open

    @property
    def open_messages(self) -> int:
        """How many messages of QoS 1 and 2 were delivered and not acknowledged yet."""
        return len(self._open_qos1) + len(self._open_qos2)

    async def subscribe(self, filters: Sequence[tuple[str, int]]) -> list[int]:
        """Subscribe to (topic filter, QoS) pairs; return the granted QoS of each. Raises SubscribeError if any is refused."""
        return await self._outbound.subscribe(filters)

    def publish_nowait(self, topic: str, payload: bytes, qos: int = 0) -> None:
        """Publish at QoS 0 and forget. Raises NotConnectedError, or WriteBufferFullError when the socket is behind."""
        if qos != 0:
            message = "only QoS 0 can be published without waiting: use publish()"
            raise ValueError(message)
        self._outbound.publish_nowait(topic, payload)

    async def publish(
        self, topic: str, payload: bytes, qos: int = 1, retain: bool = False, expiry_seconds: int | None = None
    ) -> int:
        """Publish and wait for the broker's answer; return its reason code (0x00, 0x10 no matching subscribers, 0x87 …).

        At QoS 0 it waits only until the socket takes more, and returns 0. With `expiry_seconds` the broker drops it
        when it could not be delivered by then. Raises NotConnectedError when the link ends first: then nobody knows
        whether the message arrived. A cancelled wait takes nothing back.
        """
        return (await self.publish_many([(topic, payload)], qos, retain, expiry_seconds))[0]

    async def publish_many(
        self,
        messages: Sequence[tuple[str, bytes]],
        qos: int = 1,
        retain: bool = False,
        expiry_seconds: int | None = None,
        traceparent: str | None = None,
    ) -> list[int]:
        """Publish several in this order, as many at a time as the broker takes; return the reason code of each.

        With `traceparent` each says in a user property which trace it belongs to.
        """
        properties = [] if traceparent is None else [(TRACEPARENT, traceparent)]
        return await self._outbound.publish_many(messages, qos, retain, expiry_seconds, properties)

    def ack(self, message: InboundMessage) -> None:
        """Tell the broker that a message was dealt with. One of another connection, or acked before, is only counted."""
        packet_id = message.packet_id
        if packet_id is None:
            return
        if message.session != self.session or not self._link.is_open:
            self.ignored_acks += 1
        elif packet_id in self._open_qos1:
            self._open_qos1.remove(packet_id)
            self._link.send(mqtt5.PubAckPacket(packet_id).write())
        elif self._open_qos2.get(packet_id) is False:
            self._open_qos2[packet_id] = True
            self._link.send(mqtt5.PubRecPacket(packet_id).write())
        else:
            self.ignored_acks += 1
        if self._is_throttled:
            self._balance()

    def pause_reading(self) -> None:
        """Get no more messages, from this moment on, not even the rest of a burst.

        What the broker owes us (answers to `publish` and `subscribe`) is still read; messages that come with it are kept
        for `resume_reading`: those of QoS 1 and 2 within the receive maximum, up to MAX_HELD of QoS 0, the rest of which
        is dropped and counted in `dropped_messages`.
        """
        self._is_paused = True
        self._balance()

    def resume_reading(self) -> None:
        """Get messages again, from the next turn of the event loop."""
        self._is_paused = False
        if self._held:
            asyncio.get_running_loop().call_soon(self._deliver_held)
        self._balance()

    async def wait_closed(self) -> MqttDisconnectReason:
        """Wait for the end and return why; raise what `on_message` raised, if that was it."""
        await self._link.lost.wait()
        if self._link.error is not None:
            raise self._link.error
        return self._link.reason or MqttDisconnectReason(None, "closed")

    async def disconnect(self, reason_code: int = 0) -> None:
        """Send what is waiting, say goodbye (0: no will; 4: with the will) and close. Does nothing on a dead link."""
        if self._link.is_open:
            packet = mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode(reason_code))
            self._link.close(MqttDisconnectReason(reason_code, "disconnected by us"), packet=packet.write())
        await self._link.lost.wait()

    async def close(self) -> None:
        """Drop the connection without a goodbye: the broker publishes the will."""
        self._link.close(MqttDisconnectReason(None, "dropped by us"))
        self._link.abort()
        await self._link.lost.wait()

    # The handshake

    async def _open(self, endpoint: MqttEndpoint, connect_packet: bytes) -> None:
        loop = asyncio.get_running_loop()
        context = None if endpoint.ca_file is None else ssl.create_default_context(cafile=str(endpoint.ca_file))
        server_name = None if context is None else endpoint.host
        try:
            await loop.create_connection(
                lambda: self._link, endpoint.host, endpoint.port, ssl=context, server_hostname=server_name
            )
        except OSError as error:
            raise MqttConnectionError(None, f"cannot reach the broker: {error}") from error
        self._link.send(connect_packet)
        greeting = await self._greeting
        code = int(greeting.reason_code)
        if code >= FIRST_FAILURE_CODE:
            text = greeting.reason_str or greeting.reason_code.name.lower().replace("_", " ")
            refusal = NotAuthorizedError if code in _REFUSED_ACCOUNT else MqttConnectionError
            raise refusal(code, f"the broker refused the connection: {text}")
        self.session_present = greeting.session_present
        self.server_receive_maximum = greeting.receive_max
        self.max_packet_size = greeting.max_packet_size
        self._outbound.open(self._link, greeting.receive_max, greeting.max_packet_size)

    def _agreed_keepalive(self, ours: int) -> int:
        theirs = self._greeting.result().server_keep_alive
        return ours if theirs is None else theirs

    def _on_connack(self, packet: mqtt5.ConnAckPacket) -> None:
        if self._greeting.done():
            self._link.fail(PROTOCOL_ERROR, "the broker greeted twice")
            return
        self._greeting.set_result(packet)
        self._link.hold()  # until connect() has returned, so that nobody gets a message of a session not known yet

    # Messages in

    def _on_publish(self, packet: mqtt5.PublishPacket) -> None:
        packet_id = packet.packet_id
        qos = int(packet.qos)
        if packet_id is not None and not self._take_in(packet_id, qos):
            return
        message = InboundMessage(packet.topic, packet.payload, qos, packet_id, packet.retain, self.session)
        if self._reads_traces:
            message.traceparent = next((value for name, value in packet.user_properties if name == TRACEPARENT), None)
        if not self._is_paused and not self._held:
            self._on_message(message)
        elif qos == 0 and len(self._held) >= MAX_HELD:
            self.dropped_messages += 1
        else:
            self._held.append(message)

    def _deliver_held(self) -> None:
        try:
            while self._held and not self._is_paused and self._link.is_open:
                self._on_message(self._held.popleft())
        except Exception as error:  # noqa: BLE001 -- a boundary: wait_closed() raises what a callback raised
            self._link.crash(error)

    def _take_in(self, packet_id: int, qos: int) -> bool:
        """Note a message as open; return False if it is not to be delivered."""
        if qos == 1:
            self._open_qos1.add(packet_id)
        elif packet_id in self._open_qos2:
            if self._open_qos2[packet_id]:
                self._link.send(mqtt5.PubRecPacket(packet_id).write())
            return False
        else:
            self._open_qos2[packet_id] = False
        if self.open_messages > self._receive_maximum:
            self.excess_messages += 1
            self._balance()
        return True

    def _balance(self) -> None:
        """Read no more while the application pauses, or while the broker is above our receive maximum.

        Mosquitto 2.0.11 loses count when acks and messages cross, without a bound; cutting it off would punish the
        wrong one. While an answer of its is awaited we read on: the next `ack` may depend on that answer.
        """
        is_enough = self._is_paused or self.open_messages > self._receive_maximum
        should = is_enough and not self._outbound.is_waiting
        if should != self._is_throttled:
            self._is_throttled = should
            self._link.throttle(should)

    def _on_pubrel(self, packet: mqtt5.PubRelPacket) -> None:
        is_known = self._open_qos2.pop(packet.packet_id, None) is not None
        code = mqtt5.PubCompReasonCode(0 if is_known else PACKET_ID_NOT_FOUND)
        self._link.send(mqtt5.PubCompPacket(packet.packet_id, reason_code=code).write())

    # The end

    def _on_disconnect(self, packet: mqtt5.DisconnectPacket) -> None:
        text = packet.reason_str or packet.reason_code.name.lower().replace("_", " ")
        self._link.close(MqttDisconnectReason(int(packet.reason_code), f"the broker disconnected: {text}"))

    def _on_lost(self) -> None:
        if not self._greeting.done():
            reason = self._link.reason
            self._greeting.set_exception(MqttConnectionError(None, "closed" if reason is None else reason.text))
            self._greeting.exception()  # seen: after a timeout nobody awaits it any more
        self._outbound.lose()


def _codec_will(will: Will | None) -> mqtt5.Will | None:
    if will is None:
        return None
    return mqtt5.Will(will.topic, payload=will.payload, qos=QOS[will.qos], retain=will.retain)


def _ignore(_packet: object) -> None:
    """Any byte from the peer has already been taken as its sign of life."""
