"""What goes out, and how a link ends, against a broker that follows a script."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import mqtt5
import pytest

from pulse_chassis.mqtt import (
    InboundMessage,
    NotConnectedError,
    PacketTooLargeError,
    SubscribeError,
    WriteBufferFullError,
)

Eventually = Callable[..., Awaitable[None]]


def publish(packet_id: int, qos: int = 1, **more: Any) -> mqtt5.PublishPacket:
    return mqtt5.PublishPacket("t", b"x", qos=mqtt5.QoS(qos), packet_id=packet_id, **more)


async def test_outbound_qos_2_waits_for_pubcomp(mqtt_client: Any, scripted_broker: Any) -> None:
    session, peer = await mqtt_client.start(scripted_broker)
    sending = asyncio.create_task(session.publish("t", b"x", qos=2))
    packet_id = (await peer.receive()).packet_id
    peer.send(mqtt5.PubRecPacket(packet_id, reason_code=mqtt5.PubRecReasonCode.NO_MATCHING_SUBSCRIBERS))
    assert isinstance(await peer.receive(), mqtt5.PubRelPacket)
    assert not sending.done()
    peer.send(mqtt5.PubCompPacket(packet_id))
    assert await sending == 0x10
    refused = asyncio.create_task(session.publish("t", b"x", qos=2))
    packet_id = (await peer.receive()).packet_id
    peer.send(mqtt5.PubRecPacket(packet_id, reason_code=mqtt5.PubRecReasonCode.NOT_AUTHORIZED))
    assert await refused == 0x87
    peer.send(mqtt5.PubRecPacket(4242))
    assert (await peer.receive()).reason_code == mqtt5.PubRelReasonCode.PACKET_ID_NOT_FOUND


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_a_publish_says_for_how_long_it_is_good(mqtt_client: Any, scripted_broker: Any, qos: int) -> None:
    session, peer = await mqtt_client.start(scripted_broker)
    for seconds in (90, None):
        sending = asyncio.create_task(session.publish("t", b"x", qos=qos, expiry_seconds=seconds))
        assert (await peer.receive()).message_expiry_interval == seconds
        sending.cancel()


async def test_no_more_is_in_flight_than_the_broker_takes(mqtt_client: Any, scripted_broker: Any) -> None:
    session, peer = await mqtt_client.start(scripted_broker, {"receive_max": 2})
    sending = asyncio.create_task(session.publish_many([("t", bytes([number])) for number in range(5)]))
    ids = [(await peer.receive()).packet_id for _ in range(2)]
    assert await _is_quiet(peer)
    codes = [0x00, 0x10, 0x87, 0x00, 0x97]
    for place in range(5):
        peer.send(mqtt5.PubAckPacket(ids[place], reason_code=mqtt5.PubAckReasonCode(codes[place])))
        if place + 2 < 5:
            ids.append((await peer.receive()).packet_id)
    assert await sending == codes


async def _is_quiet(peer: Any) -> bool:
    try:
        async with asyncio.timeout(0.05):
            await peer.receive()
    except TimeoutError:
        return True
    return False


async def test_a_cancelled_publish_keeps_its_slot_until_the_broker_answers(
    mqtt_client: Any, scripted_broker: Any
) -> None:
    session, peer = await mqtt_client.start(scripted_broker, {"receive_max": 1})
    first = asyncio.create_task(session.publish("t", b"1"))
    packet_id = (await peer.receive()).packet_id
    first.cancel()
    second = asyncio.create_task(session.publish("t", b"2"))
    assert await _is_quiet(peer)
    peer.send(mqtt5.PubAckPacket(packet_id))
    peer.send(mqtt5.PubAckPacket((await peer.receive()).packet_id))
    assert await second == 0


async def test_the_end_of_the_link_fails_whoever_waits(mqtt_client: Any, scripted_broker: Any) -> None:
    session, peer = await mqtt_client.start(scripted_broker, {"receive_max": 1})
    waiting = [asyncio.create_task(session.publish("t", bytes([number]))) for number in range(5)]
    waiting.append(asyncio.create_task(session.subscribe([("t", 1)])))
    await peer.receive()
    peer.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [NotConnectedError] * 6
    assert (await session.wait_closed()).reason_code is None
    for call in (session.publish("t", b""), session.publish("t", b"", 0), session.subscribe([("t", 0)])):
        with pytest.raises(NotConnectedError):
            await call
    with pytest.raises(NotConnectedError):
        session.publish_nowait("t", b"")
    await session.disconnect()


async def test_a_refused_subscription_raises_with_all_codes(mqtt_client: Any, scripted_broker: Any) -> None:
    session, peer = await mqtt_client.start(scripted_broker)
    asking = asyncio.create_task(session.subscribe([("a", 1), ("b", 1)]))
    packet = await peer.receive()
    code = mqtt5.SubAckReasonCode
    peer.send(mqtt5.SubAckPacket(packet.packet_id, [code.GRANTED_QOS_AT_LEAST_ONCE, code.NOT_AUTHORIZED]))
    with pytest.raises(SubscribeError) as caught:
        await asking
    assert caught.value.reason_codes == [1, 0x87]


async def test_the_reason_of_a_disconnect_is_given(mqtt_client: Any, scripted_broker: Any) -> None:
    session, peer = await mqtt_client.start(scripted_broker)
    peer.send(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER))
    reason = await session.wait_closed()
    assert (reason.reason_code, reason.text) == (0x8E, "the broker disconnected: session taken over")


async def test_an_answer_is_read_even_above_the_receive_maximum(
    mqtt_client: Any, scripted_broker: Any, eventually: Eventually
) -> None:
    """Else an application that publishes before it acks would wait for ever."""
    session, peer = await mqtt_client.start(scripted_broker, receive_maximum=1)
    peer.send(publish(1), publish(2), publish(3))
    await eventually(lambda: len(mqtt_client.got) == 2)
    sending = asyncio.create_task(session.publish("t", b"x"))
    peer.send(mqtt5.PubAckPacket((await peer.receive()).packet_id))
    assert await sending == 0
    subscribing = asyncio.create_task(session.subscribe([("t", 0)]))
    code = mqtt5.SubAckReasonCode.GRANTED_QOS_AT_MOST_ONCE
    peer.send(publish(4), mqtt5.SubAckPacket((await peer.receive()).packet_id, [code]))
    assert await subscribing == [0]
    peer.send(publish(5))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(mqtt_client.got) == 4


@pytest.mark.parametrize(
    ("bytes_sent", "code"),
    [
        (b"\x30\x05\x00\x64abc", 0x81),
        (b"\x00\x00", 0x81),
        (b"\xff\xff\xff\xff\xff\xff", 0x81),
        (b"\x30\xff\xff\xff\x7f\x00", 0x95),
        (mqtt5.PingReqPacket().write(), 0x82),
        (mqtt5.ConnAckPacket().write(), 0x82),
    ],
)
async def test_what_no_broker_may_send_ends_the_connection(
    mqtt_client: Any, scripted_broker: Any, bytes_sent: bytes, code: int
) -> None:
    session, peer = await mqtt_client.start(scripted_broker)
    peer.send(bytes_sent)
    assert (await peer.receive()).reason_code == code
    assert (await session.wait_closed()).reason_code == code


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_invalid_utf8_ends_the_connection_and_not_the_process(mqtt_client: Any, scripted_broker: Any) -> None:
    session, peer = await mqtt_client.start(scripted_broker)
    peer.send(b"\x30\x03\x00\x01\xff\x00")
    assert (await session.wait_closed()).reason_code == 0x81


async def test_an_error_of_the_callback_comes_out_of_wait_closed(mqtt_client: Any, scripted_broker: Any) -> None:
    def refuse(message: InboundMessage) -> None:
        mqtt_client.got.append(message)
        raise IndexError(message.topic)

    session, peer = await mqtt_client.start(scripted_broker, on_message=refuse)
    peer.send(publish(1), publish(2))
    with pytest.raises(IndexError, match="t"):
        await session.wait_closed()
    assert len(mqtt_client.got) == 1


async def test_a_silent_peer_is_given_up_and_a_talking_one_is_not(mqtt_client: Any, scripted_broker: Any) -> None:
    session, peer = await mqtt_client.start(scripted_broker, {"server_keep_alive": 1})
    assert isinstance(await peer.receive(), mqtt5.PingReqPacket)
    peer.send(mqtt5.PingRespPacket())
    assert isinstance(await peer.receive(), mqtt5.PingReqPacket)
    assert session.is_open
    async with asyncio.timeout(3):
        reason = await session.wait_closed()
    assert reason.reason_code == 0x8D


async def test_a_paused_reader_still_pings_and_does_not_blame_the_peer(mqtt_client: Any, scripted_broker: Any) -> None:
    session, peer = await mqtt_client.start(scripted_broker, {"server_keep_alive": 1})
    session.pause_reading()
    for _ in range(4):
        assert isinstance(await peer.receive(), mqtt5.PingReqPacket)
        peer.send(mqtt5.PingRespPacket())
    assert session.is_open


async def test_qos_0_is_refused_when_the_socket_is_behind(mqtt_client: Any, scripted_broker: Any) -> None:
    session, _peer = await mqtt_client.start(scripted_broker)
    sent = 0

    async def flood() -> None:
        nonlocal sent
        while sent < 1000:
            session.publish_nowait("t", b"x" * 100_000)
            sent += 1
            await asyncio.sleep(0)

    with pytest.raises(WriteBufferFullError):
        await flood()
    assert sent > 9
    with pytest.raises(ValueError, match="QoS 0"):
        session.publish_nowait("t", b"", qos=1)


async def test_a_packet_above_the_brokers_bound_is_not_sent(mqtt_client: Any, scripted_broker: Any) -> None:
    session, peer = await mqtt_client.start(scripted_broker, {"max_packet_size": 100, "receive_max": 1})
    for qos in (0, 1):
        with pytest.raises(PacketTooLargeError):
            await session.publish("t", b"x" * 200, qos)
    with pytest.raises(PacketTooLargeError):
        session.publish_nowait("t", b"x" * 200)
    sending = asyncio.create_task(session.publish("t", b"fits"))
    peer.send(mqtt5.PubAckPacket((await peer.receive()).packet_id))
    assert await sending == 0


async def test_leaving_says_goodbye_and_after_an_error_with_the_will(mqtt_client: Any, scripted_broker: Any) -> None:
    session, peer = await mqtt_client.start(scripted_broker)
    async with session:
        session.publish_nowait("t", b"last")
    assert (await peer.receive()).payload == b"last"
    assert (await peer.receive()).reason_code == mqtt5.DisconnectReasonCode.NORMAL_DISCONNECTION
    session, peer = await mqtt_client.start(scripted_broker)
    with pytest.raises(KeyError):
        async with session:
            raise KeyError
    assert (await peer.receive()).reason_code == mqtt5.DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE


async def test_a_cancelled_connect_leaves_no_socket(mqtt_client: Any, scripted_broker: Any) -> None:
    connecting = asyncio.create_task(mqtt_client.connect())
    peer = await scripted_broker.accept()
    await peer.receive()
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert await peer.receive_raw() == b""
