"""A user sees no frame, row or count of another's device: by socket, by REST, by guessing, or by a cursor."""

import json
import time

from pulse_contracts.streams import ACCESS_STREAM, DEVICES_STREAM

TOPICS = ("telemetry.latest", "telemetry.raw", "devices", "system")


async def two_users(world):
    mine, theirs = await world.user("operator"), await world.user("operator")
    await world.device("mine-1", mine, groups=("hall",))
    await world.device("secret-1", theirs, groups=("hall",))
    now = int(time.time() * 1000) - 100_000
    await world.store("mine-1", "m", 1.0, 2.0, 3.0, start_ms=now)
    await world.store("secret-1", "m", 4242.0, 4243.0, 4244.0, start_ms=now)
    return mine, theirs


async def test_no_frame_of_anothers_device_reaches_a_socket(world, wait_until) -> None:
    mine, _ = await two_users(world)
    filters = [{}, {"device_ids": ["secret-1"]}, {"device_ids": ["secret-1", "mine-1"]}, {"groups": ["hall"]}]
    async with world.gateway() as gateway, gateway.socket(mine) as client:
        for n, chosen in enumerate(filters):
            for topic in TOPICS:
                ack = await client.subscribe(topic, f"{topic}-{n}", filter=chosen, interval_ms=0)
                assert ack["type"] == "ack"
        for value in range(20):
            await world.announce(("secret-1", {"m": 4242 + value}), ("mine-1", {"m": value}))
        await world.announce(late=[{"device_id": "secret-1", "from_ms": 1, "to_ms": 2, "count": 4242}])
        await world.status("secret-1", status="ONLINE", buffered=4242)
        await world.registered("secret-1")
        await world.write(DEVICES_STREAM, {"device_id": "secret-1", "is_deleted": True})
        await world.status("mine-1", status="ONLINE", buffered=7)
        await wait_until(lambda: len(client.rows("telemetry.raw-0")) == 20)
        await wait_until(lambda: client.state("system-0")["summary"]["buffered_records"] == 7)
        await wait_until(lambda: client.state("devices-3")["mine-1"]["status"] == "ONLINE")
    everything = json.dumps(client.frames)
    assert "secret" not in everything
    assert "424" not in "".join(str(r[3]) for f in client.frames for r in f.get("rows") or [])
    assert client.rows("telemetry.raw-1") == []
    assert client.state("system-0")["summary"]["devices"] == 1
    assert client.state("system-1")["summary"]["devices"] == 0


async def test_a_guessed_id_is_answered_as_an_absent_one(world, wait_until) -> None:
    mine, _ = await two_users(world)

    async def conversation(gateway, device_id: str) -> str:
        async with gateway.socket(mine) as client, gateway.http(mine) as http:
            for topic in TOPICS:
                await client.subscribe(topic, topic, filter={"device_ids": [device_id]})
            await client.ask(type="ping")
            answers = [
                await http.get("/api/telemetry/latest", params={"device_ids": device_id}),
                await http.get("/api/telemetry/history", params={"device_id": device_id}),
                await http.get("/api/telemetry/history", params={"device_id": device_id, "metric": "m", "cursor": "x"}),
            ]
            seen = [f for f in client.frames if f["type"] not in {"hello", "ready", "pong"}]
            bodies = [{k: v for k, v in a.json().items() if k != "instance"} for a in answers]
            return json.dumps([seen, [a.status_code for a in answers], bodies]).replace(device_id, "ID")

    async with world.gateway() as gateway:
        # The parts of the system are in the answers, and are asked for the first time while the gateway starts.
        await wait_until(lambda: gateway.gateway.desk.state.summarise(None).parts)
        assert await conversation(gateway, "secret-1") == await conversation(gateway, "nobody-1")


async def test_rest_gives_only_ones_own(world) -> None:
    mine, _theirs = await two_users(world)
    admin = await world.user("admin")
    async with world.gateway() as gateway:
        async with gateway.http(mine) as http:
            latest = (await http.get("/api/telemetry/latest")).json()
            named = (await http.get("/api/telemetry/latest", params={"device_ids": "secret-1,mine-1"})).json()
            summary = (await http.get("/api/dashboard/summary")).json()
        async with gateway.http(admin) as http:
            assert len((await http.get("/api/telemetry/latest")).json()["items"]) == 2
            assert (await http.get("/api/dashboard/summary")).json()["devices"] == 2
    assert [item["device_id"] for item in latest["items"]] == ["mine-1"]
    assert [item["device_id"] for item in named["items"]] == ["mine-1"]
    assert summary["devices"] == 1


