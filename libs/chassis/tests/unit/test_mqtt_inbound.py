"""Connecting, and what comes in, against a broker that follows a script."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import mqtt5
import pytest

from pulse_chassis.mqtt import (
    InboundMessage,
    MqttConnectionError,
    MqttEndpoint,
    MqttSession,
    NotAuthorizedError,
    Will,
)

Eventually = Callable[..., Awaitable[None]]


def publish(packet_id: int, qos: int = 1, **more: Any) -> mqtt5.PublishPacket:
    return mqtt5.PublishPacket("t", b"x", qos=mqtt5.QoS(qos), packet_id=packet_id, **more)


async def test_connect_says_what_it_was_told_to(mqtt_client: Any, scripted_broker: Any) -> None:
    connecting = asyncio.create_task(
        mqtt_client.connect(
            clean_start=False, session_expiry=60, receive_maximum=7, keepalive=9, will=Will("w", b"off")
        )
    )
    peer = await scripted_broker.accept()
    packet = await peer.receive()
    assert (packet.client_id, packet.username, packet.password) == ("c", "user", b"secret")
    assert (packet.clean_start, packet.session_expiry_interval, packet.receive_max, packet.keep_alive) == (
        False,
        60,
        7,
        9,
    )
    assert (packet.will.topic, packet.will.payload, packet.will.qos) == ("w", b"off", mqtt5.QoS.AT_LEAST_ONCE)
    peer.send(mqtt5.ConnAckPacket(session_present=True, receive_max=3, max_packet_size=99))
    session = await connecting
    assert (session.session_present, session.server_receive_maximum, session.max_packet_size) == (True, 3, 99)


@pytest.mark.parametrize(
    ("code", "kind"), [(0x87, NotAuthorizedError), (0x86, NotAuthorizedError), (0x88, MqttConnectionError)]
)
async def test_a_refusal_is_an_error_with_its_code(
    mqtt_client: Any, scripted_broker: Any, code: int, kind: type[MqttConnectionError]
) -> None:
    with pytest.raises(kind) as caught:
        await mqtt_client.start(scripted_broker, {"reason_code": mqtt5.ConnAckReasonCode(code)})
    assert caught.value.reason_code == code


async def test_no_broker_and_a_silent_broker_are_connection_errors(mqtt_client: Any, scripted_broker: Any) -> None:
    with pytest.raises(MqttConnectionError, match=r"within 0\.05 s"):
        await mqtt_client.connect(timeout=0.05)
    peer = await scripted_broker.accept()
    peer.close()
    connecting = asyncio.create_task(mqtt_client.connect())
    (await scripted_broker.accept()).close()
    with pytest.raises(MqttConnectionError, match=r"closed|lost"):
        await connecting
    with pytest.raises(MqttConnectionError, match="cannot reach"):
        await MqttSession.connect(MqttEndpoint("127.0.0.1", 1), client_id="c", on_message=mqtt_client.got.append)


async def test_messages_right_behind_the_connack_wait_until_connect_has_returned(
    mqtt_client: Any, scripted_broker: Any, eventually: Eventually
) -> None:
    connecting = asyncio.create_task(mqtt_client.connect(on_message=lambda m: seen.append((m, mqtt_client.session))))
    seen: list[tuple[InboundMessage, MqttSession | None]] = []
    peer = await scripted_broker.accept()
    await peer.receive()
    peer.send(mqtt5.ConnAckPacket(session_present=True), publish(1), publish(2))
    await connecting
    await eventually(lambda: len(seen) == 2)
    assert all(session is mqtt_client.session for _, session in seen)


async def test_a_pause_right_after_connect_holds_them_back(
    mqtt_client: Any, scripted_broker: Any, eventually: Eventually
) -> None:
    connecting = asyncio.create_task(mqtt_client.connect())
    peer = await scripted_broker.accept()
    await peer.receive()
    peer.send(mqtt5.ConnAckPacket(session_present=True), publish(1))
    session = await connecting
    session.pause_reading()
    for _ in range(5):
        await asyncio.sleep(0)
    assert mqtt_client.got == []
    session.resume_reading()
    await eventually(lambda: len(mqtt_client.got) == 1)


async def test_nothing_is_acknowledged_before_the_application_says_so(
    mqtt_client: Any, scripted_broker: Any, eventually: Eventually
) -> None:
    session, peer = await mqtt_client.start(scripted_broker)
    peer.send(publish(7), publish(8, qos=2), publish(9))
    await eventually(lambda: len(mqtt_client.got) == 3)
    assert session.open_messages == 3
    session.ack(mqtt_client.got[2])
    session.ack(mqtt_client.got[0])
    assert [(await peer.receive()).packet_id for _ in range(2)] == [9, 7]
    session.ack(mqtt_client.got[0])
    assert (session.ignored_acks, session.open_messages) == (1, 1)


async def test_an_ack_for_an_earlier_connection_is_dropped(
    mqtt_client: Any, scripted_broker: Any, eventually: Eventually
) -> None:
    first, peer = await mqtt_client.start(scripted_broker)
    peer.send(publish(1))
    await eventually(lambda: len(mqtt_client.got) == 1)
    await first.close()
    second, peer = await mqtt_client.start(scripted_broker)
    peer.send(publish(1))
    await eventually(lambda: len(mqtt_client.got) == 2)
    second.ack(mqtt_client.got[0])
    first.ack(mqtt_client.got[0])
    assert (second.ignored_acks, first.ignored_acks) == (1, 1)
    second.ack(mqtt_client.got[1])
    assert isinstance(await peer.receive(), mqtt5.PubAckPacket)
    assert second.ignored_acks == 1


async def test_acks_of_one_turn_leave_in_one_write(
    mqtt_client: Any, scripted_broker: Any, eventually: Eventually
) -> None:
    session, peer = await mqtt_client.start(scripted_broker)
    peer.send(*(publish(number) for number in range(1, 301)))
    await eventually(lambda: len(mqtt_client.got) == 300)
    for message in mqtt_client.got:
        session.ack(message)
    assert len(await peer.receive_raw()) == 300 * 4


async def test_inbound_qos_2_is_delivered_once_and_completed(
    mqtt_client: Any, scripted_broker: Any, eventually: Eventually
) -> None:
    session, peer = await mqtt_client.start(scripted_broker)
    peer.send(publish(5, qos=2), publish(5, qos=2, duplicate=True))
    await eventually(lambda: len(mqtt_client.got) == 1)
    session.ack(mqtt_client.got[0])
    assert isinstance(await peer.receive(), mqtt5.PubRecPacket)
    peer.send(publish(5, qos=2, duplicate=True))
    assert isinstance(await peer.receive(), mqtt5.PubRecPacket)
    peer.send(mqtt5.PubRelPacket(5))
    assert (await peer.receive()).reason_code == mqtt5.PubCompReasonCode.SUCCESS
    peer.send(mqtt5.PubRelPacket(5))
    assert (await peer.receive()).reason_code == mqtt5.PubCompReasonCode.PACKET_ID_NOT_FOUND
    assert (len(mqtt_client.got), session.open_messages) == (1, 0)


async def test_a_broker_above_our_receive_maximum_is_not_read_until_we_ack(
    mqtt_client: Any, scripted_broker: Any, eventually: Eventually
) -> None:
    session, peer = await mqtt_client.start(scripted_broker, receive_maximum=2)
    peer.send(*(publish(number) for number in range(1, 9)))
    await eventually(lambda: len(mqtt_client.got) == 3)
    for _ in range(20):
        await asyncio.sleep(0)
    assert (len(mqtt_client.got), session.excess_messages) == (3, 1)
    session.ack(mqtt_client.got[0])
    await eventually(lambda: len(mqtt_client.got) == 4)
    for number in range(1, 8):
        await eventually(lambda number=number: len(mqtt_client.got) > number)
        session.ack(mqtt_client.got[number])
    await eventually(lambda: session.open_messages == 0)
    assert [message.packet_id for message in mqtt_client.got] == list(range(1, 9))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
async def test_packets_cut_anywhere_are_put_together(
    mqtt_client: Any, scripted_broker: Any, eventually: Eventually, size: int
) -> None:
    _, peer = await mqtt_client.start(scripted_broker)
    stream = b"".join(
        mqtt5.PublishPacket(f"t/{number}", b"x" * number).write()
        for number in itertools.chain(range(40), (300, 20_000))
    )
    pieces = [stream[at : at + size] for at in range(0, 2000, size)]
    for piece in (*pieces, stream[size * len(pieces) :]):
        peer.send(piece)
        await asyncio.sleep(0)
    await eventually(lambda: len(mqtt_client.got) == 42)
    assert [len(message.payload) for message in mqtt_client.got] == [*range(40), 300, 20_000]


async def test_a_pause_stops_in_the_middle_of_a_burst(
    mqtt_client: Any, scripted_broker: Any, eventually: Eventually
) -> None:
    def take(message: InboundMessage) -> None:
        mqtt_client.got.append(message)
        if len(mqtt_client.got) == 3:
            session.pause_reading()

    session, peer = await mqtt_client.start(scripted_broker, on_message=take)
    peer.send(*(publish(number) for number in range(1, 11)))
    await eventually(lambda: len(mqtt_client.got) == 3)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(mqtt_client.got) == 3
    session.resume_reading()
    await eventually(lambda: len(mqtt_client.got) == 10)
    assert [message.packet_id for message in mqtt_client.got] == list(range(1, 11))


async def test_qos_0_has_nothing_to_acknowledge(mqtt_client: Any, scripted_broker: Any) -> None:
    session, _peer = await mqtt_client.start(scripted_broker)
    session.ack(InboundMessage("t", b"", 0, None, False, session.session))
    assert session.ignored_acks == 0


async def test_a_paused_session_still_reads_answers_and_keeps_what_came_with_them(
    mqtt_client: Any, scripted_broker: Any, eventually: Eventually
) -> None:
    """Else a service that stops reading and then sends its last acks would wait for ever."""
    session, peer = await mqtt_client.start(scripted_broker)
    session.pause_reading()
    sending = asyncio.create_task(session.publish("ack", b"x"))
    packet_id = (await peer.receive()).packet_id
    live = [mqtt5.PublishPacket("t", b"live")] * 1005
    peer.send(publish(1), *live, publish(2), mqtt5.PubAckPacket(packet_id), publish(3))
    assert await sending == 0
    assert mqtt_client.got == []
    session.resume_reading()
    session.pause_reading()
    for _ in range(20):
        await asyncio.sleep(0)
    assert mqtt_client.got == []
    session.resume_reading()
    peer.send(publish(4))
    await eventually(lambda: session.open_messages == 4 and mqtt_client.got[-1].packet_id == 4)
    assert [message.packet_id for message in mqtt_client.got if message.qos] == [1, 2, 3, 4]
    assert (len(mqtt_client.got), session.dropped_messages) == (4 + 999, 6)


async def test_an_error_over_a_kept_message_comes_out_of_wait_closed(mqtt_client: Any, scripted_broker: Any) -> None:
    def refuse(message: InboundMessage) -> None:
        raise KeyError(message.topic)

    session, peer = await mqtt_client.start(scripted_broker, on_message=refuse)
    session.pause_reading()
    sending = asyncio.create_task(session.publish("ack", b"x"))
    packet_id = (await peer.receive()).packet_id
    peer.send(publish(1), mqtt5.PubAckPacket(packet_id))
    await sending
    session.resume_reading()
    with pytest.raises(KeyError):
        await session.wait_closed()
