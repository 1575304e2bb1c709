"""The session against the real Mosquitto, with the stack's accounts and ACL."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import mqtt5
import pytest

from pulse_chassis.mqtt import (
    InboundMessage,
    MqttConnectionError,
    MqttEndpoint,
    MqttSession,
    NotAuthorizedError,
    SubscribeError,
    Will,
)

Eventually = Callable[..., Awaitable[None]]
BUFFER = "$share/ingest/telemetry/+/buffer"


class Device:
    """An account of its own."""

    def __init__(self, broker: Any) -> None:
        self.id = f"dev-{secrets.token_hex(4)}"
        self.endpoint = MqttEndpoint(broker.host, broker.port, self.id, secrets.token_hex(8))
        self.tls = MqttEndpoint(broker.host, broker.tls_port, self.id, self.endpoint.password, broker.ca_file)
        self.got: list[InboundMessage] = []
        self._broker = broker
        broker.add_device(self.id, self.endpoint.password)

    def disable(self) -> None:
        self._broker.disable_device(self.id)

    async def connect(self, endpoint: MqttEndpoint | None = None, **options: Any) -> MqttSession:
        merged: dict[str, Any] = {"client_id": self.id, "on_message": self.got.append} | options
        return await MqttSession.connect(endpoint or self.endpoint, **merged)


@pytest.fixture
async def device(mosquitto_broker: Any) -> Device:
    return await asyncio.to_thread(Device, mosquitto_broker)


@pytest.fixture
async def ingest(mosquitto_broker: Any) -> AsyncIterator[Callable[..., Awaitable[MqttSession]]]:
    endpoint = MqttEndpoint(mosquitto_broker.host, mosquitto_broker.port, *mosquitto_broker.svc_ingest)
    sessions: list[MqttSession] = []

    async def connect(on_message: Callable[[InboundMessage], None], **options: Any) -> MqttSession:
        merged: dict[str, Any] = {"client_id": f"ingest-{secrets.token_hex(4)}"} | options
        sessions.append(await MqttSession.connect(endpoint, on_message=on_message, **merged))
        return sessions[-1]

    yield connect
    for session in sessions:
        await session.close()


async def test_a_burst_arrives_complete_in_order_and_acked_by_hand(
    device: Device, ingest: Any, eventually: Eventually
) -> None:
    got: list[InboundMessage] = []
    service = await ingest(got.append, receive_maximum=100)
    assert await service.subscribe([(BUFFER, 1)]) == [1]

    async def acknowledge() -> None:
        acked = 0
        while acked < 5000:
            await asyncio.sleep(0)
            for message in got[acked:]:
                service.ack(message)
            acked = len(got)

    async with await device.connect() as session, asyncio.timeout(30):
        acking = asyncio.create_task(acknowledge())
        topic = f"telemetry/{device.id}/buffer"
        codes = await session.publish_many([(topic, str(number).encode()) for number in range(5000)])
        await acking
    assert set(codes) == {0}
    assert [int(message.payload) for message in got] == list(range(5000))
    assert service.open_messages == 0


async def test_the_broker_stops_at_our_receive_maximum_until_we_ack(
    device: Device, ingest: Any, eventually: Eventually
) -> None:
    got: list[InboundMessage] = []
    service = await ingest(got.append, receive_maximum=10)
    await service.subscribe([(BUFFER, 1)])
    async with await device.connect() as session:
        topic = f"telemetry/{device.id}/buffer"
        await session.publish_many([(topic, b"x")] * 30)
        await eventually(lambda: len(got) == 10)
        await session.publish(topic, b"x")
        assert len(got) == 10
        for message in got:
            service.ack(message)
        await eventually(lambda: len(got) >= 20)
        assert service.open_messages <= 11


async def test_a_slow_service_holds_no_more_than_it_asked_for(device: Device, ingest: Any) -> None:
    """Mosquitto 2.0.11 sends far more than the receive maximum once acks and messages cross."""
    got: list[InboundMessage] = []
    service = await ingest(got.append, receive_maximum=10)
    await service.subscribe([(BUFFER, 1)])
    peak = acked = 0
    async with await device.connect() as session, asyncio.timeout(30):
        sending = asyncio.create_task(session.publish_many([(f"telemetry/{device.id}/buffer", b"x")] * 2000))
        while acked < 2000:
            await asyncio.sleep(0)
            peak = max(peak, service.open_messages)
            if acked < len(got):
                service.ack(got[acked])
                acked += 1
        assert set(await sending) == {0}
    assert peak <= 11


async def test_qos_2_goes_both_ways(device: Device, ingest: Any, eventually: Eventually) -> None:
    got: list[InboundMessage] = []
    service = await ingest(got.append)
    await service.subscribe([("telemetry/+/buffer", 2)])
    async with await device.connect() as session:
        await session.subscribe([(f"ack/{device.id}", 2)])
        assert await session.publish(f"telemetry/{device.id}/buffer", b"up", 2) == 0
        assert await service.publish(f"ack/{device.id}", b"down", 2) == 0
        await eventually(lambda: bool(got and device.got))
        assert (got[0].payload, got[0].qos) == (b"up", 2)
        assert (device.got[0].payload, device.got[0].qos) == (b"down", 2)
        service.ack(got[0])
        session.ack(device.got[0])
        await eventually(lambda: service.open_messages == session.open_messages == 0)


async def test_reason_codes_tell_what_became_of_a_publish(device: Device, ingest: Any) -> None:
    async with await device.connect() as session:
        assert await session.publish(f"telemetry/{device.id}/buffer", b"x") == 0x10
        assert await session.publish("telemetry/another/buffer", b"x") == 0x87
        service = await ingest(lambda _message: None)
        await service.subscribe([(BUFFER, 1)])
        assert await session.publish(f"telemetry/{device.id}/buffer", b"x") == 0x00


async def test_a_device_cannot_join_the_shared_group(device: Device) -> None:
    async with await device.connect() as session:
        with pytest.raises(SubscribeError) as caught:
            await session.subscribe([(BUFFER, 1)])
        assert caught.value.reason_codes == [0x87]


async def test_wrong_credentials_are_not_authorized(device: Device) -> None:
    wrong = MqttEndpoint(device.endpoint.host, device.endpoint.port, device.id, "wrong")
    with pytest.raises(NotAuthorizedError):
        await device.connect(wrong)


@pytest.mark.parametrize(
    "properties",
    [
        b"\x26\x00\x01\xff\x00\x01v",
        b"\x26\x00\x00\x00\x00",
        b"\x03\x00\x03\xed\xa0\x80",
        b"\x08\x00\x03r/#",
        b"\x01\x02",
        b"\x0b\x05",
        b"\x09\x00\x02\xff\xfe",
        b"\x23\x00\x01",
    ],
)
async def test_a_device_cannot_end_the_services_session(
    device: Device, ingest: Any, eventually: Eventually, properties: bytes
) -> None:
    """The codec panics at invalid UTF-8: whatever Mosquitto lets through must not reach that."""
    got: list[InboundMessage] = []
    service = await ingest(got.append)
    await service.subscribe([(BUFFER, 1)])
    topic = f"telemetry/{device.id}/buffer".encode()
    body = len(topic).to_bytes(2, "big") + topic + b"\x00\x01" + bytes([len(properties)]) + properties + b"\xff\x00"
    reader, writer = await asyncio.open_connection(device.endpoint.host, device.endpoint.port)
    password = (device.endpoint.password or "").encode()
    writer.write(mqtt5.ConnectPacket(device.id, username=device.id, password=password, clean_start=True).write())
    assert (await reader.read(100))[:1] == b"\x20"
    writer.write(bytes([0x32, len(body)]) + body)
    await reader.read(100)
    writer.close()
    async with await device.connect() as session:
        assert await session.publish(topic.decode(), b"after") == 0
    await eventually(lambda: bool(got) and got[-1].payload == b"after")
    assert service.is_open


async def test_tls_is_verified_against_the_given_ca(device: Device, ingest: Any, tmp_path: Any) -> None:
    service = await ingest(lambda _message: None)
    await service.subscribe([(BUFFER, 1)])
    async with await device.connect(device.tls) as session:
        codes = await session.publish_many([(f"telemetry/{device.id}/buffer", b"x" * 50_000)] * 50)
        assert set(codes) == {0}
    tls = device.tls
    plain_port = MqttEndpoint(tls.host, device.endpoint.port, tls.username, tls.password, tls.ca_file)
    with pytest.raises(MqttConnectionError, match="cannot reach the broker"):
        await device.connect(plain_port)
    with pytest.raises(MqttConnectionError):
        await device.connect(MqttEndpoint(tls.host, tls.port, tls.username, tls.password), timeout=2)


async def test_a_tls_server_of_another_authority_is_refused(device: Device, tmp_path: Any) -> None:
    import certifi

    tls = device.tls
    with pytest.raises(MqttConnectionError, match="certificate"):
        await device.connect(MqttEndpoint(tls.host, tls.port, tls.username, tls.password, certifi.where()))


async def test_a_takeover_ends_the_older_session(device: Device) -> None:
    """Mosquitto 2.0.11 closes without a word; later ones, and EMQX, say 0x8E first."""
    first = await device.connect()
    async with await device.connect() as second:
        async with asyncio.timeout(5):
            assert (await first.wait_closed()).reason_code in {None, 0x8E}
        assert second.is_open


async def test_a_disabled_device_is_thrown_out_and_stays_out(device: Device) -> None:
    session = await device.connect()
    await asyncio.to_thread(device.disable)
    async with asyncio.timeout(5):
        await session.wait_closed()
    with pytest.raises(NotAuthorizedError):
        await device.connect()


async def test_a_dropped_connection_publishes_the_will_and_a_goodbye_does_not(
    device: Device, ingest: Any, eventually: Eventually
) -> None:
    got: list[bytes] = []
    service = await ingest(lambda message: got.append(message.payload))
    await service.subscribe([("heartbeat/+", 0)])
    topic = f"heartbeat/{device.id}"
    async with await device.connect(will=Will(topic, b"never")) as session:
        await session.publish(topic, b"bye", 0)
    await eventually(lambda: got == [b"bye"])
    session = await device.connect(will=Will(topic, b"gone"))
    await session.close()
    await eventually(lambda: got == [b"bye", b"gone"])


async def test_a_durable_session_gets_what_was_not_acked_again(
    device: Device, ingest: Any, eventually: Eventually
) -> None:
    got: list[InboundMessage] = []
    options = {"client_id": f"ingest-{secrets.token_hex(4)}", "clean_start": False, "session_expiry": 60}
    service = await ingest(got.append, **options)
    assert not service.session_present
    await service.subscribe([("telemetry/+/buffer", 1)])
    async with await device.connect() as session:
        topic = f"telemetry/{device.id}/buffer"
        await session.publish_many([(topic, b"1"), (topic, b"2")])
        await eventually(lambda: len(got) == 2)
        service.ack(got[0])
        await service.disconnect()
        await session.publish(topic, b"3")
    again = await ingest(got.append, **options)
    assert again.session_present
    await eventually(lambda: len(got) == 4)
    assert [message.payload for message in got[2:]] == [b"2", b"3"]
    again.ack(got[1])
    assert again.ignored_acks == 1
    await again.disconnect()
    (await ingest(got.append, client_id=options["client_id"])).ack(got[2])


async def test_the_end_of_the_broker_ends_the_session(mosquitto_broker: Any, device: Device) -> None:
    session = await device.connect()
    await asyncio.to_thread(mosquitto_broker.kill)
    try:
        async with asyncio.timeout(5):
            await session.wait_closed()
        with pytest.raises(MqttConnectionError, match="cannot reach"):
            await device.connect()
    finally:
        await asyncio.to_thread(mosquitto_broker.start)
    async with await device.connect() as session:
        assert await session.publish(f"telemetry/{device.id}/buffer", b"x") == 0x10


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_it_works_on_both_event_loops(mosquitto_broker: Any, loop: str) -> None:
    device = Device(mosquitto_broker)

    async def main() -> int:
        async with await device.connect(device.tls) as session:
            return await session.publish(f"telemetry/{device.id}/buffer", b"x" * 100_000)

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop if loop == "uvloop" else None) as runner:
        assert runner.run(main()) == 0x10
