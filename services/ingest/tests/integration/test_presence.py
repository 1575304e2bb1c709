"""Hello and epochs, heartbeats, last wills, silence."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiomqtt

from pulse_chassis.streams import StreamReader, connect_redis
from pulse_contracts.streams import DEVICES_STREAM, DeviceChanged


async def status(world: Any, client: str) -> Any:
    rows = await world.fetch("select * from telemetry.device_status where client_id = $1", client)
    return rows[0] if rows else None


async def told(world: Any, device: str) -> list[DeviceChanged]:
    redis = connect_redis(world.redis_url)
    entries = await StreamReader(redis, DEVICES_STREAM).read("0-0")
    await redis.aclose()
    events = [DeviceChanged.model_validate_json(entry) for _, entry in entries]
    return [event for event in events if event.device_id == device]


async def test_new_outbox_gets_epoch_one_and_keeps_it(world: Any, agent_of: Any) -> None:
    await world.add_device("D")
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        first = await agent.hello()
        again = await agent.hello()
    assert (first["epoch"], first["cum"], first["received"], first["head"]) == (1, 0, [], None)
    assert again["epoch"] == 1
    assert first["credit"]["window"] >= 1
    assert abs(first["server_time"] - time.time() * 1000) < 60_000


async def test_welcome_names_what_is_here_and_the_head(world: Any, agent_of: Any, now_us: Any) -> None:
    await world.add_device("D")
    at = now_us()
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        for first, last in ((1, 4), (7, 8), (11, 11)):
            await agent.run(first, [[at + number, {"a": number}] for number in range(first, last + 1)])
        while len([heard for heard in agent.heard if heard.get("ok")]) < 1:
            await agent.next_ack()

        welcome = await agent.hello(next_=12, oldest=3)
        while welcome["head"] is None or welcome["head"][0] != 11:
            welcome = await agent.hello(next_=12, oldest=3)
    assert (welcome["epoch"], welcome["cum"]) == (1, 4)
    assert welcome["received"] == [[3, 4], [7, 8], [11, 11]]
    assert welcome["head"] == [11, at + 11]


async def test_rolled_back_outbox_gets_a_new_epoch_and_loses_nothing(world: Any, agent_of: Any, now_us: Any) -> None:
    await world.add_device("D")
    at = now_us()
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        await agent.run(1, [[at + number, {"a": number}] for number in range(1, 11)])
        await agent.ack_until(10)
        welcome = await agent.hello(next_=6, oldest=6)
        assert (welcome["epoch"], welcome["cum"], welcome["received"]) == (2, 5, [])
        await agent.run(6, [[at + 1_000_000, {"a": 60}]])  # another reading under a sequence that was used
        await agent.ack_until(6)
    assert await world.fetchval("select count(*) from telemetry_data") == 11
    assert await world.fetchval("select bool_and(is_complete) from telemetry.completeness")


async def test_clones_that_take_turns_end_with_an_epoch_each(world: Any, agent_of: Any) -> None:
    await world.add_device("D")
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        assert (await agent.hello(instance="A"))["epoch"] == 1
        # A lives (its hello was a moment ago), so B is a second one.
        assert (await agent.hello(instance="B", epoch=1))["epoch"] == 2
        assert (await agent.hello(instance="A", epoch=1))["epoch"] == 1
        assert (await agent.hello(instance="B", epoch=2))["epoch"] == 2


async def test_instance_that_returns_after_another_took_over_is_a_clone(
    world: Any, agent_of: Any, eventually: Any
) -> None:
    await world.add_device("D")
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        assert (await agent.hello(instance="A"))["epoch"] == 1
        await say(client, "D", status="OFFLINE", instance="A")
        await eventually(lambda: is_status(world, "D", "OFFLINE"))
        # A restart: the new instance takes the epoch over.
        assert (await agent.hello(instance="B", epoch=1))["epoch"] == 1
        assert (await agent.hello(instance="A", epoch=1))["epoch"] == 2
        assert (await agent.hello(instance="B", epoch=1))["epoch"] == 1


async def test_renewed_epoch_leaves_no_phantom_hole_in_the_old_one(world: Any, agent_of: Any, now_us: Any) -> None:
    await world.add_device("D")
    at = now_us()
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        await agent.run(1, [[at + 1, {"a": 1}]])
        await agent.run(4, [[at + 4, {"a": 4}]])
        while await world.fetchval("select count(*) from telemetry_data") < 2:
            await agent.next_ack()
        await agent.hello(epoch=0, next_=5, oldest=2)
        old = await world.fetchval("select is_complete from telemetry.completeness where epoch = 1")
        assert old is True
        await agent.run(2, [[at + number, {"a": number}] for number in (2, 3, 4)])
        ack = await agent.ack_until(4)
    assert ack["epoch"] == 2
    assert await world.fetchval("select count(*) from telemetry_data") == 4


async def test_a_hello_that_comes_again_after_readings_does_not_renew_the_epoch(
    world: Any, agent_of: Any, now_us: Any
) -> None:
    """The broker delivers a hello again that ingest had not confirmed; the outbox has moved on since (found by chaos)."""
    await world.add_device("D")
    at = now_us()
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        assert (await agent.hello(number=1))["id"] == 1
        asked = {"epoch": 1, "next_": 4, "oldest": 1}
        assert (await agent.hello(number=2, **asked))["epoch"] == 1
        await agent.run(1, [[at + number, {"a": number}] for number in range(1, 7)])
        await agent.ack_until(6)
        for number in (2, 1):
            welcome = await agent.hello(number=number, **asked)
            assert (welcome["epoch"], welcome["cum"], welcome["id"]) == (1, 6, 2)
        ledgers = await world.fetch("select epoch, is_complete from telemetry.completeness")
        assert [tuple(ledger) for ledger in ledgers] == [(1, True)]
        # One that says so anew was rolled back.
        assert (await agent.hello(number=3, **asked))["epoch"] == 2


async def test_a_hello_that_comes_again_brings_nobody_back_online(world: Any, agent_of: Any, eventually: Any) -> None:
    await world.add_device("D")
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello(number=1)
        await say(client, "D", status="OFFLINE", instance="one")
        await eventually(lambda: is_status(world, "D", "OFFLINE"))
        assert (await agent.hello(number=1, epoch=0))["epoch"] == 1
        assert await is_status(world, "D", "OFFLINE")
        # Another run of the same program counts from 1 again.
        assert (await agent.hello(number=1, instance="two"))["id"] == 1
        assert await is_status(world, "D", "ONLINE")


async def say(client: aiomqtt.Client, device: str, *, qos: int = 1, **said: Any) -> None:
    payload = {"type": "heartbeat", "v": 1, "client_id": device, "status": "ONLINE", "version": "9"} | said
    await client.publish(f"heartbeat/{device}", json.dumps(payload), qos=qos)


async def is_status(world: Any, device: str, wanted: str) -> bool:
    row = await status(world, device)
    return row is not None and row["status"] == wanted


async def test_heartbeat_brings_a_client_online_with_what_it_says(world: Any, eventually: Any) -> None:
    await world.add_device("D")
    async with world.ingest(), world.client("D") as client:
        ahead = int(time.time() * 1000) + 5_000
        await say(client, "D", qos=0, ts=ahead, buffered=17, instance="one")
        await eventually(lambda: is_status(world, "D", "ONLINE"))

        async def is_told() -> bool:
            events = [event.status for event in await told(world, "D") if event.status]
            return any(one.status == "ONLINE" for one in events) and any(one.buffered == 17 for one in events)

        await eventually(is_told)
    row = await status(world, "D")
    assert (row["buffered"], row["instance"], row["agent_version"]) == (17, "one", "9")
    assert 3_000 < row["clock_offset_ms"] <= 5_000


async def test_last_will_takes_a_client_offline_at_once_and_its_return_ends_the_period(
    world: Any, eventually: Any
) -> None:
    await world.add_device("D")
    will = {"type": "heartbeat", "v": 1, "client_id": "D", "status": "OFFLINE", "instance": "one"}
    async with world.ingest():
        async with world.client("D", will=aiomqtt.Will("heartbeat/D", json.dumps(will), qos=1)) as client:
            await say(client, "D", qos=0, instance="one")
            await eventually(lambda: is_status(world, "D", "ONLINE"))
            client._client._sock_close()  # the network is gone: no goodbye
            await eventually(lambda: is_status(world, "D", "OFFLINE"), seconds=3.0)
        (period,) = await world.fetch("select reason, ended_at from telemetry.offline_period")
        assert tuple(period) == ("last will", None)
        async with world.client("D") as client:
            await say(client, "D", qos=0, instance="one")
            await eventually(lambda: is_status(world, "D", "ONLINE"))
    (period,) = await world.fetch("select ended_at > started_at from telemetry.offline_period")
    assert period[0] is True


async def test_will_of_an_older_instance_does_not_take_the_newer_one_offline(world: Any, eventually: Any) -> None:
    await world.add_device("D")
    async with world.ingest(), world.client("D") as client:
        await say(client, "D", qos=0, instance="new")
        await eventually(lambda: is_status(world, "D", "ONLINE"))
        await say(client, "D", status="OFFLINE", instance="old")
        await say(client, "D", qos=1, instance="new", buffered=5)

        async def is_written() -> bool:
            return (await status(world, "D"))["buffered"] == 5

        await eventually(is_written)
        assert (await status(world, "D"))["status"] == "ONLINE"


async def test_goodbye_gives_its_reason(world: Any, eventually: Any) -> None:
    await world.add_device("D")
    async with world.ingest(), world.client("D") as client:
        await say(client, "D", instance="one")
        await say(client, "D", status="OFFLINE", instance="one", reason="stopped")
        await eventually(lambda: is_status(world, "D", "OFFLINE"))

        async def is_told() -> bool:
            return any(event.status and event.status.status == "OFFLINE" for event in await told(world, "D"))

        await eventually(is_told)
    assert (await status(world, "D"))["reason"] == "stopped"


async def test_silence_takes_clients_offline_heartbeating_ones_sooner(world: Any, eventually: Any) -> None:
    for device in ("AGENT", "PLAIN"):
        await world.add_device(device)
    limits = {"ingest_silence_seconds": 1.0, "ingest_plain_silence_seconds": 3.0}
    async with world.ingest(**limits), world.client("AGENT") as agent, world.client("PLAIN") as plain:
        began = asyncio.get_running_loop().time()
        await say(agent, "AGENT", qos=1)
        await plain.publish("devices/PLAIN/data", '{"device_id":"PLAIN","a":1}', qos=1)
        await eventually(lambda: is_status(world, "PLAIN", "ONLINE"))
        await eventually(lambda: is_status(world, "AGENT", "OFFLINE"))
        assert (await status(world, "PLAIN"))["status"] == "ONLINE"
        await eventually(lambda: is_status(world, "PLAIN", "OFFLINE"))
        assert asyncio.get_running_loop().time() - began >= 3.0
    periods = await world.fetch("select client_id, reason, ended_at from telemetry.offline_period order by 1")
    assert [tuple(period) for period in periods] == [("AGENT", "silence", None), ("PLAIN", "silence", None)]


async def test_silence_of_our_own_is_not_taken_for_the_clients(world: Any, eventually: Any) -> None:
    await world.add_device("D")
    limits = {"ingest_silence_seconds": 2.0, "ingest_plain_silence_seconds": 2.0}
    async with world.ingest(**limits), world.client("D") as client:
        await say(client, "D")
        await eventually(lambda: is_status(world, "D", "ONLINE"))
    back = await world.connect()
    await back.execute("update telemetry.presence set last_seen = now() - interval '1 hour'")
    await back.close()
    async with world.ingest(**limits), world.client("D") as client:  # ingest was away for an hour
        await say(client, "D")

        async def is_seen() -> bool:
            return await world.fetchval("select last_seen > now() - interval '1 minute' from telemetry.presence")

        await eventually(is_seen)
        assert await world.fetchval("select count(*) from telemetry.offline_period") == 0


async def test_presence_payload_that_cannot_be_read_is_rejected(world: Any, eventually: Any) -> None:
    await world.add_device("D")
    async with world.ingest(), world.client("D") as client:
        await client.publish("heartbeat/D", '{"type":"hello","v":1}', qos=1)
        await client.publish("heartbeat/D", "nonsense", qos=1)
        other = '{"type":"heartbeat","v":1,"client_id":"OTHER","status":"ONLINE"}'
        await client.publish("heartbeat/D", other, qos=1)

        async def all_there() -> bool:
            codes = await world.fetch("select code from telemetry.rejected order by id")
            return [code[0] for code in codes] == ["bad_shape", "not_json", "wrong_client"]

        await eventually(all_there)
    assert await status(world, "OTHER") is None


async def test_completeness_is_told_at_most_once_a_second(
    world: Any, agent_of: Any, now_us: Any, eventually: Any
) -> None:
    await world.add_device("D")
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        began = time.monotonic()
        await agent.hello()
        for number in range(1, 61):
            await agent.run(number, [[now_us(), {"a": number}]])
            await agent.ack_until(number)

        async def is_told() -> Any:
            reports = [event.status.completeness for event in await told(world, "D") if event.status]
            return [one for one in reports if one is not None and one.cum == 60]

        await eventually(is_told)
        seconds = time.monotonic() - began
        reports = [event for event in await told(world, "D") if event.status and event.status.completeness]
        assert len(reports) <= seconds + 2
