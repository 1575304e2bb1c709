"""What a subscriber is told: the state first, then what changes, at the rate it asked for."""

import time


async def test_hello_and_ready_say_what_the_protocol_promises(world) -> None:
    user = await world.user("operator")
    async with world.gateway() as gateway, gateway.socket() as client:
        hello = await client.one(lambda f: f["type"] == "hello")
        ready = await client.auth(user)
    assert hello["protocol"] == client.socket.subprotocol == "precisionpulse.v1"
    assert hello["auth_timeout_ms"] == 10_000
    assert abs(hello["server_time"] - time.time() * 1000) < 60_000
    assert ready["user"] == {
        "id": str(user.id),
        "username": user.username,
        "roles": ["operator"],
        "permissions": ready["user"]["permissions"],
    }
    assert "telemetry:read" in ready["user"]["permissions"]
    assert 590 <= ready["token_expires_in"] <= 600
    assert ready["heartbeat_ms"] == 15_000
    assert ready["limits"]["subscriptions"] == 32


async def test_latest_is_a_snapshot_and_then_what_changes(world) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    await world.store("dev-1", "temperature", 1.0, 2.0, start_ms=int(time.time() * 1000) - 5_000)
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        ack = await client.subscribe("telemetry.latest", interval_ms=0)
        snapshot = await client.one(lambda f: f["type"] == "snapshot")
        await world.announce(("dev-1", {"temperature": 3.5, "is_on": True, "state": "grün"}))
        data = await client.one(lambda f: f["type"] == "data")
    assert ack["columns"] == ["device_id", "metric", "ts", "value", "quality"]
    assert "recovered" not in ack
    assert (snapshot["epoch"], snapshot["offset"], snapshot["page"], snapshot["last"]) == (
        ack["epoch"],
        ack["offset"],
        0,
        True,
    )
    assert [(r[0], r[1], r[3]) for r in snapshot["rows"]] == [("dev-1", "temperature", 2.0)]
    assert {r[1]: r[3] for r in data["rows"]} == {"temperature": 3.5, "is_on": True, "state": "grün"}
    assert data["n"] == 3


async def test_an_older_reading_never_overwrites_the_latest(world) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        await client.subscribe("telemetry.latest", interval_ms=0)
        now = int(time.time() * 1000)
        await world.announce(("dev-1", {"m": 2}), ts=now)
        await world.announce(("dev-1", {"m": 1}), ts=now - 5_000)
        await world.announce(("dev-1", {"m": 3}), ts=now + 1)
        await client.one(lambda f: f["type"] == "data" and f["rows"][0][3] == 3)
    assert [r[3] for r in client.rows()] == [2, 3]


