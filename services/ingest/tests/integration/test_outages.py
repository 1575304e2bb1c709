"""Redis away, the database away, the broker away; readiness; a stop that drains; the switches for the proof tests."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from typing import Any

import httpx
import pytest

from pulse_chassis.streams import StreamReader, connect_redis
from pulse_contracts.streams import TELEMETRY_STREAM, TelemetryAnnounced
from pulse_local.ports import free_ports


async def readiness(port: int) -> tuple[int, dict[str, Any]]:
    try:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{port}/readyz")
            return answer.status_code, answer.json()
    except httpx.HTTPError:
        return 0, {}


def down(body: dict[str, Any]) -> set[str]:
    return {name for name, state in body.get("dependencies", {}).items() if not state["ok"]}


async def announced(url: str) -> list[TelemetryAnnounced]:
    redis = connect_redis(url)
    entries = await StreamReader(redis, TELEMETRY_STREAM).read("0-0")
    await redis.aclose()
    return [TelemetryAnnounced.model_validate_json(entry) for _, entry in entries]


async def test_redis_away_storing_and_acking_go_on_and_the_hole_is_told_later(
    world: Any,
    agent_of: Any,
    now_us: Any,
    eventually: Any,
    valkey_server: Any,
) -> None:
    await world.add_device("D")
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        await agent.run(1, [[now_us(), {"a": 1}]])
        await agent.ack_until(1)
        await asyncio.to_thread(valkey_server.kill)
        try:
            at = now_us()
            for number in range(2, 30):
                await agent.run(number, [[at + number, {"a": number}]])
            await agent.ack_until(29, seconds=5)
        finally:
            await asyncio.to_thread(valkey_server.start)

        async def is_told() -> Any:
            late = [span for event in await announced(world.redis_url) for span in event.late]
            return [span for span in late if span.device_id == "D" and span.count == 28]

        await eventually(is_told)
        await agent.run(30, [[now_us(), {"a": 30}]])

        async def is_live() -> bool:
            return any(row[3] == {"a": 30} for event in await announced(world.redis_url) for row in event.rows)

        await eventually(is_live)
    assert await world.fetchval("select count(*) from telemetry_data") == 30


async def test_late_readings_are_told_as_a_span_and_never_overwrite_the_latest(
    world: Any,
    agent_of: Any,
    now_us: Any,
) -> None:
    await world.add_device("D")
    at, hour = now_us(), 3_600_000_000
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        await agent.run(1, [[at, {"a": 1}]])
        await agent.ack_until(1)
        await agent.run(2, [[at - hour + number, {"a": 50 + number}] for number in range(3)])
        await agent.ack_until(4)
    assert await world.fetchval("select metric_value from telemetry.latest_value") == 1
    events = await announced(world.redis_url)
    assert [row[3] for event in events for row in event.rows] == [{"a": 1}]
    assert [(span.device_id, span.count) for event in events for span in event.late] == [("D", 3)]


async def test_readyz_names_each_part_that_is_down_and_the_process_lives_on(
    world: Any, eventually: Any, postgres_server: Any, valkey_server: Any, mosquitto_broker: Any
) -> None:
    (port,) = free_ports(1)
    with world.ingest_process(port) as process:

        async def all_up() -> bool:
            return (await readiness(port))[0] == 200

        await eventually(all_up)
        servers = {"postgresql": postgres_server, "redis": valkey_server, "mqtt": mosquitto_broker}
        for name, server in servers.items():
            await asyncio.to_thread(server.kill)
            try:

                async def is_named(name: str = name) -> bool:
                    code, body = await readiness(port)
                    return code == 503 and down(body) == {name}

                await eventually(is_named, what=name)
            finally:
                await asyncio.to_thread(server.start)
            await eventually(all_up, what=f"{name} back")
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 60) == 0


async def test_starts_and_waits_while_everything_is_away(
    world: Any,
    agent_of: Any,
    now_us: Any,
    eventually: Any,
    postgres_server: Any,
    mosquitto_broker: Any,
) -> None:
    await world.add_device("D")
    (port,) = free_ports(1)
    await asyncio.to_thread(postgres_server.kill)
    await asyncio.to_thread(mosquitto_broker.stop)
    try:
        with world.ingest_process(port):

            async def both_named() -> bool:
                return down((await readiness(port))[1]) == {"postgresql", "mqtt"}

            await eventually(both_named)
            await asyncio.to_thread(mosquitto_broker.start)

            async def one_named() -> bool:
                return down((await readiness(port))[1]) == {"postgresql"}

            await eventually(one_named)
            async with world.client("D") as client:
                await client.publish("devices/D/data", '{"device_id":"D","a":1}', qos=1)
                await asyncio.to_thread(postgres_server.start)

                async def is_stored() -> bool:
                    return await world.fetchval("select count(*) from telemetry_data") == 1

                await eventually(is_stored)
    finally:
        for server in (postgres_server, mosquitto_broker):
            if not server.pid:
                await asyncio.to_thread(server.start)


async def test_stop_settles_what_was_read_and_exits_0(world: Any, eventually: Any) -> None:
    await world.add_device("D")
    (port,) = free_ports(1)
    with world.ingest_process(port, PULSE_INGEST_SESSION="durable") as process:

        async def is_ready() -> bool:
            return (await readiness(port))[0] == 200

        await eventually(is_ready)
        async with world.client("D") as client:
            for number in range(300):
                await client.publish("devices/D/data", f'{{"device_id":"D","a":{number}}}', qos=1)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 60) == 0
            for number in range(300, 320):
                await client.publish("devices/D/data", f'{{"device_id":"D","a":{number}}}', qos=1)
    with world.ingest_process(port, PULSE_INGEST_SESSION="durable"):

        async def all_there() -> bool:
            return await world.fetchval("select count(distinct metric_value) from telemetry_data") == 320

        # What came while it was away waited in the broker; a plain reading without a time comes at least once.
        await eventually(all_there)
    await world.end_session()


async def test_broker_that_goes_and_comes_is_joined_again(
    world: Any, agent_of: Any, now_us: Any, mosquitto_broker: Any
) -> None:
    await world.add_device("D")
    at = now_us()
    async with world.ingest() as ingest:
        async with world.client("D") as client:
            agent = agent_of(client, "D")
            await agent.listen()
            await agent.hello()
            await agent.run(1, [[at, {"a": 1}]])
            await agent.ack_until(1)
        await asyncio.to_thread(mosquitto_broker.kill)
        await asyncio.to_thread(mosquitto_broker.start)
        while ingest.link.connected_at is None:
            await asyncio.sleep(0)
        async with world.client("D") as client:
            agent = agent_of(client, "D", epoch=1)
            await agent.listen()
            await agent.run(2, [[at + 1, {"a": 2}]])
            await agent.ack_until(2)


async def test_refused_connections_are_counted(world: Any, eventually: Any) -> None:
    import aiomqtt

    async with world.ingest() as ingest:
        with pytest.raises(aiomqtt.MqttError):
            async with aiomqtt.Client(world.broker.host, world.broker.port, username="nobody", password="wrong"):
                pass

        async def is_counted() -> bool:
            transport = httpx.ASGITransport(app=ingest.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
                return "ingest_broker_refused_connections_total 1.0" in (await client.get("/metrics")).text

        await eventually(is_counted)


async def test_without_dedupe_the_table_holds_duplicates(world: Any, agent_of: Any, now_us: Any) -> None:
    await world.add_device("D")
    at = now_us()
    async with world.ingest(ingest_unsafe_disable="dedupe"), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        for _ in range(2):
            await agent.run(1, [[at, {"a": 1}]])
            await agent.next_ack()
    assert await world.fetchval("select count(*) from telemetry_data") == 2


async def test_with_acks_before_the_commit_an_ack_does_not_mean_committed(
    world: Any,
    agent_of: Any,
    now_us: Any,
    eventually: Any,
) -> None:
    await world.add_device("D")
    async with world.ingest(ingest_unsafe_disable="ack_after_commit"), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        blocker = await world.connect()
        await blocker.execute("begin")
        await blocker.execute("select from telemetry.stream for update")
        await agent.run(1, [[now_us(), {"a": 1}]])
        ack = await agent.next_ack()
        assert ack["ok"] == [[1, 1]]
        assert await world.fetchval("select count(*) from telemetry_data") == 0
        await blocker.close()

        async def is_stored() -> bool:
            return await world.fetchval("select count(*) from telemetry_data") == 1

        await eventually(is_stored)


def test_misspelt_switch_is_refused_and_nothing_starts(world: Any) -> None:
    environment = world.environment(PULSE_INGEST_UNSAFE_DISABLE="everything")
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "pulse_ingest", "serve"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "PULSE_INGEST_UNSAFE_DISABLE" in done.stderr


async def test_what_is_read_and_not_settled_is_bounded_in_bytes_and_reading_goes_on_afterwards(
    world: Any, agent_of: Any, now_us: Any, eventually: Any, postgres_server: Any
) -> None:
    """40 messages of some 30 KiB against a bound of 64 KiB, while the database is away."""
    await world.add_device("D")
    async with world.ingest(ingest_waiting_bytes=64 * 1024) as ingest, world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        await agent.run(1, [[now_us(), {"a": 0}]])
        await agent.ack_until(1)
        await asyncio.to_thread(postgres_server.kill)
        try:
            for first in range(2, 402, 10):
                text = "x" * 240
                metrics = {f"status_{number:02d}": text for number in range(12)}
                await agent.run(first, [[now_us() + first, metrics] for _ in range(10)])

            async def has_stopped_reading() -> bool:
                return ingest.link.up is not None and ingest.link.up.open_messages >= 2

            await eventually(has_stopped_reading)
            assert ingest.link.up.open_messages <= 4
        finally:
            await asyncio.to_thread(postgres_server.start)
        await agent.ack_until(401, seconds=30)
    assert await world.fetchval("select received from telemetry.completeness") == 401
