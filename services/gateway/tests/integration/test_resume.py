"""Going on after a cut: exactly what was missed, or an honest gap. Never a part of it."""

import asyncio
import random
import time

import pytest

from pulse_contracts.streams import DEVICES_STREAM, TELEMETRY_STREAM, epoch_key


def since(ack: dict, offset: str | None = None) -> dict:
    return {"epoch": ack["epoch"], "offset": offset or ack["offset"]}


async def test_what_was_missed_is_replayed_and_then_it_is_live(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway:
        async with gateway.socket(admin) as client:
            ack = await client.subscribe("telemetry.raw", interval_ms=0)
        for value in range(300):
            await world.announce(("dev-1", {"m": value}))
        async with gateway.socket(admin) as client:
            again = await client.subscribe("telemetry.raw", interval_ms=0, since=since(ack))
            await world.announce(("dev-1", {"m": 300}))
            await wait_until(lambda: len(client.rows()) >= 301)
    assert again["recovered"] is True
    assert [r[3] for r in client.rows()] == list(range(301))
    assert not client.of("gap")


async def test_state_topics_are_replayed_conflated_and_without_a_snapshot(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway:
        async with gateway.socket(admin) as client:
            latest = await client.subscribe("telemetry.latest", "latest")
            devices = await client.subscribe("devices", "devices")
        for value in range(100):
            await world.announce(("dev-1", {"m": value}))
        await world.status("dev-1", status="ONLINE", last_seen=5)
        await wait_until(lambda: gateway.gateway.desk.state.book.count(None).online)
        async with gateway.socket(admin) as client:
            assert (await client.subscribe("telemetry.latest", "latest", since=since(latest)))["recovered"]
            assert (await client.subscribe("devices", "devices", since=since(devices)))["recovered"]
            await wait_until(lambda: client.of("data", "latest") and client.of("state", "devices"))
    (data,) = client.of("data", "latest")
    assert ([r[3] for r in data["rows"]], data["n"]) == ([99], 100)
    assert client.state("devices")["dev-1"]["status"] == "ONLINE"
    assert not client.of("snapshot")


async def test_a_gateway_that_started_later_replays_what_came_before_it(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        ack = await client.subscribe("telemetry.raw", interval_ms=0)
        first = await world.announce(("dev-1", {"m": -1}))
        await wait_until(client.rows)
    for value in range(1000):
        await world.announce(("dev-1", {"m": value}))
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        again = await client.subscribe("telemetry.raw", since=since(ack, first))
        await wait_until(lambda: len(client.rows()) >= 1000)
    assert again["recovered"] is True
    assert [r[3] for r in client.rows()] == list(range(1000))


async def test_after_trimming_a_hole_is_never_skipped_in_silence(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    for value in range(10):
        await world.announce(("dev-1", {"m": value}))
    (second, _), *_ = (await world.redis.xrange(TELEMETRY_STREAM))[1:]
    await world.redis.xtrim(TELEMETRY_STREAM, maxlen=3, approximate=False)
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        ack = await client.subscribe("telemetry.latest", "fresh")
        for sub, topic in (("latest", "telemetry.latest"), ("raw", "telemetry.raw")):
            again = await client.subscribe(topic, sub, since=since(ack, second.decode()))
            assert again["recovered"] is False
            gap = await client.one(lambda f, sub=sub: f["type"] == "gap" and f["sub"] == sub)
            assert gap["reason"] == "trimmed"
            assert gap["from_ts"] == int(second.split(b"-")[0])
            assert gap["to_ts"] >= gap["from_ts"]
        await client.one(lambda f: f["type"] == "snapshot" and f["sub"] == "latest")
    assert not client.of("data", "raw")


async def test_another_epoch_is_a_gap_and_a_fresh_snapshot(world) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        ack = await client.subscribe("telemetry.latest", since={"epoch": "another", "offset": "5-0"})
        gap = await client.one(lambda f: f["type"] == "gap")
        snapshot = await client.one(lambda f: f["type"] == "snapshot")
    assert ack["recovered"] is False
    assert (gap["reason"], gap["from_ts"]) == ("epoch", 5)
    assert snapshot["epoch"] == ack["epoch"] != "another"
    assert [f["type"] for f in client.frames if f.get("sub") == "s"] == ["ack", "gap", "snapshot"]


async def test_too_far_behind_is_a_gap_and_no_part_of_it(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway:
        async with gateway.socket(admin) as client:
            ack = await client.subscribe("telemetry.raw")
        pipeline = world.redis.pipeline(transaction=False)
        for value in range(5_001):
            pipeline.xadd(TELEMETRY_STREAM, {"j": f'{{"at":1,"rows":[["dev-1",1,"good",{{"m":{value}}}]]}}'})
        ids = await pipeline.execute()
        state = gateway.gateway.desk.state
        await wait_until(lambda: str(state.telemetry.position) == ids[-1].decode())
        async with gateway.socket(admin) as client:
            over = await client.subscribe("telemetry.raw", "over", since=since(ack))
            most = await client.subscribe("telemetry.raw", "most", since=since(ack, ids[0].decode()))
            await client.one(lambda f: f["type"] == "gap" and f["sub"] == "over")
            await wait_until(lambda: len(client.rows("most")) >= 5_000)
    assert (over["recovered"], most["recovered"]) == (False, True)
    assert [r[3] for r in client.rows("most")] == list(range(1, 5_001))
    assert not client.rows("over")


async def test_more_than_a_mebibyte_behind_is_a_gap(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway:
        async with gateway.socket(admin) as client:
            ack = await client.subscribe("telemetry.raw")
        for n in range(22):
            newest = await world.announce(("dev-1", {f"m{k}": "x" * 250 for k in range(200)}), ts=n)
        await wait_until(lambda: str(gateway.gateway.desk.state.telemetry.position) == newest)
        async with gateway.socket(admin) as client:
            assert (await client.subscribe("telemetry.raw", since=since(ack)))["recovered"] is False


@pytest.mark.parametrize("offset", ["", "x", "1", "0-0", "5-5", "99999999999999-0", "1-1\n"])
async def test_an_offset_that_never_was_is_not_trusted(world, offset: str) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    await world.announce(("dev-1", {"m": 1}))
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        ack = await client.subscribe("telemetry.latest", "a")
        again = await client.subscribe("telemetry.latest", "b", since={"epoch": ack["epoch"], "offset": offset})
        assert again["recovered"] is False


async def test_the_live_position_of_a_rest_reply_is_one_to_go_on_from(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    await world.announce(("dev-1", {"m": 0}))
    async with world.gateway() as gateway, gateway.http(admin) as http, gateway.socket(admin) as client:
        live = (await http.get("/api/telemetry/latest")).json()["live"]
        for value in range(1, 6):
            await world.announce(("dev-1", {"m": value}))
        position = {"epoch": live["epoch"], "offset": live["offset"]}
        ack = await client.subscribe("telemetry.raw", since=position)
        await wait_until(lambda: len(client.rows()) >= 5)
    assert ack["recovered"] is True
    assert [r[3] for r in client.rows()] == [1, 2, 3, 4, 5]


async def test_fifty_random_cuts_over_ten_thousand_events_lose_and_double_none(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    rng = random.Random(20261121)
    total, cuts, seen, position = 10_000, 0, [], None

    async def produce() -> None:
        for first in range(0, total, 20):
            while first >= 200 * (cuts + 1):  # so that there is something to miss until the last cut
                await asyncio.sleep(0.001)
            pipeline = world.redis.pipeline(transaction=False)
            for value in range(first, first + 20):
                entry = f'{{"at":{int(time.time() * 1000)},"rows":[["dev-1",{value},"good",{{"m":{value}}}]]}}'
                pipeline.xadd(TELEMETRY_STREAM, {"j": entry})
            await pipeline.execute()
            await asyncio.sleep(0.002)

    async with world.gateway() as gateway:
        producing: asyncio.Task[None] | None = None
        while len(seen) < total:
            async with gateway.socket(admin) as client:
                ack = await client.subscribe("telemetry.raw", interval_ms=rng.choice([0, 5, 50]), since=position)
                assert ack.get("recovered", True) is True
                position = {"epoch": ack["epoch"], "offset": ack["offset"]}
                producing = producing or asyncio.create_task(produce())
                is_last = cuts >= 50
                missing = total - len(seen)
                after = time.monotonic() + (60 if is_last else rng.uniform(0.0, 0.08))
                await wait_until(
                    lambda c=client, a=after, left=missing: time.monotonic() > a or len(c.rows()) >= left,
                    seconds=70,
                )
                cuts += 1
                if not is_last:
                    client.socket.transport.abort()
                for frame in client.of("data"):
                    seen += [row[3] for row in frame["rows"]]
                    position["offset"] = frame["offset"]
                assert not client.of("gap")
        await producing
    assert cuts >= 50
    assert seen == list(range(total))


async def test_redis_away_keeps_sockets_and_loses_nothing(world, valkey_server, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway, gateway.http() as http, gateway.socket(admin) as client:
        await client.subscribe("telemetry.raw", "raw", interval_ms=0)
        await client.subscribe("system", "system", interval_ms=0)
        await world.announce(("dev-1", {"m": 1}))
        await wait_until(lambda: client.rows("raw"))
        await world.redis.save()
        valkey_server.stop()
        try:
            await wait_until(lambda: not client.state("system")["summary"]["parts"]["redis"]["ok"])
            ready = await http.get("/readyz")
            assert ready.status_code == 503
            assert ready.json()["dependencies"]["redis"]["ok"] is False
            assert (await client.ask(type="ping"))["type"] == "pong"
        finally:
            valkey_server.start()
        await world.redis.connection_pool.disconnect()
        await world.announce(("dev-1", {"m": 2}))
        await wait_until(lambda: client.rows("raw")[-1][3] == 2)
        await wait_until(lambda: client.state("system")["summary"]["parts"]["redis"]["ok"])
    assert [r[3] for r in client.rows("raw")] == [1, 2]
    assert not client.of("gap")


async def test_a_stream_that_began_anew_is_told_as_a_gap_with_a_fresh_snapshot(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        before = await client.subscribe("telemetry.latest", "latest")
        await client.subscribe("telemetry.raw", "raw")
        await client.subscribe("devices", "devices")
        await world.announce(("dev-1", {"m": 1}))
        await wait_until(lambda: client.rows("raw"))
        await world.redis.delete(TELEMETRY_STREAM, epoch_key(TELEMETRY_STREAM))
        for sub in ("latest", "raw"):
            gap = await client.one(lambda f, sub=sub: f["type"] == "gap" and f["sub"] == sub)
            assert gap["reason"] == "epoch"
        await wait_until(lambda: len(client.of("snapshot", "latest")) == 2)
        assert client.of("snapshot", "latest")[-1]["epoch"] != before["epoch"]
        await world.announce(("dev-1", {"m": 2}))
        await wait_until(lambda: client.rows("raw")[-1][3] == 2)
    assert not client.of("gap", "devices")


async def test_entries_that_redis_lost_in_a_crash_are_a_gap(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        await client.subscribe("devices", interval_ms=0)
        await world.status("dev-1", status="ONLINE")
        older = await world.redis.dump(DEVICES_STREAM)
        newest = await world.status("dev-1", last_seen=5)
        await wait_until(lambda: client.state()["dev-1"]["last_seen"] == 5)
        # The same epoch, but what was read last is gone: the server comes back with an older file.
        await world.redis.restore(DEVICES_STREAM, 0, older, replace=True)
        gap = await client.one(lambda f: f["type"] == "gap")
        await wait_until(lambda: len(client.of("snapshot")) == 2)
    assert gap["reason"] == "trimmed"
    assert gap["from_ts"] == int(newest.split("-")[0])


async def test_who_joins_between_two_ticks_hears_nothing_twice(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway, gateway.socket(admin) as first, gateway.socket(admin) as second:
        ack = await first.subscribe("telemetry.raw", interval_ms=1_500)
        await world.announce(("dev-1", {"m": 0}))
        await wait_until(first.rows)
        for value in range(1, 20):  # these wait in the channel for its next tick
            newest = await world.announce(("dev-1", {"m": value}))
        await wait_until(lambda: str(gateway.gateway.desk.state.telemetry.position) == newest)
        again = await second.subscribe("telemetry.raw", interval_ms=1_500, since=since(ack))
        assert again["recovered"] is True
        await world.announce(("dev-1", {"m": 20}))
        await wait_until(lambda: len(first.rows()) >= 21 and len(second.rows()) >= 21)
    assert [r[3] for r in first.rows()] == [r[3] for r in second.rows()] == list(range(21))
