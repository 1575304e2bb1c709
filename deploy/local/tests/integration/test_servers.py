"""The three servers as tests and the stack use them."""

import asyncio
import ssl
from typing import Any

import aiomqtt
import asyncpg
import pytest
import redis.asyncio as redis

from pulse_local.testing import TestBroker, TestPostgres, TestValkey


async def test_each_role_owns_its_schema_and_no_other(postgres_database: dict[str, str]) -> None:
    connection = await asyncpg.connect(postgres_database["pulse_ingest"])
    try:
        await connection.execute("create table telemetry.t(x int); insert into t values (1)")
        assert await connection.fetchval("select x from t") == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("create table identity.t(x int)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("create table public.t(x int)")
        await connection.execute("create view telemetry.telemetry_data as select x from t")
        await connection.execute("grant select on telemetry.telemetry_data to pulse_published")
    finally:
        await connection.close()
    gateway = await asyncpg.connect(postgres_database["pulse_gateway"])
    try:
        assert await gateway.fetchval("select * from telemetry_data") == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await gateway.fetchval("select x from telemetry.t")
    finally:
        await gateway.close()
    operator = await asyncpg.connect(postgres_database["pulse_admin"])
    try:
        assert await operator.fetchval("select * from telemetry_data") == 1
    finally:
        await operator.close()


async def test_a_killed_postgres_comes_back_with_its_data(postgres_server: TestPostgres) -> None:
    url = postgres_server.new_database()["pulse_ingest"]
    connection = await asyncpg.connect(url)
    await connection.execute("create table telemetry.t(x int); insert into t values (7)")
    connection.terminate()
    postgres_server.kill()
    assert postgres_server.pid == 0
    postgres_server.start()
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("select x from t") == 7
    await connection.close()


async def test_a_killed_valkey_comes_back_with_its_data(valkey_server: TestValkey, valkey_database: str) -> None:
    async with redis.from_url(valkey_database) as client:
        await client.xadd("s", {"j": b"1"})
    valkey_server.kill()
    valkey_server.start()
    async with redis.from_url(valkey_database) as client:
        assert await client.xlen("s") == 1


def test_another_program_on_valkeys_port_is_not_taken_for_it(mosquitto_broker: TestBroker) -> None:
    from pathlib import Path

    from pulse_local.servers.valkey import ValkeyServer

    assert not ValkeyServer(Path("/nowhere"), mosquitto_broker.port, "secret").is_ready()


async def _received_until(client: aiomqtt.Client, last: str) -> list[str]:
    topics: list[str] = []
    async with asyncio.timeout(5):
        async for message in client.messages:
            topics.append(str(message.topic))
            if topics[-1] == last:
                break
    return topics


def _client(broker: TestBroker, username: str, password: str, address: dict[str, Any] | None = None) -> aiomqtt.Client:
    given = address or {}
    return aiomqtt.Client(
        broker.host,
        port=given.get("port", broker.port),
        tls_context=given.get("tls"),
        username=username,
        password=password,
        identifier=username,
        protocol=aiomqtt.ProtocolVersion.V5,
    )


async def test_a_device_publishes_and_reads_only_under_its_own_id(mosquitto_broker: TestBroker) -> None:
    mosquitto_broker.add_device("dev-a", "key-a")
    mosquitto_broker.add_device("dev-b", "key-b")
    async with (
        _client(mosquitto_broker, *mosquitto_broker.svc_ingest) as ingest,
        _client(mosquitto_broker, "dev-a", "key-a") as a,
        _client(mosquitto_broker, "dev-b", "key-b") as b,
    ):
        await ingest.subscribe("$share/ingest/telemetry/+/live", qos=1)
        await ingest.subscribe("$share/ingest/heartbeat/+", qos=1)
        await b.subscribe("#", qos=1)
        await a.publish("telemetry/dev-b/live", b"forged", qos=1)
        await a.publish("ack/dev-a", b"forged", qos=1)
        await a.publish("telemetry/dev-a/live", b"1", qos=1)
        await a.publish("heartbeat/dev-a", b"1", qos=1)
        await ingest.publish("ack/dev-a", b"1", qos=1)
        await ingest.publish("ack/dev-b", b"1", qos=1)
        seen_by_ingest = await _received_until(ingest, "heartbeat/dev-a")
        seen_by_b = await _received_until(b, "ack/dev-b")
    assert seen_by_ingest == ["telemetry/dev-a/live", "heartbeat/dev-a"]
    assert seen_by_b == ["ack/dev-b"]


async def test_a_device_cannot_join_the_shared_group_of_ingest(mosquitto_broker: TestBroker) -> None:
    mosquitto_broker.add_device("dev-share", "key")
    async with _client(mosquitto_broker, "dev-share", "key") as client:
        codes = await client.subscribe("$share/ingest/telemetry/+/live", qos=1)
        assert [code.value for code in codes] == [0x87]  # type: ignore[union-attr]


async def test_a_wrong_key_is_refused_and_ingest_hears_of_it(mosquitto_broker: TestBroker) -> None:
    async with _client(mosquitto_broker, *mosquitto_broker.svc_ingest) as ingest:
        await ingest.subscribe("$SYS/broker/log/N")
        with pytest.raises(aiomqtt.MqttError):
            async with _client(mosquitto_broker, "nobody", "wrong"):
                pass
        async with asyncio.timeout(5):
            async for message in ingest.messages:
                if b"not authorised" in bytes(message.payload):
                    break
        assert b"disconnected, not authorised" in bytes(message.payload)


async def test_a_removed_device_is_disconnected_at_once(mosquitto_broker: TestBroker) -> None:
    mosquitto_broker.add_device("dev-gone", "key")
    with pytest.raises(aiomqtt.MqttError):  # noqa: PT012 - the connection dies inside the block
        async with _client(mosquitto_broker, "dev-gone", "key") as client:
            await asyncio.to_thread(mosquitto_broker.remove_device, "dev-gone")
            async with asyncio.timeout(5):
                async for _ in client.messages:
                    pass


async def test_accounts_survive_a_kill_of_the_broker(mosquitto_broker: TestBroker) -> None:
    mosquitto_broker.add_device("dev-kept", "key")
    mosquitto_broker.kill()
    mosquitto_broker.start()
    async with (
        _client(mosquitto_broker, *mosquitto_broker.svc_ingest) as ingest,
        _client(mosquitto_broker, "dev-kept", "key") as device,
    ):
        await ingest.subscribe("telemetry/+/live", qos=1)
        await device.publish("telemetry/dev-kept/live", b"1", qos=1)
        assert await _received_until(ingest, "telemetry/dev-kept/live") == ["telemetry/dev-kept/live"]


async def test_tls_works_with_the_generated_authority_only(mosquitto_broker: TestBroker) -> None:
    mosquitto_broker.add_device("dev-tls", "key")
    trusting = ssl.create_default_context(cafile=str(mosquitto_broker.ca_file))
    address = {"port": mosquitto_broker.tls_port, "tls": trusting}
    async with (
        _client(mosquitto_broker, *mosquitto_broker.svc_ingest) as ingest,
        _client(mosquitto_broker, "dev-tls", "key", address) as device,
    ):
        await ingest.subscribe("telemetry/+/live", qos=1)
        await device.publish("telemetry/dev-tls/live", b"1", qos=1)
        assert await _received_until(ingest, "telemetry/dev-tls/live") == ["telemetry/dev-tls/live"]
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection(
            mosquitto_broker.host, mosquitto_broker.tls_port, ssl=ssl.create_default_context()
        )
