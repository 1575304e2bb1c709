"""Messages that are no report of the sender's own command: refused, counted, written down, and nothing changes."""

from __future__ import annotations

import json
from uuid import uuid4

from pulse_chassis.streams import StreamReader
from pulse_contracts.streams import AUDIT_STREAM


async def test_forged_foreign_unknown_and_oversized_reports_are_refused_with_a_logged_reason(world, wait_until):
    user = await world.user()
    async with world.service() as service:
        victim = await world.peer(user, script=lambda _command: [{"state": "received"}])
        intruder = await world.peer(user)
        (command,) = await world.send(user, victim.device_id)
        await world.expect_state(command["id"], "received")
        before = await world.db.fetchrow("select * from commands.command")
        bad = {
            "foreign_command": {"type": "status", "jti": command["id"], "state": "succeeded", "at": 1},
            "unknown_command": {"type": "status", "jti": str(uuid4()), "state": "succeeded", "at": 1},
            "too_large": b"x" * 300_000,
            "malformed": b'{"type": "status", "jti": "',
            "bad_capabilities": {"type": "capabilities", "commands": [{"name": "RELOAD"}], "at": 1},
        }
        for payload in bad.values():
            await intruder.say(payload)
        # Somebody else's status topic: the broker refuses it before anybody sees it.
        assert await intruder._session.publish(f"command/{victim.device_id}/status", b"{}") == 0x87
        await wait_until(lambda: service.counted("reports_refused") == len(bad))
        assert await world.db.fetchrow("select * from commands.command") == before
        rows = await world.db.fetch("select device_id, side, code, times from commands.refusal")
        assert {(row["device_id"], row["side"], row["code"]) for row in rows} == {
            (intruder.device_id, "service", code) for code in bad
        }
        listed = (await world.ask(user, "GET", f"/api/commands/refusals?device_id={intruder.device_id}")).json()
        foreign = next(item for item in listed["items"] if item["code"] == "foreign_command")
        assert (foreign["jti"], foreign["refused_by"]) == (command["id"], "service")

        async def told():
            entries = await StreamReader(world.redis, AUDIT_STREAM).read("0-0")
            events = [json.loads(payload) for _, payload in entries]
            return {e["reason"] for e in events if e["action"] == "command.report_refused"} == set(bad)

        await wait_until(told)
        await victim.report(command["id"], "succeeded")
        await world.expect_state(command["id"], "succeeded")


async def test_what_a_device_refused_is_written_down_and_changes_nothing(world, wait_until):
    user = await world.user()
    async with world.service() as service:
        peer = await world.peer(user, is_mute=True)
        (command,) = await world.send(user, peer.device_id)
        await world.expect_state(command["id"], "published")
        for code in ("bad_signature", "replayed", "made_up_code"):
            await peer.say({"type": "refused", "code": code, "detail": "no", "jti": command["id"], "at": 1})
        await wait_until(lambda: service.counted("refused_by_devices") == 3)
        assert await world.state(command["id"]) == "published"
        rows = await world.db.fetch("select code, detail, jti from commands.refusal where side = 'device'")
        assert {row["code"] for row in rows} == {"bad_signature", "replayed", "other"}
        assert {row["jti"] for row in rows} == {command["id"]}


async def test_a_flood_of_refused_messages_costs_a_count(world, wait_until):
    async with world.service() as service:
        peer = await world.peer(await world.user())
        for _ in range(50):
            await peer.say(b"no report")
        await wait_until(lambda: service.counted("reports_refused") == 50)
        rows = await world.db.fetch("select times from commands.refusal")
        assert sum(row["times"] for row in rows) == 50
        assert len(rows) <= 2  # a minute may have ended in between


async def test_reports_that_come_twice_or_late_change_nothing(world, wait_until):
    user = await world.user()
    async with world.service() as service:
        peer = await world.peer(user, script=lambda _command: [{"state": "succeeded", "result": [1]}])
        (command,) = await world.send(user, peer.device_id)
        await world.expect_state(command["id"], "succeeded")
        await wait_until(lambda: service.counted("reports_taken") == 1)  # It is counted after it is stored.
        for state in ("received", "started", "succeeded", "failed", "expired", "rejected", "unknown"):
            await peer.report(command["id"], state)
        await wait_until(lambda: service.counted("reports_taken") == 8)
        assert await world.steps(command["id"]) == ["queued", "published", "succeeded"]


async def test_words_that_a_database_cannot_keep_are_mended(world, wait_until):
    user = await world.user()
    reports = [
        {"state": "started", "message": "a\x00b"},
        {"state": "failed", "result": {"k\x00": ["\x00", 1.5]}, "error": {"code": "x\x00", "message": "\x00"}},
    ]
    async with world.service() as service:
        peer = await world.peer(user, script=lambda _command: reports)
        (command,) = await world.send(user, peer.device_id)
        await world.expect_state(command["id"], "failed")
        argument = {"type": "text", "description": "\x00", "default": {"\x00": float("nan")}}
        await peer.declare({"name": "ODD", "description": "\x00", "arguments": {"x": argument}})
        await peer.say({"type": "refused", "code": "\x00", "detail": "\x00", "jti": "\x00", "at": 1})
        await wait_until(lambda: service.counted("refused_by_devices") == 1)
        detail = (await world.ask(user, "GET", f"/api/commands/{command['id']}")).json()
        assert detail["result"] == {"k\ufffd": ["\ufffd", 1.5]}
        assert detail["error"]["code"] == "x\ufffd"
