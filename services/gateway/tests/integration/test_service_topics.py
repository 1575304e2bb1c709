"""`commands`, `sync` and `config`: what their services tell reaches whom it concerns, once, and nobody else."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from pulse_contracts.streams import COMMANDS_STREAM, CONFIG_STREAM, SYNC_STREAM

TOPICS = ("commands", "sync", "config")


async def step(world, device_id: str, state: str = "queued", **fields: Any) -> tuple[str, str]:
    """Announce a step of a command as the service `commands` does; return its event's id and its place."""
    event_id = str(uuid4())
    event = {"event_id": event_id, "at": int(time.time() * 1000), "command_id": str(uuid4()), "device_id": device_id}
    return event_id, await world.write(COMMANDS_STREAM, {**event, "name": "PING", "state": state, **fields})


async def synced(world, device_id: str, **fields: Any) -> None:
    event = {"device_id": device_id, "cursor": 1, "head": 1, "lag": 0, **fields}
    await world.write(SYNC_STREAM, event)


async def setting(world, scope: str, target: str, value: Any, version: int = 1, **fields: Any) -> None:
    address = {"id": f"{scope}/{target}/log.level", "scope": scope, "target": target, "key": "log.level"}
    event = {**address, "value": value, "version": version, "updated_at": 5, **fields}
    await world.write(CONFIG_STREAM, event)


def events(client, sub: str = "s") -> list[str]:
    return [item["id"] for frame in client.of("event", sub) for item in frame["items"]]


async def two_users(world):
    mine, theirs = await world.user("operator"), await world.user("operator")
    await world.device("mine-1", mine)
    await world.device("secret-1", theirs)
    return mine, theirs


@asynccontextmanager
async def away(world, schema: str) -> AsyncIterator[None]:
    """Take away what a service publishes, as if it was not installed."""
    await world.db.execute(f"alter schema {schema} rename to {schema}_away")
    try:
        yield
    finally:
        await world.db.execute(f"alter schema {schema}_away rename to {schema}")


@pytest.mark.parametrize(("topic", "schema"), [("commands", "commands"), ("sync", "sync"), ("config", "sync")])
async def test_a_topic_is_unavailable_until_its_service_is_there_and_then_needs_no_restart(
    world, wait_until, topic: str, schema: str
) -> None:
    user = await world.user("operator")
    async with world.gateway() as gateway, gateway.socket(user) as client:
        # A gateway that already runs when the service comes: its views are not there yet.
        async with away(world, schema), world.gateway() as early, early.socket(user) as waiting:
            answer = await waiting.subscribe(topic)
            assert (answer["type"], answer["code"], answer["retryable"]) == ("error", "unavailable", True)
            await world.db.execute(f"alter schema {schema}_away rename to {schema}")
            await wait_until(lambda: early.gateway.desk.state.topics[topic].stream.is_ready, seconds=20)
            assert (await waiting.subscribe(topic))["type"] == "ack"
            await world.db.execute(f"alter schema {schema} rename to {schema}_away")
        assert (await client.subscribe(topic))["type"] == "ack"


async def test_a_topic_that_is_about_to_be_loaded_is_asked_for_again_in_a_second_and_not_in_five(
    world, wait_until
) -> None:
    """Found by `pulse bench storm`: who came back first after a restart waited the longest."""
    user = await world.user("operator")
    async with world.gateway() as gateway, gateway.socket(user) as client:
        stream = gateway.gateway.desk.state.topics["commands"].stream
        await wait_until(lambda: stream.is_ready)
        stream.is_ready = False  # As it is before its feed looked the first time.
        assert (await client.subscribe("commands"))["retry_after_ms"] == 1_000

        stream.has_failed = True  # It looked, and the service's view is not there.
        assert (await client.subscribe("commands"))["retry_after_ms"] == 5_000


