"""A token ends, is refreshed in-band, is revoked."""

from pulse_gateway.use_cases.desk import SocketLimits


async def test_a_token_that_ends_is_announced_and_then_closes_with_4101(world) -> None:
    user = await world.user()
    async with world.gateway(SocketLimits(token_grace_seconds=0.5)) as gateway, gateway.socket() as client:
        info = {"name": "t", "version": "1"}
        ready = await client.ask(type="auth", token=user.token(seconds=2), client=info)
        assert ready["token_expires_in"] <= 2
        warning = await client.one(lambda f: f["type"] == "token_expiring")
        assert 0 <= warning["expires_in"] <= 2
        code, bye = await client.closed()
    assert (code, bye["code"]) == (4101, 4101)
    assert len(client.of("token_expiring")) == 1


async def test_a_refreshed_token_keeps_the_socket(world, wait_until) -> None:
    user = await world.user()
    async with world.gateway(SocketLimits(token_grace_seconds=0.5)) as gateway, gateway.socket() as client:
        info = {"name": "t", "version": "1"}
        await client.ask(type="auth", token=user.token(seconds=2), client=info)
        await client.one(lambda f: f["type"] == "token_expiring")
        ack = await client.ask(type="auth_refresh", token=user.token())
        assert ack["type"] == "ack"
        assert ack["token_expires_in"] > 500
        (socket,) = gateway.gateway.desk.sockets._all
        await wait_until(lambda: gateway.gateway.desk.clock.now().timestamp() > socket.session.expires_at - 597)
        assert (await client.ask(type="ping"))["type"] == "pong"


async def test_another_users_token_is_refused_and_changes_nothing(world) -> None:
    user, admin = await world.user("viewer"), await world.user("admin")
    await world.device("secret", admin)
    async with world.gateway() as gateway, gateway.socket(user) as client:
        answer = await client.ask(type="auth_refresh", token=admin.token())
        assert (answer["type"], answer["code"]) == ("error", "unauthorized")
        await client.subscribe("devices")
        await client.one(lambda f: f["type"] == "snapshot")
        assert client.state() == {}


async def test_an_ended_session_is_4010_within_a_second_and_does_not_come_back(world) -> None:
    user = await world.user()
    async with world.gateway() as gateway:
        async with gateway.socket(user) as client, gateway.http(user) as http:
            await world.end_session(user)
            code, bye = await client.closed(seconds=1)
            assert (code, bye["code"]) == (4010, 4010)
            assert (await http.get("/api/telemetry/latest")).status_code == 401
        async with gateway.socket() as client:
            await client.auth(user)
            assert (await client.closed())[0] == 4010
    async with world.gateway() as gateway, gateway.socket() as client:
        await client.auth(user)
        assert (await client.closed())[0] == 4010, "a gateway that starts later knows as well"


async def test_another_session_of_the_same_user_stays(world) -> None:
    from dataclasses import replace
    from uuid import uuid4

    user = await world.user()
    other = replace(user, session_id=uuid4())
    async with world.gateway() as gateway, gateway.socket(user) as one, gateway.socket(other) as two:
        await world.end_session(user)
        assert (await one.closed())[0] == 4010
        assert (await two.ask(type="ping"))["type"] == "pong"
