"""What an MQTT client sends and waits for: publishes of QoS 1 and 2, subscriptions.

Keeps the broker's receive maximum (a slot is free again when the broker has answered, not when somebody stopped
waiting), gives out packet ids, and fails everything that is open when the link ends.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Final

import mqtt5

from pulse_chassis.mqtt_link import MAX_BUFFERED_BYTES, Link
from pulse_chassis.mqtt_types import NotConnectedError, PacketTooLargeError, SubscribeError, WriteBufferFullError

FIRST_FAILURE_CODE: Final = 0x80
PACKET_ID_NOT_FOUND: Final = 0x92
SUBSCRIBE_SECONDS: Final = 10.0
MAX_PACKET_ID: Final = 65_535
QOS: Final = (mqtt5.QoS.AT_MOST_ONCE, mqtt5.QoS.AT_LEAST_ONCE, mqtt5.QoS.EXACTLY_ONCE)


class _Batch:
    """The answers to several publishes, awaited together."""

    def __init__(self, size: int) -> None:
        self._codes = [0] * size
        self._left = size
        self._error: Exception | None = None
        self._done = asyncio.get_running_loop().create_future()

    def resolve(self, place: int, code: int) -> None:
        self._codes[place] = code
        self._left -= 1
        if self._left == 0 and not self._done.done():
            self._done.set_result(None)

    def fail(self, error: Exception) -> None:
        self._error = error
        if not self._done.done():
            self._done.set_result(None)

    async def codes(self) -> list[int]:
        if self._left:
            await self._done
        if self._error is not None:
            raise self._error
        return self._codes


class _Outgoing:
    """One publish that the broker has not finished answering."""

    __slots__ = ("batch", "place", "received_code")

    def __init__(self, batch: _Batch, place: int) -> None:
        self.batch = batch
        self.place = place
        self.received_code = 0


class Outbound:
    """The sending half of a session."""

    def __init__(self, on_waiting: Callable[[], None]) -> None:
        self._on_waiting = on_waiting
        """Called when the first answer begins to be awaited, and when the last one came."""
        self._link: Link | None = None
        self._max_packet_size: int | None = None
        self._outgoing: dict[int, _Outgoing] = {}
        self._subscribing: dict[int, asyncio.Future[list[int]]] = {}
        self._packet_ids = itertools.cycle(range(1, MAX_PACKET_ID + 1))
        self._slots = asyncio.Semaphore(1)

    @property
    def is_waiting(self) -> bool:
        """Whether the broker owes an answer."""
        return bool(self._outgoing or self._subscribing)

    def open(self, link: Link, receive_maximum: int, max_packet_size: int | None) -> None:
        """Begin, within the limits that the broker gave with its CONNACK."""
        self._link = link
        self._slots = asyncio.Semaphore(receive_maximum)
        self._max_packet_size = max_packet_size

    def lose(self) -> None:
        """The link is gone: whoever waits gets NotConnectedError."""
        error = NotConnectedError("the connection ended before the broker answered")
        for outgoing in self._outgoing.values():
            outgoing.batch.fail(error)
        self._outgoing.clear()
        for answer in self._subscribing.values():
            if not answer.done():
                answer.set_exception(error)
        self._slots.release()  # wakes the first of those who wait for a slot; it finds out, and wakes the next

    def publish_nowait(self, topic: str, payload: bytes) -> None:
        """Send at QoS 0, or raise without having sent anything."""
        link = self._open_link()
        if link.buffered_bytes > MAX_BUFFERED_BYTES:
            message = f"more than {MAX_BUFFERED_BYTES} bytes wait to be taken by the socket"
            raise WriteBufferFullError(message)
        link.send(self._checked(mqtt5.PublishPacket(topic, payload).write()))

    async def publish_many(
        self,
        messages: Sequence[tuple[str, bytes]],
        qos: int,
        retain: bool,
        expiry_seconds: int | None = None,
        properties: Sequence[tuple[str, str]] = (),
    ) -> list[int]:
        """Send in this order, wait for all answers, return their codes."""
        batch = _Batch(len(messages))
        given = list(properties) or None
        for place, (topic, payload) in enumerate(messages):
            await self._open_link().wait_writable()
            if qos == 0:
                packet = mqtt5.PublishPacket(
                    topic,
                    payload,
                    retain=retain,
                    message_expiry_interval=expiry_seconds,
                    user_properties=given,
                )
                self._open_link().send(self._checked(packet.write()))
                batch.resolve(place, 0)
                continue
            await self._slots.acquire()
            try:
                packet_id = self._free_packet_id()
                packet = mqtt5.PublishPacket(
                    topic,
                    payload,
                    qos=QOS[qos],
                    retain=retain,
                    packet_id=packet_id,
                    message_expiry_interval=expiry_seconds,
                    user_properties=given,
                )
                self._open_link().send(self._checked(packet.write()))
            except BaseException:
                self._slots.release()
                raise
            self._outgoing[packet_id] = _Outgoing(batch, place)
            if len(self._outgoing) == 1:
                self._on_waiting()
        return await batch.codes()

    async def subscribe(self, filters: Sequence[tuple[str, int]]) -> list[int]:
        """Subscribe, wait for the answer, return the granted QoS of each filter."""
        wanted = [mqtt5.TopicFilter(pattern, max_qos=QOS[qos]) for pattern, qos in filters]
        link = self._open_link()
        packet_id = self._free_packet_id()
        answer: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._subscribing[packet_id] = answer
        try:
            link.send(mqtt5.SubscribePacket(packet_id, wanted).write())
            self._on_waiting()
            async with asyncio.timeout(SUBSCRIBE_SECONDS):
                codes = await answer
        except TimeoutError:
            message = "the broker did not answer a subscription"
            raise NotConnectedError(message) from None
        finally:
            self._subscribing.pop(packet_id, None)
            self._on_waiting()
        if any(code >= FIRST_FAILURE_CODE for code in codes):
            raise SubscribeError(codes)
        return codes

    def on_puback(self, packet: mqtt5.PubAckPacket) -> None:
        """QoS 1: the broker has it, or will not have it."""
        self._finish(packet.packet_id, int(packet.reason_code))

    def on_pubrec(self, packet: mqtt5.PubRecPacket) -> None:
        """QoS 2, first half."""
        outgoing = self._outgoing.get(packet.packet_id)
        code = int(packet.reason_code)
        if outgoing is not None and code >= FIRST_FAILURE_CODE:
            self._finish(packet.packet_id, code)
            return
        if outgoing is not None:
            outgoing.received_code = code
        release = mqtt5.PubRelReasonCode(PACKET_ID_NOT_FOUND if outgoing is None else 0)
        self._open_link().send(mqtt5.PubRelPacket(packet.packet_id, reason_code=release).write())

    def on_pubcomp(self, packet: mqtt5.PubCompPacket) -> None:
        """QoS 2, second half; the first half's code says whether anybody was subscribed."""
        outgoing = self._outgoing.get(packet.packet_id)
        if outgoing is not None:
            self._finish(packet.packet_id, outgoing.received_code or int(packet.reason_code))

    def on_suback(self, packet: mqtt5.SubAckPacket) -> None:
        """Give a subscription its answer."""
        answer = self._subscribing.get(packet.packet_id)
        if answer is not None and not answer.done():
            answer.set_result([int(code) for code in packet.reason_codes])

    def _finish(self, packet_id: int, code: int) -> None:
        outgoing = self._outgoing.pop(packet_id, None)
        if outgoing is not None:
            self._slots.release()
            outgoing.batch.resolve(outgoing.place, code)
            if not self._outgoing:
                self._on_waiting()

    def _open_link(self) -> Link:
        if self._link is None or not self._link.is_open:
            message = "the MQTT connection is closed"
            raise NotConnectedError(message)
        return self._link

    def _checked(self, packet: bytes) -> bytes:
        if self._max_packet_size is not None and len(packet) > self._max_packet_size:
            message = f"the broker takes no packets above {self._max_packet_size} bytes, this one has {len(packet)}"
            raise PacketTooLargeError(message)
        return packet

    def _free_packet_id(self) -> int:
        for packet_id in itertools.islice(self._packet_ids, MAX_PACKET_ID):
            if packet_id not in self._outgoing and packet_id not in self._subscribing:
                return packet_id
        message = "all packet ids are in flight"
        raise WriteBufferFullError(message)
