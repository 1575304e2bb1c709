"""Every limit, every refusal, every close code: with `bye` first, and the socket's neighbours untouched."""

import json
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pulse_gateway.use_cases.desk import SocketLimits


@pytest.mark.parametrize("name", ["token", "secret", "access_token", "api_key", "Token"])
async def test_a_secret_in_the_address_is_http_400(world, name: str) -> None:
    async with world.gateway() as gateway:
        with pytest.raises(InvalidStatus) as refused:
            async with gateway.socket(query=f"?x=1&{name}=abc"):
                pass
    assert refused.value.response.status_code == 400
    problem = json.loads(refused.value.response.body)
    assert problem["code"] == "secret_in_query"
    assert "abc" not in json.dumps(problem)


async def test_another_path_is_http_404(world) -> None:
    from websockets.asyncio.client import connect

    async with world.gateway() as gateway:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws://{gateway.address}/ws/other", proxy=None):
                pass
    assert refused.value.response.status_code == 404


@pytest.mark.parametrize("offered", [None, ["other.v9"]])
async def test_another_subprotocol_is_4006(world, offered: list[str] | None) -> None:
    async with world.gateway() as gateway, gateway.socket(subprotocols=offered) as client:
        code, bye = await client.closed()
    assert (code, bye["code"]) == (4006, 4006)
    assert [f["type"] for f in client.frames] == ["bye"]


async def test_ours_among_others_is_chosen(world) -> None:
    async with world.gateway() as gateway, gateway.socket(subprotocols=["x.v1", "precisionpulse.v1"]) as client:
        await client.one(lambda f: f["type"] == "hello")
        assert client.socket.subprotocol == "precisionpulse.v1"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1.evil.example"]
)
async def test_a_foreign_origin_is_4003(world, origin: str) -> None:
    async with (
        world.gateway(allowed_origins="https://ours.example") as gateway,
        gateway.socket(origin=origin) as client,
    ):
        code, bye = await client.closed()
    assert (code, bye["code"]) == (4003, 4003)


async def test_own_and_allowed_origins_are_welcome(world) -> None:
    user = await world.user()
    async with world.gateway(allowed_origins="https://a.example, https://ours.example/") as gateway:
        for origin in (f"http://{gateway.address}", "https://ours.example", "https://A.example", None):
            async with gateway.socket(user, origin=origin):
                pass


async def test_no_auth_in_time_is_4100(world) -> None:
    async with world.gateway(SocketLimits(auth_seconds=0.2)) as gateway, gateway.socket() as client:
        code, bye = await client.closed()
    assert (code, bye["code"]) == (4100, 4100)


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"ping","id":1}',
        '{"type":"subscribe","id":1,"sub":"s","topic":"devices"}',
        "x",
        "[]",
        "{}",
        '{"type":"auth"}',
    ],
)
async def test_any_other_first_frame_is_4000(world, text: str) -> None:
    async with world.gateway() as gateway, gateway.socket() as client:
        await client.socket.send(text)
        code, bye = await client.closed()
    assert (code, bye["code"]) == (4000, 4000)
    assert client.of("error")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "\x00"])  # pragma: allowlist secret
async def test_a_bad_token_is_4001(world, token: str) -> None:
    async with world.gateway() as gateway, gateway.socket() as client:
        error = await client.ask(type="auth", token=token, client={"name": "t", "version": "1"})
        code, bye = await client.closed()
    assert (error["code"], error["retryable"]) == ("unauthorized", False)
    assert (code, bye["code"]) == (4001, 4001)


async def test_a_token_signed_by_a_stranger_is_4001(world) -> None:
    from pulse_chassis.bearer import generate_signing_key

    user = await world.user("admin")
    forged = user.token(key=generate_signing_key("test-key"))
    async with world.gateway() as gateway, gateway.socket() as client:
        await client.ask(type="auth", token=forged, client={"name": "t", "version": "1"})
        assert (await client.closed())[0] == 4001


