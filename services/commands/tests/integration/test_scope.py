"""Who sees and sends what: anonymous, wrong scope, invalid, valid."""

from __future__ import annotations

from uuid import uuid4

import pytest

from pulse_chassis.signatures import TrustedKeys
from pulse_contracts.commands import COMMAND_TYPE, Command

NOBODYS = "00000000-0000-4000-8000-000000000000"


async def test_nobody_gets_anything_without_a_token_but_the_public_keys(world, commands_key):
    async with world.service():
        for method, path in [
            ("GET", "/api/commands"),
            ("POST", "/api/commands"),
            ("GET", f"/api/commands/{NOBODYS}"),
            ("POST", f"/api/commands/{NOBODYS}/cancel"),
            ("GET", f"/api/commands/batches/{NOBODYS}"),
            ("GET", "/api/commands/catalogue"),
            ("GET", "/api/commands/refusals"),
        ]:
            assert (await world.ask(None, method, path)).status_code == 401, path
        keys = (await world.ask(None, "GET", "/api/commands/keys")).json()
        assert keys == {"keys": [commands_key.public_jwk()], "seal_key": None}


@pytest.mark.parametrize(
    ("standing", "expected"),
    [("stranger", 404), ("reader", 403), ("controller", 202), ("owner", 202), ("admin", 202)],
)
async def test_a_device_is_commanded_by_its_owner_by_who_may_control_it_and_by_who_sees_all(world, standing, expected):
    owner = await world.user()
    user = {"owner": owner, "admin": await world.user("admin")}.get(standing) or await world.user()
    device_id = await world.device(None, owner)
    if standing in {"reader", "controller"}:
        await world.share(device_id, user, "read" if standing == "reader" else "control")
    async with world.service():
        (theirs,) = await world.send(owner, device_id)
        body = {"name": "PING", "device_ids": [device_id]}
        answer = await world.ask(user, "POST", "/api/commands", body)
        assert answer.status_code == expected, answer.text
        sees = standing != "stranger"
        listed = (await world.ask(user, "GET", "/api/commands")).json()["items"]
        assert (theirs["id"] in {item["id"] for item in listed}) is sees
        for path in (f"/api/commands/{theirs['id']}", f"/api/commands/catalogue?device_id={device_id}"):
            assert (await world.ask(user, "GET", path)).status_code == (200 if sees else 404)
        cancelling = await world.ask(user, "POST", f"/api/commands/{theirs['id']}/cancel")
        assert cancelling.status_code == {404: 404, 403: 403, 202: 200}[expected]


async def test_a_right_that_was_taken_counts_at_once_whatever_the_token_says(world):
    user = await world.user()
    device_id = await world.device(None, user)
    async with world.service():
        assert await world.send(user, device_id)
        await world.db.execute("delete from identity.user_roles where user_id = $1", user.id)
        body = {"name": "PING", "device_ids": [device_id]}
        answer = await world.ask(user, "POST", "/api/commands", body)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_missing")
        assert (await world.ask(user, "GET", "/api/commands")).status_code == 403
        await world.db.execute("update identity.users set is_active = false where id = $1", user.id)
        assert (await world.ask(user, "GET", "/api/commands")).status_code == 401


@pytest.mark.parametrize("loss", ["role", "share", "account"])
async def test_what_waits_for_a_device_is_not_done_once_its_sender_has_lost_the_right(world, loss):
    owner, user = await world.user(), await world.user()
    async with world.service():
        peer = await world.peer(owner, connects=False)
        await world.share(peer.device_id, user, "control")
        (command,) = await world.send(user, peer.device_id, ttl_s=3600)
        statement = {
            "role": "delete from identity.user_roles where user_id = $1",
            "share": "delete from identity.device_shares where user_id = $1",
            "account": "update identity.users set is_active = false where id = $1",
        }[loss]
        (theirs,) = await world.send(owner, peer.device_id)
        await world.db.execute(statement, user.id)
        await peer.connect()
        await world.online(peer.device_id)
        await world.expect_state(theirs["id"], "succeeded")
        assert await world.steps(command["id"]) == ["queued", "cancelled"]
        assert [str(jti) for jti in peer.executed] == [theirs["id"]]


