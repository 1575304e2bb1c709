"""The session against a broker that follows a script: what a real broker does rarely, or never does right."""

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
    NotConnectedError,
    PacketTooLargeError,
    SubscribeError,
    Will,
    WriteBufferFullError,
)

Eventually = Callable[..., Awaitable[None]]


def publish(packet_id: int, qos: int = 1, **more: Any) -> mqtt5.PublishPacket:
    return mqtt5.PublishPacket("t", b"x", qos=mqtt5.QoS(qos), packet_id=packet_id, **more)


class Client:
    """A session with the messages it got."""

    def __init__(self, port: int) -> None:
        self.endpoint = MqttEndpoint("127.0.0.1", port, "user", "secret")
        self.got: list[InboundMessage] = []
        self.session: MqttSession | None = None

    async def connect(self, **options: Any) -> MqttSession:
        merged: dict[str, Any] = {"client_id": "c", "on_message": self.got.append} | options
        self.session = await MqttSession.connect(self.endpoint, **merged)
        return self.session


@pytest.fixture
async def client(scripted_broker: Any) -> Any:
    made = Client(scripted_broker.port)
    yield made
    if made.session is not None:
        await made.session.close()


async def start(client: Client, broker: Any, connack: dict[str, Any] | None = None, **options: Any) -> Any:
    """Connect; return the session and the broker's side."""
    peer, session = await asyncio.gather(broker.greet(**(connack or {})), client.connect(**options))
    return session, peer


async def test_connect_says_what_it_was_told_to(client: Client, scripted_broker: Any) -> None:
    connecting = asyncio.create_task(
        client.connect(clean_start=False, session_expiry=60, receive_maximum=7, keepalive=9, will=Will("w", b"off"))
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
    client: Client, scripted_broker: Any, code: int, kind: type[MqttConnectionError]
) -> None:
    with pytest.raises(kind) as caught:
        await start(client, scripted_broker, {"reason_code": mqtt5.ConnAckReasonCode(code)})
    assert caught.value.reason_code == code


async def test_no_broker_and_a_silent_broker_are_connection_errors(client: Client, scripted_broker: Any) -> None:
    with pytest.raises(MqttConnectionError, match=r"within 0\.05 s"):
        await client.connect(timeout=0.05)
    peer = await scripted_broker.accept()
    peer.close()
    connecting = asyncio.create_task(client.connect())
    (await scripted_broker.accept()).close()
    with pytest.raises(MqttConnectionError, match=r"closed|lost"):
        await connecting
    with pytest.raises(MqttConnectionError, match="cannot reach"):
        await MqttSession.connect(MqttEndpoint("127.0.0.1", 1), client_id="c", on_message=client.got.append)


async def test_messages_right_behind_the_connack_wait_until_connect_has_returned(
    client: Client, scripted_broker: Any, eventually: Eventually
) -> None:
    connecting = asyncio.create_task(client.connect(on_message=lambda m: seen.append((m, client.session))))
    seen: list[tuple[InboundMessage, MqttSession | None]] = []
    peer = await scripted_broker.accept()
    await peer.receive()
    peer.send(mqtt5.ConnAckPacket(session_present=True), publish(1), publish(2))
    await connecting
    await eventually(lambda: len(seen) == 2)
    assert all(session is client.session for _, session in seen)


async def test_a_pause_right_after_connect_holds_them_back(
    client: Client, scripted_broker: Any, eventually: Eventually
) -> None:
    connecting = asyncio.create_task(client.connect())
    peer = await scripted_broker.accept()
    await peer.receive()
    peer.send(mqtt5.ConnAckPacket(session_present=True), publish(1))
    session = await connecting
    session.pause_reading()
    for _ in range(5):
        await asyncio.sleep(0)
    assert client.got == []
    session.resume_reading()
    await eventually(lambda: len(client.got) == 1)


async def test_nothing_is_acknowledged_before_the_application_says_so(
    client: Client, scripted_broker: Any, eventually: Eventually
) -> None:
    session, peer = await start(client, scripted_broker)
    peer.send(publish(7), publish(8, qos=2), publish(9))
    await eventually(lambda: len(client.got) == 3)
    assert session.open_messages == 3
    session.ack(client.got[2])
    session.ack(client.got[0])
    assert [(await peer.receive()).packet_id for _ in range(2)] == [9, 7]
    session.ack(client.got[0])
    assert (session.ignored_acks, session.open_messages) == (1, 1)


async def test_an_ack_for_an_earlier_connection_is_dropped(
    client: Client, scripted_broker: Any, eventually: Eventually
) -> None:
    first, peer = await start(client, scripted_broker)
    peer.send(publish(1))
    await eventually(lambda: len(client.got) == 1)
    await first.close()
    second, peer = await start(client, scripted_broker)
    peer.send(publish(1))
    await eventually(lambda: len(client.got) == 2)
    second.ack(client.got[0])
    first.ack(client.got[0])
    assert (second.ignored_acks, first.ignored_acks) == (1, 1)
    second.ack(client.got[1])
    assert isinstance(await peer.receive(), mqtt5.PubAckPacket)
    assert second.ignored_acks == 1


