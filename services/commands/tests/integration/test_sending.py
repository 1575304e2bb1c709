"""From a request to a device's answer, with everything real in between."""

from __future__ import annotations

import json
from uuid import uuid4

from pulse_chassis.streams import StreamReader
from pulse_contracts.streams import AUDIT_STREAM, COMMANDS_STREAM


async def test_a_command_goes_through_every_step_and_each_has_its_time_and_actor(world, wait_until):
    user = await world.user()
    async with world.service() as service:
        peer = await world.peer(user)
        (command,) = await world.send(user, peer.device_id, name="PING")
        assert command["state"] == "queued"
        await world.expect_state(command["id"], "succeeded")
        detail = (await world.ask(user, "GET", f"/api/commands/{command['id']}")).json()
        assert [step["state"] for step in detail["steps"]] == [
            "queued",
            "published",
            "received",
            "started",
            "succeeded",
        ]
        assert [step["actor_kind"] for step in detail["steps"]] == ["user", "service", "device", "device", "device"]
        assert detail["result"] == {"ok": True}
        assert list(peer.executed.values()) == [1]

        async def told():
            entries = await StreamReader(world.redis, COMMANDS_STREAM).read("0-0")
            return [json.loads(payload)["state"] for _, payload in entries][4:] and entries

        entries = [json.loads(payload) for _, payload in await wait_until(told)]
        assert [entry["state"] for entry in entries] == [step["state"] for step in detail["steps"]]
        assert [entry["event_id"] for entry in entries] == [step["id"] for step in detail["steps"]]
        assert {entry["actor_name"] for entry in entries} == {user.username}
        audit = [json.loads(payload) for _, payload in await StreamReader(world.redis, AUDIT_STREAM).read("0-0")]
        assert [(event["action"], event["actor"]["id"]) for event in audit] == [("command.sent", str(user.id))]
        assert service.counted("reports_refused") == 0


async def test_a_command_for_a_device_that_is_away_waits_and_goes_out_when_it_comes(world, wait_until):
    user = await world.user()
    async with world.service():
        peer = await world.peer(user, connects=False)
        sent = [(await world.send(user, peer.device_id))[0]["id"] for _ in range(3)]
        await world.peer(user)  # another one comes: nothing is published to this one
        assert [await world.state(command_id) for command_id in sent] == ["queued"] * 3
        await peer.connect()
        await world.online(peer.device_id)
        for command_id in sent:
            await world.expect_state(command_id, "succeeded")
        assert [str(jti) for jti in peer.order] == sent


async def test_commands_of_a_device_run_in_the_order_in_which_they_were_sent_one_at_a_time(world, wait_until):
    user = await world.user()
    async with world.service():
        peer = await world.peer(user, script=lambda _command: [{"state": "received"}, {"state": "started"}])
        first, second = [(await world.send(user, peer.device_id))[0]["id"] for _ in range(2)]
        await world.expect_state(first, "started")
        assert await world.state(second) == "queued"
        await peer.report(first, "started", progress=0.5, message="half")
        await wait_until(lambda: _progress(world, first))
        assert await world.state(second) == "queued"
        await peer.report(first, "failed", error={"code": "broken", "message": "it broke"})
        await world.expect_state(second, "started")
        detail = (await world.ask(user, "GET", f"/api/commands/{first}")).json()
        assert (detail["state"], detail["progress"], detail["error"]["code"]) == ("failed", 0.5, "broken")
        assert [step["progress"] for step in detail["steps"]] == [None, None, None, None, 0.5, None]


async def _progress(world, command_id):
    detail = await world.db.fetchval("select progress from commands.command where id = $1::text::uuid", command_id)
    return detail == 0.5