async def test_the_first_change_goes_at_once_and_the_rest_is_conflated(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        await client.subscribe("telemetry.latest", interval_ms=400, snapshot=False)
        started = time.monotonic()
        await world.announce(("dev-1", {"m": 1}))
        await client.one(lambda f: f["type"] == "data")
        assert time.monotonic() - started < 0.3
        for value in range(2, 30):
            await world.announce(("dev-1", {"m": value}))
        await wait_until(lambda: len(client.of("data")) == 2)
        assert time.monotonic() - started >= 0.39
    first, second = client.of("data")
    assert (first["n"], second["n"]) == (1, 28)
    assert [r[3] for r in second["rows"]] == [29]


async def test_raw_is_every_sample_in_order(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        ack = await client.subscribe("telemetry.raw", filter={"device_ids": ["dev-1"], "metrics": ["m"]})
        for value in range(100):
            await world.announce(("dev-1", {"m": value, "other": 0}), ("dev-2", {"m": -1}))
        await wait_until(lambda: len(client.rows()) == 100)
    assert ack["interval_ms"] == 50
    assert [r[3] for r in client.rows()] == list(range(100))
    assert len(client.of("data")) < 100
    assert not client.of("snapshot")
    offsets = [tuple(map(int, f["offset"].split("-"))) for f in client.of("data")]
    assert offsets == sorted(offsets)


async def test_late_readings_are_a_gap_and_no_rows(world) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        for sub, topic in (("raw", "telemetry.raw"), ("latest", "telemetry.latest")):
            await client.subscribe(topic, sub, interval_ms=0, snapshot=False)
        await world.announce(late=[{"device_id": "dev-1", "from_ms": 1_000, "to_ms": 2_000, "count": 7}])
        for sub in ("raw", "latest"):
            gap = await client.one(lambda f, sub=sub: f["type"] == "gap" and f["sub"] == sub)
            assert gap == {
                "type": "gap",
                "sub": sub,
                "reason": "late",
                "from_ts": 1_000,
                "to_ts": 2_000,
                "device_ids": ["dev-1"],
                "count": 7,
            }
    assert not client.of("data")


async def test_devices_are_both_services_parts_merged(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin, groups=("hall",))
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        await client.subscribe("devices", interval_ms=0)
        await client.one(lambda f: f["type"] == "snapshot")
        assert client.state()["dev-1"]["status"] == "OFFLINE"
        report = {"epoch": 2, "cum": 9, "highest": 12, "received": 11, "missing": 1, "lost": 0}
        await world.status("dev-1", status="ONLINE", since=5, last_seen=6, buffered=7, completeness=report)
        await world.status("dev-1", last_seen=8)
        await wait_until(lambda: client.state()["dev-1"]["last_seen"] == 8)
        await world.device("dev-2", admin)
        await world.registered("dev-2")
        await wait_until(lambda: "dev-2" in client.state())
        await world.write("pulse:devices", {"device_id": "dev-2", "is_deleted": True})
        await wait_until(lambda: "dev-2" not in client.state())
    assert client.state()["dev-1"] == {
        "name": "dev-1",
        "owner_id": str(admin.id),
        "is_active": True,
        "kind": "simulated",
        "groups": ["hall"],
        "metadata": {},
        "status": "ONLINE",
        "since": 5,
        "last_seen": 8,
        "buffered": 7,
        "clock_offset_ms": None,
        "agent_version": None,
        "reason": None,
        "completeness": report,
    }


async def test_groups_are_followed_as_devices_come_and_go(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("in", admin, groups=("hall",))
    await world.device("out", admin)
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        await client.subscribe("devices", interval_ms=0, filter={"groups": ["hall"]})
        await client.one(lambda f: f["type"] == "snapshot")
        assert set(client.state()) == {"in"}
        await world.db.execute("update identity.devices set groups = '{hall}' where id = 'out'")
        await world.db.execute("update identity.devices set groups = '{}' where id = 'in'")
        await world.registered("out")
        await world.registered("in")
        await wait_until(lambda: set(client.state()) == {"out"})


async def test_system_tells_the_figures_and_is_silent_when_they_stay(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    await world.device("dev-2", admin)
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        await client.subscribe("system", interval_ms=0)
        await client.one(lambda f: f["type"] == "snapshot")
        await wait_until(lambda: client.state()["summary"]["system_status"] == "ok")
        await world.status("dev-1", status="ONLINE", buffered=41)
        await wait_until(lambda: client.state()["summary"]["active_devices"] == 1)
        told = len(client.of("state"))
        await world.status("dev-1", status="ONLINE", buffered=41)
        await world.status("dev-2", buffered=1)
        await wait_until(lambda: client.state()["summary"]["buffered_records"] == 42)
        assert len(client.of("state")) == told + 1
    assert client.state()["summary"]["devices"] == 2
    assert set(client.state()["summary"]["parts"]) >= {"postgresql", "redis", "identity"}


async def test_a_large_snapshot_comes_in_pages_that_keep_the_limits(world, wait_until) -> None:
    admin = await world.user("admin")
    for n in range(12):
        await world.device(f"dev-{n}", admin)
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        for n in range(12):
            await world.announce(*[(f"dev-{n}", {f"metric-{m}": "x" * 100 for m in range(k, k + 50)}) for k in (0, 50)])
        await wait_until(lambda: len(list(gateway.gateway.desk.state.latest.rows_of("dev-11"))) == 100)
        await client.subscribe("telemetry.latest")
        await wait_until(lambda: any(f["last"] for f in client.of("snapshot")))
    pages = client.of("snapshot")
    assert [p["page"] for p in pages] == list(range(len(pages)))
    assert [p["last"] for p in pages] == [False] * (len(pages) - 1) + [True]
    assert all(len(p["rows"]) <= 500 for p in pages)
    assert len({(r[0], r[1]) for r in client.rows()}) == 1200


async def test_a_pause_is_a_resume(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        for sub, topic in (("raw", "telemetry.raw"), ("latest", "telemetry.latest"), ("devices", "devices")):
            await client.subscribe(topic, sub, interval_ms=0)
        await world.announce(("dev-1", {"m": 0}))
        await wait_until(lambda: client.rows("raw") and client.rows("latest"))
        for sub in ("raw", "latest", "devices"):
            assert (await client.ask(type="tune", sub=sub, paused=True))["type"] == "ack"
        before = len(client.frames)
        for value in range(1, 50):
            await world.announce(("dev-1", {"m": value}))
        await world.status("dev-1", status="ONLINE", last_seen=77)
        await wait_until(lambda: gateway.gateway.desk.state.book.count(None).online)
        assert len(client.frames) == before
        for sub in ("raw", "latest", "devices"):
            ack = await client.ask(type="tune", sub=sub, paused=False)
            assert ack["recovered"] is True
        await wait_until(lambda: len(client.rows("raw")) == 50)
        await wait_until(lambda: client.state("devices")["dev-1"]["last_seen"] == 77)
        await wait_until(lambda: client.rows("latest")[-1][3] == 49)
    assert [r[3] for r in client.rows("raw")] == list(range(50))
    assert len(client.rows("latest")) == 2


async def test_a_new_interval_loses_and_doubles_nothing(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        await client.subscribe("telemetry.raw", interval_ms=5_000)
        for value in range(200):
            await world.announce(("dev-1", {"m": value}))
            if value % 50 == 25:
                ack = await client.ask(type="tune", sub="s", interval_ms=value)
                assert ack["interval_ms"] == value
        await wait_until(lambda: len(client.rows()) >= 200)
    assert [r[3] for r in client.rows()] == list(range(200))


async def test_after_unsubscribe_nothing_comes_and_the_name_is_free(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        await client.subscribe("telemetry.raw", "one", interval_ms=0)
        await client.subscribe("telemetry.raw", "two", interval_ms=0)
        assert (await client.ask(type="unsubscribe", sub="one"))["type"] == "ack"
        await world.announce(("dev-1", {"m": 1}))
        await wait_until(lambda: client.rows("two"))
        assert not client.rows("one")
        assert (await client.subscribe("telemetry.raw", "one"))["type"] == "ack"


async def test_a_client_with_batches_gets_arrays(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway, gateway.socket(admin, features=["batch"]) as client:
        for n in range(20):
            await client.subscribe("telemetry.raw", f"s{n}", interval_ms=0)
        before = client.messages
        await world.announce(("dev-1", {"m": 1}))
        await wait_until(lambda: len(client.of("data")) == 20)
        assert client.messages - before < 20


async def test_a_frame_may_be_an_array(world) -> None:
    user = await world.user("operator")
    async with world.gateway() as gateway, gateway.socket(user) as client:
        await client.socket.send('[{"type":"ping","id":91},{"type":"subscribe","id":92,"sub":"s","topic":"devices"}]')
        assert (await client.one(lambda f: f.get("id") == 91))["type"] == "pong"
        assert (await client.one(lambda f: f.get("id") == 92))["type"] == "ack"


async def test_a_heartbeat_advances_quiet_subscriptions(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        await client.subscribe("telemetry.raw", filter={"device_ids": ["dev-1"]})
        newest = await world.announce(("dev-2", {"m": 1}))
        await wait_until(lambda: str(gateway.gateway.desk.state.telemetry.position) == newest)
        (socket,) = gateway.gateway.desk.sockets._all
        socket.beat_at = 0
        beat = await client.one(lambda f: f["type"] == "hb")
        assert beat["pos"] == {"s": newest}