async def test_acks_of_one_turn_leave_in_one_write(
    client: Client, scripted_broker: Any, eventually: Eventually
) -> None:
    session, peer = await start(client, scripted_broker)
    peer.send(*(publish(number) for number in range(1, 301)))
    await eventually(lambda: len(client.got) == 300)
    for message in client.got:
        session.ack(message)
    assert len(await peer.receive_raw()) == 300 * 4


async def test_inbound_qos_2_is_delivered_once_and_completed(
    client: Client, scripted_broker: Any, eventually: Eventually
) -> None:
    session, peer = await start(client, scripted_broker)
    peer.send(publish(5, qos=2), publish(5, qos=2, duplicate=True))
    await eventually(lambda: len(client.got) == 1)
    session.ack(client.got[0])
    assert isinstance(await peer.receive(), mqtt5.PubRecPacket)
    peer.send(publish(5, qos=2, duplicate=True))
    assert isinstance(await peer.receive(), mqtt5.PubRecPacket)
    peer.send(mqtt5.PubRelPacket(5))
    assert (await peer.receive()).reason_code == mqtt5.PubCompReasonCode.SUCCESS
    peer.send(mqtt5.PubRelPacket(5))
    assert (await peer.receive()).reason_code == mqtt5.PubCompReasonCode.PACKET_ID_NOT_FOUND
    assert (len(client.got), session.open_messages) == (1, 0)


async def test_outbound_qos_2_waits_for_pubcomp(client: Client, scripted_broker: Any) -> None:
    session, peer = await start(client, scripted_broker)
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


async def test_no_more_is_in_flight_than_the_broker_takes(client: Client, scripted_broker: Any) -> None:
    session, peer = await start(client, scripted_broker, {"receive_max": 2})
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
    client: Client, scripted_broker: Any
) -> None:
    session, peer = await start(client, scripted_broker, {"receive_max": 1})
    first = asyncio.create_task(session.publish("t", b"1"))
    packet_id = (await peer.receive()).packet_id
    first.cancel()
    second = asyncio.create_task(session.publish("t", b"2"))
    assert await _is_quiet(peer)
    peer.send(mqtt5.PubAckPacket(packet_id))
    peer.send(mqtt5.PubAckPacket((await peer.receive()).packet_id))
    assert await second == 0


async def test_the_end_of_the_link_fails_whoever_waits(client: Client, scripted_broker: Any) -> None:
    session, peer = await start(client, scripted_broker, {"receive_max": 1})
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


async def test_a_refused_subscription_raises_with_all_codes(client: Client, scripted_broker: Any) -> None:
    session, peer = await start(client, scripted_broker)
    asking = asyncio.create_task(session.subscribe([("a", 1), ("b", 1)]))
    packet = await peer.receive()
    code = mqtt5.SubAckReasonCode
    peer.send(mqtt5.SubAckPacket(packet.packet_id, [code.GRANTED_QOS_AT_LEAST_ONCE, code.NOT_AUTHORIZED]))
    with pytest.raises(SubscribeError) as caught:
        await asking
    assert caught.value.reason_codes == [1, 0x87]


async def test_the_reason_of_a_disconnect_is_given(client: Client, scripted_broker: Any) -> None:
    session, peer = await start(client, scripted_broker)
    peer.send(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER))
    reason = await session.wait_closed()
    assert (reason.reason_code, reason.text) == (0x8E, "the broker disconnected: session taken over")


async def test_a_broker_above_our_receive_maximum_is_not_read_until_we_ack(
    client: Client, scripted_broker: Any, eventually: Eventually
) -> None:
    session, peer = await start(client, scripted_broker, receive_maximum=2)
    peer.send(*(publish(number) for number in range(1, 9)))
    await eventually(lambda: len(client.got) == 3)
    for _ in range(20):
        await asyncio.sleep(0)
    assert (len(client.got), session.excess_messages) == (3, 1)
    session.ack(client.got[0])
    await eventually(lambda: len(client.got) == 4)
    for number in range(1, 8):
        await eventually(lambda number=number: len(client.got) > number)
        session.ack(client.got[number])
    await eventually(lambda: session.open_messages == 0)
    assert [message.packet_id for message in client.got] == list(range(1, 9))


async def test_an_answer_is_read_even_above_the_receive_maximum(
    client: Client, scripted_broker: Any, eventually: Eventually
) -> None:
    """Else an application that publishes before it acks would wait for ever."""
    session, peer = await start(client, scripted_broker, receive_maximum=1)
    peer.send(publish(1), publish(2), publish(3))
    await eventually(lambda: len(client.got) == 2)
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
    assert len(client.got) == 4


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
    client: Client, scripted_broker: Any, bytes_sent: bytes, code: int
) -> None:
    session, peer = await start(client, scripted_broker)
    peer.send(bytes_sent)
    assert (await peer.receive()).reason_code == code
    assert (await session.wait_closed()).reason_code == code


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_invalid_utf8_ends_the_connection_and_not_the_process(client: Client, scripted_broker: Any) -> None:
    session, peer = await start(client, scripted_broker)
    peer.send(b"\x30\x03\x00\x01\xff\x00")
    assert (await session.wait_closed()).reason_code == 0x81