async def test_a_group_and_all_in_scope_reach_exactly_their_devices(world):
    user, other = await world.user(), await world.user()
    async with world.service():
        mine = [await world.device(f"M-{n}", user, groups=("line-1",) if n < 2 else ()) for n in range(3)]
        await world.device("T-1", other, groups=("line-1",))
        await world.device("R-1", other, groups=("line-1",))
        await world.share("R-1", user, "read")
        body = {"name": "PING", "group": "line-1"}
        answer = (await world.ask(user, "POST", "/api/commands", body)).json()
        assert [command["device_id"] for command in answer["commands"]] == mine[:2]
        assert [(one["device_id"], one["code"]) for one in answer["refused"]] == [("R-1", "not_allowed")]
        everything = await world.send(user, all_in_scope=True)
        assert {command["device_id"] for command in everything} == set(mine)
        batch = (await world.ask(user, "GET", f"/api/commands/batches/{answer['batch_id']}")).json()
        assert (batch["total"], batch["counts"], batch["refused"][0]["device_id"]) == (2, {"queued": 2}, "R-1")
        assert (await world.ask(other, "GET", f"/api/commands/batches/{answer['batch_id']}")).status_code == 404


async def test_the_same_request_under_the_same_key_sends_nothing_again_even_without_redis_memory(world):
    user = await world.user()
    device_id = await world.device(None, user)
    async with world.service():
        key = {"headers": {"Idempotency-Key": "once"}}
        first = await world.send(user, device_id, **key)
        assert await world.send(user, device_id, **key) == first
        await world.redis.flushdb()  # as if the process had died before it could keep its answer
        assert await world.send(user, device_id, **key) == first
        again = await world.send(user, device_id, headers={"Idempotency-Key": "twice"})
        assert again[0]["id"] != first[0]["id"]
        assert await world.db.fetchval("select count(*) from commands.command") == 2