async def test_an_expired_token_is_4101_because_the_client_can_mend_it(world) -> None:
    user = await world.user("admin")
    async with world.gateway() as gateway, gateway.socket() as client:
        await client.ask(type="auth", token=user.token(seconds=-60), client={"name": "t", "version": "1"})
        assert (await client.closed())[0] == 4101


async def test_a_user_who_is_not_active_is_4010(world) -> None:
    user = await world.user("admin")
    await world.db.execute("update identity.users set is_active = false where id = $1", user.id)
    async with world.gateway() as gateway, gateway.socket() as client:
        answer = await client.auth(user)
        assert (answer["type"], answer["code"]) == ("error", "unauthorized")
        assert (await client.closed())[0] == 4010


async def test_the_eleventh_connection_of_a_user_is_4009_and_a_place_comes_free(world, wait_until) -> None:
    from contextlib import AsyncExitStack

    user, other = await world.user(), await world.user()
    async with world.gateway() as gateway, AsyncExitStack() as open_sockets:
        for _ in range(9):
            await open_sockets.enter_async_context(gateway.socket(user))
        async with gateway.socket(user), gateway.socket() as client:
            info = {"name": "t", "version": "1"}
            await client.send(type="auth", token=user.token(), client=info)
            assert (await client.closed())[0] == 4009
            async with gateway.socket(other):
                pass
        await wait_until(lambda: len(gateway.gateway.desk.sockets) == 9)
        async with gateway.socket(user) as client:
            assert (await client.ask(type="ping"))["type"] == "pong"


async def test_more_than_so_many_strangers_or_sockets_are_4103(world, wait_until) -> None:
    user = await world.user()
    limits = SocketLimits(per_process=3, unauthenticated=2)
    async with world.gateway(limits) as gateway:
        async with gateway.socket() as one, gateway.socket(), gateway.socket() as third:
            code, bye = await third.closed()
            assert (code, bye["code"]) == (4103, 4103)
            assert bye["retry_after_ms"] > 0
            await one.auth(user)
            await wait_until(lambda: len(gateway.gateway.desk.sockets) == 2)
            async with gateway.socket(user), gateway.socket() as fourth:
                assert (await fourth.closed())[0] == 4103
        await wait_until(lambda: len(gateway.gateway.desk.sockets) == 0)
        assert gateway.gateway.desk.sockets.strangers == 0


async def test_above_the_rate_each_frame_is_refused_and_a_flood_is_4102(world) -> None:
    user = await world.user()
    async with world.gateway() as gateway, gateway.socket(user) as client:
        with suppress(ConnectionClosed):
            for n in range(2_000):
                await client.socket.send(json.dumps({"type": "ping", "id": n + 100}))
        code, bye = await client.closed()
    refused = client.of("error")
    assert (code, bye["code"]) == (4102, 4102)
    assert 28 <= len(client.of("pong")) <= 60
    assert {(f["code"], f["retryable"]) for f in refused} == {("rate_limited", True)}
    assert all(f["id"] and f["retry_after_ms"] > 0 for f in refused)


async def test_a_frame_above_64_kib_ends_the_socket_and_no_other(world) -> None:
    user = await world.user()
    async with world.gateway() as gateway, gateway.socket(user) as other, gateway.socket(user) as client:
        await client.socket.send(json.dumps({"type": "ping", "id": 1, "x": "y" * 60_000}))
        await client.one(lambda f: f.get("id") == 1)
        await client.socket.send("x" * (64 * 1024 + 1))
        assert (await client.closed())[0] == 1009
        assert (await other.ask(type="ping"))["type"] == "pong"


async def test_binary_frames_are_4000(world) -> None:
    user = await world.user()
    async with world.gateway() as gateway, gateway.socket(user) as client:
        await client.socket.send(b'{"type":"ping","id":1}')
        assert (await client.closed())[0] == 4000