async def test_without_the_permission_none_of_them_is_to_be_had(world) -> None:
    nobody, viewer = await world.user("viewer"), await world.user("viewer")
    await world.db.execute("delete from identity.user_roles where user_id = $1", nobody.id)
    async with world.gateway() as gateway:
        async with gateway.socket(nobody) as client:
            for topic in TOPICS:
                assert (await client.subscribe(topic, topic))["code"] == "forbidden"
        async with gateway.socket(viewer) as client:
            assert (await client.subscribe("commands", "commands"))["type"] == "ack"
            for topic in ("sync", "config"):
                assert (await client.subscribe(topic, topic))["code"] == "forbidden"


async def test_a_command_is_followed_step_by_step(world, wait_until) -> None:
    user, _ = await two_users(world)
    async with world.gateway() as gateway, gateway.socket(user) as client:
        ack = await client.subscribe("commands", interval_ms=60_000)
        first, place = await step(world, "mine-1", batch_id=str(uuid4()), actor_name="ann")
        await wait_until(lambda: events(client) == [first])
        (frame,) = client.of("event")
        told = [first]
        for n in range(50):
            told.append((await step(world, "mine-1", "started", progress=n / 50))[0])
        await wait_until(lambda: len(events(client)) == 51)
    assert ack["interval_ms"] == 20
    assert frame["offset"] == place
    (item,) = frame["items"]
    assert set(item) == {"id", "ts", "kind", "data"}
    assert (item["kind"], item["data"]["state"], item["data"]["actor_name"]) == ("command", "queued", "ann")
    assert item["data"]["device_id"] == "mine-1"
    assert events(client) == told
    assert not client.of("snapshot")


async def test_nobody_sees_a_command_a_desktop_or_a_setting_of_anothers_device(world, wait_until) -> None:
    mine, _ = await two_users(world)
    filters = [{}, {"device_ids": ["secret-1"]}, {"device_ids": ["secret-1", "mine-1"]}]
    async with world.gateway() as gateway, gateway.socket(mine) as client:
        await setting(world, "device", "secret-1", "secret")
        await synced(world, "secret-1", error="secret")
        state = gateway.gateway.desk.state
        await wait_until(lambda: state.config.position.ms and state.desktops.position.ms)
        for n, chosen in enumerate(filters):
            for topic in TOPICS:
                assert (await client.subscribe(topic, f"{topic}-{n}", filter=chosen, interval_ms=0))["type"] == "ack"
        for n in range(5):
            await step(world, "secret-1", message=f"secret {n}")
            await setting(world, "device", "secret-1", "secret", 2 + n)
            await synced(world, "secret-1", error="secret", cursor=n)
        await setting(world, "device", "secret-1", None, 9, is_deleted=True)
        await synced(world, "secret-1", is_gone=True)
        own, _ = await step(world, "mine-1")
        await setting(world, "device", "mine-1", "DEBUG")
        await setting(world, "group", "hall", "INFO")
        await synced(world, "mine-1", cursor=7)
        await wait_until(lambda: events(client, "commands-0") == events(client, "commands-2") == [own])
        await wait_until(lambda: client.state("sync-2").get("mine-1", {}).get("cursor") == 7)
        await wait_until(lambda: set(client.state("config-2")) == {"device/mine-1/log.level", "group/hall/log.level"})
        await wait_until(lambda: set(client.state("config-1")) == {"group/hall/log.level"})
    assert events(client, "commands-1") == []
    assert "secret" not in json.dumps(client.frames)