async def test_an_error_of_the_callback_comes_out_of_wait_closed(client: Client, scripted_broker: Any) -> None:
    def refuse(message: InboundMessage) -> None:
        client.got.append(message)
        raise IndexError(message.topic)

    session, peer = await start(client, scripted_broker, on_message=refuse)
    peer.send(publish(1), publish(2))
    with pytest.raises(IndexError, match="t"):
        await session.wait_closed()
    assert len(client.got) == 1


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
async def test_packets_cut_anywhere_are_put_together(
    client: Client, scripted_broker: Any, eventually: Eventually, size: int
) -> None:
    _, peer = await start(client, scripted_broker)
    stream = b"".join(
        mqtt5.PublishPacket(f"t/{number}", b"x" * number).write()
        for number in itertools.chain(range(40), (300, 20_000))
    )
    pieces = [stream[at : at + size] for at in range(0, 2000, size)]
    for piece in (*pieces, stream[size * len(pieces) :]):
        peer.send(piece)
        await asyncio.sleep(0)
    await eventually(lambda: len(client.got) == 42)
    assert [len(message.payload) for message in client.got] == [*range(40), 300, 20_000]


async def test_a_pause_stops_in_the_middle_of_a_burst(
    client: Client, scripted_broker: Any, eventually: Eventually
) -> None:
    def take(message: InboundMessage) -> None:
        client.got.append(message)
        if len(client.got) == 3:
            session.pause_reading()

    session, peer = await start(client, scripted_broker, on_message=take)
    peer.send(*(publish(number) for number in range(1, 11)))
    await eventually(lambda: len(client.got) == 3)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(client.got) == 3
    session.resume_reading()
    await eventually(lambda: len(client.got) == 10)
    assert [message.packet_id for message in client.got] == list(range(1, 11))


async def test_a_silent_peer_is_given_up_and_a_talking_one_is_not(client: Client, scripted_broker: Any) -> None:
    session, peer = await start(client, scripted_broker, {"server_keep_alive": 1})
    assert isinstance(await peer.receive(), mqtt5.PingReqPacket)
    peer.send(mqtt5.PingRespPacket())
    assert isinstance(await peer.receive(), mqtt5.PingReqPacket)
    assert session.is_open
    async with asyncio.timeout(3):
        reason = await session.wait_closed()
    assert reason.reason_code == 0x8D


async def test_a_paused_reader_still_pings_and_does_not_blame_the_peer(client: Client, scripted_broker: Any) -> None:
    session, peer = await start(client, scripted_broker, {"server_keep_alive": 1})
    session.pause_reading()
    for _ in range(4):
        assert isinstance(await peer.receive(), mqtt5.PingReqPacket)
        peer.send(mqtt5.PingRespPacket())
    assert session.is_open


async def test_qos_0_is_refused_when_the_socket_is_behind(client: Client, scripted_broker: Any) -> None:
    session, _peer = await start(client, scripted_broker)
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


async def test_a_packet_above_the_brokers_bound_is_not_sent(client: Client, scripted_broker: Any) -> None:
    session, peer = await start(client, scripted_broker, {"max_packet_size": 100, "receive_max": 1})
    for qos in (0, 1):
        with pytest.raises(PacketTooLargeError):
            await session.publish("t", b"x" * 200, qos)
    with pytest.raises(PacketTooLargeError):
        session.publish_nowait("t", b"x" * 200)
    sending = asyncio.create_task(session.publish("t", b"fits"))
    peer.send(mqtt5.PubAckPacket((await peer.receive()).packet_id))
    assert await sending == 0


async def test_leaving_says_goodbye_and_after_an_error_with_the_will(client: Client, scripted_broker: Any) -> None:
    session, peer = await start(client, scripted_broker)
    async with session:
        session.publish_nowait("t", b"last")
    assert (await peer.receive()).payload == b"last"
    assert (await peer.receive()).reason_code == mqtt5.DisconnectReasonCode.NORMAL_DISCONNECTION
    session, peer = await start(client, scripted_broker)
    with pytest.raises(KeyError):
        async with session:
            raise KeyError
    assert (await peer.receive()).reason_code == mqtt5.DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE


async def test_a_cancelled_connect_leaves_no_socket(client: Client, scripted_broker: Any) -> None:
    connecting = asyncio.create_task(client.connect())
    peer = await scripted_broker.accept()
    await peer.receive()
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert await peer.receive_raw() == b""


async def test_qos_0_has_nothing_to_acknowledge(client: Client, scripted_broker: Any) -> None:
    session, _peer = await start(client, scripted_broker)
    session.ack(InboundMessage("t", b"", 0, None, False, session.session))
    assert session.ignored_acks == 0