async def test_a_cursor_of_somebody_else_opens_nothing(world) -> None:
    mine, theirs = await two_users(world)
    async with world.gateway() as gateway:
        async with gateway.http(theirs) as http:
            asked = {"device_id": "secret-1", "limit": 1}
            cursor = (await http.get("/api/telemetry/history", params=asked)).json()["next_cursor"]
            assert cursor
        async with gateway.http(mine) as http:
            stolen = await http.get("/api/telemetry/history", params={**asked, "cursor": cursor})
            assert stolen.status_code == 404
            other = await http.get(
                "/api/telemetry/history", params={"device_id": "mine-1", "limit": 1, "cursor": cursor}
            )
            assert other.status_code == 422
            page = (await http.get("/api/telemetry/latest", params={"limit": 1, "cursor": "MTpt"})).json()
            assert {item["device_id"] for item in page["items"]} <= {"mine-1"}


async def test_what_is_shared_is_seen_and_what_is_not_any_more_is_gone_within_a_second(world, wait_until) -> None:
    mine, _theirs = await two_users(world)
    async with world.gateway() as gateway, gateway.socket(mine) as client:
        await client.subscribe("devices", "devices", interval_ms=0)
        await client.subscribe("telemetry.raw", "raw", interval_ms=0)
        await client.subscribe("telemetry.latest", "latest", interval_ms=0)
        await client.subscribe("system", "system", interval_ms=0)
        await world.share("secret-1", mine)
        await wait_until(lambda: "secret-1" in client.state("devices"), seconds=1)
        await wait_until(lambda: any(r[0] == "secret-1" for r in client.rows("latest")), seconds=1)
        await wait_until(lambda: client.state("system")["summary"]["devices"] == 2)
        named = await client.subscribe("telemetry.raw", "named", filter={"device_ids": ["secret-1"]}, interval_ms=0)
        assert named["type"] == "ack"
        await world.announce(("secret-1", {"m": 1}))
        await wait_until(lambda: client.rows("raw") and client.rows("named"))
        await world.unshare("secret-1", mine)
        ended = await client.one(lambda f: f["type"] == "unsubscribed", seconds=1)
        assert (ended["sub"], ended["code"], ended["retryable"]) == ("named", "forbidden", False)
        await wait_until(lambda: "secret-1" not in client.state("devices"))
        await wait_until(lambda: client.state("system")["summary"]["devices"] == 1)
        told = len(client.frames)
        await world.announce(("secret-1", {"m": 2}), ("mine-1", {"m": 3}))
        await wait_until(lambda: any(r[0] == "mine-1" for r in client.rows("raw")))
    assert "secret-1" not in json.dumps([f for f in client.frames[told:] if f["type"] != "state"])


async def test_what_was_taken_away_during_a_cut_is_gone_after_it(world, wait_until) -> None:
    mine, _theirs = await two_users(world)
    await world.share("secret-1", mine)
    async with world.gateway() as gateway:
        async with gateway.socket(mine) as client:
            ack = await client.subscribe("devices")
            await wait_until(lambda: set(client.state()) == {"mine-1", "secret-1"})
        await world.unshare("secret-1", mine)
        await world.status("secret-1", status="ONLINE")
        await world.status("mine-1", status="ONLINE")
        await wait_until(lambda: gateway.gateway.desk.state.book.count(None).online == 2)
        async with gateway.socket(mine) as client:
            position = {"epoch": ack["epoch"], "offset": ack["offset"]}
            again = await client.subscribe("devices", since=position)
            assert again["recovered"] is True
            await wait_until(lambda: set(client.state()) == {"mine-1"})
    assert "secret" not in json.dumps(client.frames)
    assert client.of("snapshot"), "a change of rights is not in the stream: the whole state is told"