async def test_what_was_missed_of_a_log_is_replayed_exactly_once(world, wait_until) -> None:
    mine, theirs = await two_users(world)
    async with world.gateway() as gateway:
        async with gateway.socket(mine) as client:
            await client.subscribe("commands", interval_ms=0)
            seen, _ = await step(world, "mine-1")
            await wait_until(lambda: events(client) == [seen])
            (frame,) = client.of("event")
            epoch = next(f["epoch"] for f in client.frames if f["type"] == "ack")
        missed = []
        for _ in range(300):
            missed.append((await step(world, "mine-1", message="x" * 300))[0])
            await step(world, "secret-1", message="secret")
        # One gateway that read on meanwhile, and one that starts only now.
        async with world.gateway() as later:
            for running in (gateway, later):
                async with running.socket(mine) as client:
                    since = {"epoch": epoch, "offset": frame["offset"]}
                    again = await client.subscribe("commands", interval_ms=0, since=since)
                    assert again["recovered"] is True
                    live, _ = await step(world, "mine-1")
                    missed.append(live)
                    await wait_until(lambda c=client: len(events(c)) >= len(missed))
                    assert events(client) == missed
                    assert "secret" not in json.dumps(client.frames)
            async with later.socket(theirs) as client:
                lost = await client.subscribe("commands", since={"epoch": "another", "offset": frame["offset"]})
                assert lost["recovered"] is False
                assert (await client.one(lambda f: f["type"] == "gap"))["reason"] == "epoch"


async def test_a_revoked_right_ends_the_subscription(world, wait_until) -> None:
    mine, theirs = await two_users(world)
    async with world.gateway() as gateway, gateway.socket(mine) as client:
        await world.share("secret-1", mine)
        await wait_until(lambda: "secret-1" in gateway.gateway.desk.directory._users[mine.id].scope.devices)
        for topic in TOPICS:
            await client.subscribe(topic, topic, filter={"device_ids": ["secret-1"]}, interval_ms=0)
        shown, _ = await step(world, "secret-1")
        await setting(world, "device", "secret-1", "DEBUG")
        await synced(world, "secret-1")
        await wait_until(lambda: events(client, "commands") == [shown])
        await wait_until(lambda: client.state("sync") and client.state("config"))
        await world.unshare("secret-1", mine)
        for topic in TOPICS:
            ended = await client.one(lambda f, t=topic: f["type"] == "unsubscribed" and f["sub"] == t)
            assert (ended["code"], ended["retryable"]) == ("forbidden", False)
        await step(world, "secret-1")
        # And with the permission itself.
        assert (await client.subscribe("commands", "all"))["type"] == "ack"
        await world.db.execute("delete from identity.user_roles where user_id = $1", mine.id)
        await world.write("pulse:access", {"kind": "user", "user_id": str(mine.id)})
        assert (await client.one(lambda f: f["type"] == "unsubscribed" and f["sub"] == "all"))["code"] == "forbidden"
    assert events(client, "commands") == [shown]
    assert theirs.id != mine.id


async def test_a_share_brings_desktops_and_settings_into_view_and_its_end_takes_them_away(world, wait_until) -> None:
    mine, _ = await two_users(world)
    async with world.gateway() as gateway, gateway.socket(mine) as client:
        await setting(world, "device", "secret-1", "DEBUG")
        await setting(world, "all", "", "INFO")
        await synced(world, "secret-1", last_sync_at=77)
        await client.subscribe("sync", "sync", interval_ms=0)
        await client.subscribe("config", "config", interval_ms=0)
        await wait_until(lambda: set(client.state("config")) == {"all//log.level"})
        await world.share("secret-1", mine)
        await wait_until(lambda: client.state("sync").get("secret-1", {}).get("last_sync_at") == 77)
        await wait_until(lambda: "device/secret-1/log.level" in client.state("config"))
        await world.unshare("secret-1", mine)
        await wait_until(lambda: not client.state("sync") and set(client.state("config")) == {"all//log.level"})