async def test_some_commands_need_a_further_permission(world):
    operator, admin, viewer = await world.user(), await world.user("admin"), await world.user("viewer")
    device_id = await world.device(None, operator)
    await world.share(device_id, viewer, "control")
    wanted = {
        "PING": (202, 202),
        "FORCE_SYNC": (403, 202),
        "UPDATE_CONFIG": (403, 202),
        "CHANGE_INTERVAL": (403, 202),
        "RESTART_AGENT": (202, 202),
    }
    args = {"UPDATE_CONFIG": {"key": "custom.x", "value_json": "1"}, "CHANGE_INTERVAL": {"interval_ms": 500}}
    async with world.service():
        for name, expected in wanted.items():
            body = {"name": name, "args": args.get(name, {}), "device_ids": [device_id]}
            got = [(await world.ask(user, "POST", "/api/commands", body)).status_code for user in (operator, admin)]
            assert tuple(got) == expected, name
            assert (await world.ask(viewer, "POST", "/api/commands", body)).status_code == 403


async def test_a_wrong_wish_is_refused_before_anything_happens(world):
    user = await world.user()
    device_id = await world.device(None, user)
    await world.db.execute("update identity.devices set is_active = false where id = $1", device_id)
    bodies = [
        ({}, 422, "invalid_request"),
        ({"name": "PING"}, 422, "invalid_request"),
        ({"name": "PING", "device_ids": [device_id], "group": "x"}, 422, "invalid_request"),
        ({"name": "PING", "device_ids": []}, 422, "invalid_request"),
        ({"name": "ping", "device_ids": [device_id]}, 422, "invalid_request"),
        ({"name": "PING", "device_ids": ["+"]}, 422, "invalid_request"),
        ({"name": "PING", "device_ids": [device_id], "ttl_s": 0}, 422, "invalid_request"),
        ({"name": "PING", "device_ids": [device_id], "ttl_s": 10**7}, 422, "invalid_request"),
        ({"name": "PING", "device_ids": [device_id], "token": "x"}, 422, "invalid_request"),
        ({"name": "PING", "group": "nobody's"}, 422, "no_devices"),
        ({"name": "PING", "device_ids": ["no-such-device"]}, 404, "unknown_device"),
        ({"name": "PING", "device_ids": [device_id]}, 409, "device_disabled"),
        ({"name": "PING", "device_ids": [device_id, "no-such-device"]}, 422, "nothing_sent"),
    ]
    async with world.service():
        for body, status, code in bodies:
            answer = await world.ask(user, "POST", "/api/commands", body)
            assert (answer.status_code, answer.json()["code"]) == (status, code), body
        assert (await world.ask(user, "GET", f"/api/commands/{uuid4()}")).status_code == 404
    assert await world.db.fetchval("select count(*) from commands.batch") == 0
    assert await world.db.fetchval("select count(*) from commands.device_counter") == 0


async def test_a_token_is_for_one_device_topic_and_time_and_its_counter_rises(world, commands_key):
    user = await world.user()
    device_id = await world.device(None, user)
    async with world.service():
        sent = [(await world.send(user, device_id, ttl_s=90))[0]["id"] for _ in range(3)]
    rows = await world.db.fetch("select id, token from commands.command order by counter")
    opened = [
        Command.model_validate_json(TrustedKeys([commands_key.public_jwk()]).open(row["token"], COMMAND_TYPE))
        for row in rows
    ]
    assert [str(command.jti) for command in opened] == sent
    assert {(c.aud, c.topic, c.actor) for c in opened} == {(device_id, f"command/{device_id}", user.id)}
    assert {c.exp - c.iat for c in opened} <= {90, 91}  # never less than was asked for
    assert opened[0].cnt < opened[1].cnt < opened[2].cnt