async def test_a_disabled_user_is_4010_within_a_second(world) -> None:
    user = await world.user("operator")
    async with world.gateway() as gateway, gateway.socket(user) as client, gateway.http(user) as http:
        await world.db.execute("update identity.users set is_active = false where id = $1", user.id)
        await world.write(ACCESS_STREAM, {"kind": "user", "user_id": str(user.id)})
        code, bye = await client.closed(seconds=1)
        assert (code, bye["code"]) == (4010, 4010)
        assert (await http.get("/api/telemetry/latest")).status_code == 401


async def test_a_lost_permission_ends_its_subscriptions_and_no_others(world, wait_until) -> None:
    await world.db.execute("delete from identity.roles where name = 'devices-only'")
    role = await world.db.fetchval(
        "insert into identity.roles values (gen_random_uuid(), 'devices-only', 'devices-only', '', false, 1, now(),"
        " now()) returning id"
    )
    await world.db.execute("insert into identity.role_permissions values ($1, 'devices:read')", role)
    user = await world.user("viewer", "devices-only")
    await world.device("mine-1", user)
    async with world.gateway() as gateway, gateway.socket(user) as client:
        for topic in TOPICS:
            await client.subscribe(topic, topic, interval_ms=0)
        viewer = await world.db.fetchval("select id from identity.roles where name = 'viewer'")
        await world.db.execute("delete from identity.user_roles where user_id = $1 and role_id = $2", user.id, viewer)
        await world.write(ACCESS_STREAM, {"kind": "user", "user_id": str(user.id)})
        await wait_until(lambda: len(client.of("unsubscribed")) == 3, seconds=1)
        assert {f["sub"] for f in client.of("unsubscribed")} == {"telemetry.latest", "telemetry.raw", "system"}
        (told,) = client.of("user")
        assert (told["user"]["roles"], told["user"]["permissions"]) == (["devices-only"], ["devices:read"])
        assert client.frames.index(told) < client.frames.index(client.of("unsubscribed")[0])
        await world.status("mine-1", status="ONLINE")
        await wait_until(lambda: client.state("devices")["mine-1"]["status"] == "ONLINE")
        assert (await client.subscribe("system"))["code"] == "forbidden"


async def test_an_admin_who_is_one_no_more_sees_only_their_own(world, wait_until) -> None:
    mine, _theirs = await two_users(world)
    await world.grant(mine, "admin")
    async with world.gateway() as gateway, gateway.socket(mine) as client:
        for topic in TOPICS:
            await client.subscribe(topic, topic, interval_ms=0)
        await wait_until(lambda: set(client.state("devices")) == {"mine-1", "secret-1"})
        admin = await world.db.fetchval("select id from identity.roles where name = 'admin'")
        await world.db.execute("delete from identity.user_roles where user_id = $1 and role_id = $2", mine.id, admin)
        await world.write(ACCESS_STREAM, {"kind": "role"})
        await wait_until(lambda: set(client.state("devices")) == {"mine-1"}, seconds=1)
        await wait_until(lambda: client.state("system")["summary"]["devices"] == 1)
        told = len(client.frames)
        await world.announce(("secret-1", {"m": 1}), ("mine-1", {"m": 1}))
        await wait_until(lambda: client.rows("telemetry.raw"))
    assert "secret" not in json.dumps(client.frames[told:])


async def test_gained_permissions_are_learnt_by_coming_back(world) -> None:
    user = await world.user("viewer")
    async with world.gateway() as gateway, gateway.socket(user) as client:
        await world.grant(user, "admin")
        await world.write(ACCESS_STREAM, {"kind": "user", "user_id": str(user.id)})
        code, bye = await client.closed(seconds=1)
        assert (code, bye["code"]) == (4204, 4204)
        async with gateway.socket() as again:
            ready = await again.auth(user)
            assert "devices:all" in ready["user"]["permissions"]


async def test_a_change_nobody_announced_is_found_by_the_poll(world, wait_until) -> None:
    mine, _theirs = await two_users(world)
    async with world.gateway() as gateway, gateway.socket(mine) as client:
        await client.subscribe("devices", interval_ms=0)
        await world.db.execute("update identity.devices set owner_id = $1 where id = 'secret-1'", mine.id)
        gateway.gateway.desk.directory.mark_all()  # what the slow poll does every half minute
        await wait_until(lambda: "secret-1" in client.state())