async def test_snapshots_are_what_sync_publishes_and_then_what_changes(world, wait_until) -> None:
    mine, _ = await two_users(world)
    for device_id, at in (("mine-1", 1_700_000_000), ("secret-1", 1_800_000_000)):
        await world.db.execute(
            "insert into sync.desktop (device_id, cursor, last_sync_at) values ($1, 0, to_timestamp($2))", device_id, at
        )
        await world.db.execute(
            "insert into sync.config_entry (id, scope, target, key, value, version, stamp, updated_by, source)"
            " values ('device/' || $1 || '/log.level', 'device', $1, 'log.level', '\"DEBUG\"', 3,"
            " '1770459330000-0002', 'ann', 'web')",
            device_id,
        )
    async with world.gateway() as gateway, gateway.socket(mine) as client:
        for topic in ("sync", "config", "system"):
            await client.subscribe(topic, topic, interval_ms=0)
            await client.one(lambda f, t=topic: f["type"] == "snapshot" and f["sub"] == t)
        assert client.state("sync") == {
            "mine-1": {
                "cursor": 0, "head": 0, "lag": 0, "pending": 0, "conflicts": 0, "last_sync_at": 1_700_000_000_000,
                "config_lag": 0, "error": None,
            }
        }  # fmt: skip
        assert client.state("config") == {
            "device/mine-1/log.level": {
                "scope": "device", "target": "mine-1", "key": "log.level", "value": "DEBUG", "version": 3,
                "updated_at": 1770459330000, "updated_by": "ann", "source": "web",
            }
        }  # fmt: skip
        assert client.state("system")["summary"]["last_sync"] == 1_700_000_000_000
        async with gateway.http(mine) as http:
            assert (await http.get("/api/dashboard/summary")).json()["last_sync"] == 1_700_000_000_000
        await synced(world, "mine-1", last_sync_at=1_700_000_001_000)
        await wait_until(lambda: client.state("system")["summary"]["last_sync"] == 1_700_000_001_000)
        await setting(world, "device", "mine-1", None, 4, is_deleted=True)
        await wait_until(lambda: client.state("config") == {})
        await synced(world, "mine-1", is_gone=True)
        await wait_until(lambda: client.state("sync") == {})


async def test_a_stream_that_was_lost_is_a_gap_and_a_new_snapshot_of_what_has_a_state(world, wait_until) -> None:
    mine, _ = await two_users(world)
    async with world.gateway() as gateway, gateway.socket(mine) as client:
        for topic in TOPICS:
            await client.subscribe(topic, topic, interval_ms=0)
        first, _ = await step(world, "mine-1")
        await synced(world, "mine-1")
        await setting(world, "all", "", "INFO")
        await wait_until(lambda: events(client, "commands") and client.state("sync") and client.state("config"))
        # What the streams told is nowhere else here: after their loss the database is what holds.
        await world.redis.flushdb()
        for topic in TOPICS:
            gap = await client.one(lambda f, t=topic: f["type"] == "gap" and f["sub"] == t)
            assert gap["reason"] == "epoch"
        await wait_until(lambda: client.state("sync") == {} == client.state("config"))
        again, _ = await step(world, "mine-1")
        await wait_until(lambda: events(client, "commands") == [first, again])
        assert not client.of("snapshot", "commands")


async def test_a_resume_after_the_scope_changed_is_a_snapshot(world, wait_until) -> None:
    mine, _ = await two_users(world)
    async with world.gateway() as gateway:
        await synced(world, "secret-1")
        await wait_until(lambda: gateway.gateway.desk.state.desktops.position.ms)
        async with gateway.socket(mine) as client:
            ack = await client.subscribe("sync")
            await client.one(lambda f: f["type"] == "snapshot")
            assert client.state() == {}
        await world.db.execute("update identity.devices set owner_id = $1 where id = 'secret-1'", mine.id)
        await world.registered("secret-1")
        await wait_until(lambda: gateway.gateway.desk.directory._registry_changed_ms)
        async with gateway.socket(mine) as client:
            since = {"epoch": ack["epoch"], "offset": ack["offset"]}
            assert (await client.subscribe("sync", since=since))["recovered"] is True
            await wait_until(lambda: "secret-1" in client.state())