async def test_what_was_never_published_can_be_cancelled_and_nothing_else(world):
    user = await world.user()
    async with world.service():
        peer = await world.peer(user, script=lambda _command: [{"state": "received"}])
        away = await world.device(None, user)
        (waiting,) = await world.send(user, away)
        answer = await world.ask(user, "POST", f"/api/commands/{waiting['id']}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
        answer = await world.ask(user, "POST", f"/api/commands/{waiting['id']}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (409, "already_ended")
        (running,) = await world.send(user, peer.device_id)
        await world.expect_state(running["id"], "received")
        answer = await world.ask(user, "POST", f"/api/commands/{running['id']}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (409, "already_published")
        await world.online(away)
        assert await world.steps(waiting["id"]) == ["queued", "cancelled"]


async def test_arguments_are_checked_and_the_wrong_one_is_named(world):
    user = await world.user("admin")
    device_id = await world.device(None, user)
    wrong = [
        ("CHANGE_INTERVAL", {}, "body.args.interval_ms"),
        ("CHANGE_INTERVAL", {"interval_ms": 1}, "body.args.interval_ms"),
        ("CHANGE_INTERVAL", {"interval_ms": 1000, "x": 1}, "body.args.x"),
        ("PING", {"x": 1}, "body.args.x"),
        ("UPDATE_CONFIG", {"key": "log.level", "value_json": '"LOUD"'}, "body.args.value_json"),
        ("UPDATE_CONFIG", {"key": "log.level", "value_json": "{"}, "body.args.value_json"),
        ("UPDATE_CONFIG", {"key": "No Key", "value_json": "1"}, "body.args.key"),
        ("PING", {"x": "\ud800"}, "body.args"),
        ("PING", {"x": "y" * 20_000}, "body.args"),
    ]
    async with world.service():
        for name, args, field in wrong:
            body = json.dumps({"name": name, "args": args, "device_ids": [device_id]})
            answer = await world.http.post(
                f"{world.url}/api/commands",
                content=body,
                headers={**user.bearer, "Content-Type": "application/json"},
            )
            assert (answer.status_code, answer.json().get("field")) == (422, field), (name, args, answer.text)
        assert await world.send(
            user, device_id, name="UPDATE_CONFIG", args={"key": "log.level", "value_json": '"INFO"'}
        )


async def test_a_command_of_its_own_must_be_declared_by_the_device(world, wait_until):
    user = await world.user()
    async with world.service() as service:
        peer = await world.peer(user)
        body = {"name": "BLINK", "args": {"times": 3}, "device_ids": [peer.device_id]}
        answer = await world.ask(user, "POST", "/api/commands", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_command")
        argument = {"type": "integer", "minimum": 1, "maximum": 10, "is_required": True}
        await peer.declare({"name": "BLINK", "description": "Blink", "arguments": {"times": argument}})
        await wait_until(lambda: service.counted("reports_taken") >= 1)
        await peer.declare({"name": "PING"})  # refused: it would shadow a built-in one; the last good one stays
        await wait_until(lambda: service.counted("reports_refused") >= 1)
        path = f"/api/commands/catalogue?device_id={peer.device_id}"
        items = {item["name"]: item for item in (await world.ask(user, "GET", path)).json()["items"]}
        assert (items["BLINK"]["may_send"], items["BLINK"]["is_built_in"]) == (True, False)
        assert (items["CHANGE_INTERVAL"]["may_send"], items["CHANGE_INTERVAL"]["needs"]) == (
            False,
            ["commands:send", "config:write"],
        )
        (command,) = await world.send(user, peer.device_id, name="BLINK", args={"times": 3})
        await world.expect_state(command["id"], "succeeded")
        answer = await world.ask(user, "POST", "/api/commands", body | {"args": {"times": 11}})
        assert (answer.status_code, answer.json()["field"]) == (422, "body.args.times")


async def test_a_devices_queue_is_bounded(world):
    user = await world.user()
    full, free = await world.device("A-full", user), await world.device("B-free", user)
    async with world.service(commands_most_waiting=2):
        for _ in range(2):
            await world.send(user, full)
        body = {"name": "PING", "device_ids": [full]}
        answer = await world.ask(user, "POST", "/api/commands", body)
        assert (answer.status_code, answer.json()["code"]) == (429, "queue_full")
        assert answer.headers["Retry-After"]
        answer = (await world.ask(user, "POST", "/api/commands", body | {"device_ids": [full, free]})).json()
        assert [command["device_id"] for command in answer["commands"]] == [free]
        assert answer["refused"][0]["code"] == "queue_full"


async def test_a_thousand_devices_are_sent_to_at_once_and_more_are_not(world):
    user = await world.user()
    await world.db.execute(
        "insert into identity.devices (id, name, kind, owner_id, is_active, groups, metadata, version, created_at,"
        " updated_at) select 'N-' || n, 'n', 'simulated', $1, true, '{}', '{}', 1, now(), now()"
        " from generate_series(1, 1001) n",
        user.id,
    )
    async with world.service():
        commands = await world.send(user, *(f"N-{n}" for n in range(1, 1001)))
        assert len(commands) == 1000
        answer = await world.ask(user, "POST", "/api/commands", {"name": "PING", "all_in_scope": True})
        assert (answer.status_code, answer.json()["code"]) == (422, "too_many_devices")
        pages = await world.ask(user, "GET", "/api/commands?limit=400")
        seen = [item["id"] for item in pages.json()["items"]]
        while (cursor := pages.json()["next_cursor"]) is not None:
            pages = await world.ask(user, "GET", f"/api/commands?limit=400&cursor={cursor}")
            seen += [item["id"] for item in pages.json()["items"]]
        assert len(seen) == len(set(seen)) == 1000


async def test_lists_are_filtered_newest_first_and_say_where_the_live_topic_goes_on(world):
    user = await world.user("admin")
    a, b = await world.device("A", user), await world.device("B", user)
    async with world.service():
        (first,) = await world.send(user, a, name="PING")
        (second,) = await world.send(user, b, name="RELOAD")
        page = (await world.ask(user, "GET", "/api/commands")).json()
        assert [item["id"] for item in page["items"]] == [second["id"], first["id"]]
        assert page["live"]["topic"] == "commands"
        filters = {
            "device_id=A": [first],
            "name=RELOAD": [second],
            "state=queued&state=started": [second, first],
            "state=started": [],
            f"batch_id={first['batch_id']}": [first],
            f"actor_id={user.id}": [second, first],
            f"actor_id={uuid4()}": [],
            "from=2000-01-01T00:00:00Z&to=2001-01-01T00:00:00Z": [],
            "from=2000-01-01T00:00:00Z": [second, first],
        }
        for text, wanted in filters.items():
            found = (await world.ask(user, "GET", f"/api/commands?{text}")).json()["items"]
            assert [item["id"] for item in found] == [item["id"] for item in wanted], text
        assert (await world.ask(user, "GET", "/api/commands?devices=A")).status_code == 422