async def test_requests_are_refused_with_their_code_and_id(world) -> None:
    user = await world.user("operator")
    async with world.gateway() as gateway, gateway.socket(user) as client:
        await client.subscribe("devices", "taken")
        cases = [
            ({"type": "nonsense"}, "unknown_type"),
            ({"type": "subscribe", "sub": "s", "topic": "nonsense"}, "unknown_topic"),
            ({"type": "subscribe", "sub": "taken", "topic": "devices"}, "duplicate_sub"),
            ({"type": "subscribe", "sub": "x" * 33, "topic": "devices"}, "bad_request"),
            ({"type": "subscribe", "sub": "s", "topic": "devices", "interval_ms": 60_001}, "bad_request"),
            (
                {"type": "subscribe", "sub": "s", "topic": "devices", "filter": {"device_ids": ["d"] * 201}},
                "invalid_filter",
            ),
            ({"type": "subscribe", "sub": "s", "topic": "devices", "filter": {"device_ids": [1]}}, "invalid_filter"),
            ({"type": "subscribe", "sub": "s", "topic": "devices", "filter": 7}, "invalid_filter"),
            ({"type": "tune", "sub": "none", "paused": True}, "unknown_sub"),
            ({"type": "unsubscribe", "sub": "none"}, "unknown_sub"),
            ({"type": "auth", "token": "x", "client": {"name": "t", "version": "1"}}, "bad_request"),
            ({"type": "auth_refresh", "token": "x"}, "unauthorized"),
        ]
        for frame, code in cases:
            answer = await client.ask(**frame)
            assert (answer["type"], answer["code"]) == ("error", code), (frame, answer)
        await client.socket.send('{"type":"ping"}')
        await client.socket.send('{"type":"ping","id":-4}')
        await client.socket.send("nonsense")
        await client.one(lambda f: f["type"] == "error" and f["message"] == "not JSON")
        assert sum(1 for f in client.of("error") if "id" not in f) == 3


async def test_a_topic_needs_its_permission(world) -> None:
    await world.db.execute("delete from identity.roles where name = 'nothing'")
    await world.db.execute(
        "insert into identity.roles values (gen_random_uuid(), 'nothing', 'nothing', '', false, 1, now(), now())"
    )
    user = await world.user("nothing")
    async with world.gateway() as gateway, gateway.socket(user) as client:
        for topic in ("telemetry.latest", "telemetry.raw", "devices", "system"):
            answer = await client.subscribe(topic)
            assert (answer["code"], answer["retryable"]) == ("forbidden", False)


async def test_the_thirty_third_subscription_is_refused(world) -> None:
    user = await world.user()
    async with world.gateway() as gateway, gateway.socket(user) as client:
        frames = [{"type": "subscribe", "id": n, "sub": f"s{n}", "topic": "system"} for n in range(1, 28)]
        await client.socket.send(json.dumps(frames))
        await client.one(lambda f: f.get("id") == 27)
        for n in range(28, 34):
            answer = {"code": "rate_limited"}
            while answer.get("code") == "rate_limited":
                client._ids = max(client._ids, n * 1000)
                answer = await client.subscribe("system", f"s{n}")
        assert answer["code"] == "sub_limit"


async def test_raw_of_more_than_200_devices_is_refused_without_saying_how_many_there_are(world) -> None:
    admin, user = await world.user("admin"), await world.user()
    for n in range(201):
        await world.device(f"dev-{n}", admin)
    async with world.gateway() as gateway:
        async with gateway.socket(admin) as client:
            answer = await client.subscribe("telemetry.raw")
            assert answer["code"] == "invalid_filter"
            assert (await client.subscribe("telemetry.raw", filter={"device_ids": ["dev-1"]}))["type"] == "ack"
        async with gateway.socket(user) as client:
            assert (await client.subscribe("telemetry.raw"))["type"] == "ack"
