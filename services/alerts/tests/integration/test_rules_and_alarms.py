"""Rules and alarms over HTTP, on a running service: who may, what is refused, and what becomes of a reading."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from pulse_alerts.domain.partitions import PARTITIONS
from pulse_chassis.streams import StreamReader, StreamWriter
from pulse_contracts.streams import ALERTS_STREAM, STREAM_MAXLEN, TELEMETRY_STREAM

HOT: dict[str, Any] = {
    "name": "Hot",
    "metric": "temperature",
    "condition": {"kind": "threshold", "test": {"operator": ">", "value": 50, "clear_value": 48}},
    "message": "{device}: {metric} is {value} {unit}, above {threshold}",
    "unit": "°C",
    "severity": "critical",
}
_newest = [0]


async def announce(world: Any, device: str, **metrics: Any) -> None:
    """Tell of a reading, as ingest does after its commit; each a millisecond later than the last one, at least."""
    now = max(time.time_ns() // 1_000_000, _newest[-1] + 1)
    _newest.append(now)
    entry = {"v": 1, "at": now, "rows": [[device, now, "good", metrics]], "late": []}
    writer = StreamWriter(world.redis, TELEMETRY_STREAM, STREAM_MAXLEN[TELEMETRY_STREAM])
    await writer.append(json.dumps(entry).encode())


async def open_alarm(world: Any, user: Any, device: str) -> dict[str, Any]:
    """Wait for a device's open alarm."""

    async def found() -> dict[str, Any] | None:
        answer = await world.ask(user, "GET", f"/api/alerts?device_id={device}&state=active&state=acknowledged")
        items = answer.json()["items"]
        return items[0] if items else None

    alarm: dict[str, Any] = await world.until(found, what="the alarm is raised", seconds=60)
    return alarm


async def is_in_force(world: Any, *workers: Any) -> None:
    """Wait until evaluation has looked at rules and devices since now, and its workers have settled who has which.

    What is announced is in the stream alone here, and not in the database, from which a worker takes what it missed.
    """
    await world.db.execute("update alerts.rule_revision set revision = revision + 1")
    revision = await world.db.fetchval("select revision from alerts.rule_revision")
    share = PARTITIONS // len(workers)
    await world.until(
        lambda: all(one.evaluate.revision >= revision and len(one.evaluate.partitions) == share for one in workers),
        what="the rules are in force",
        seconds=60,
    )


async def test_rules_are_written_by_whoever_may_for_what_they_see(world: Any) -> None:
    async with world.service():
        admin, viewer = await world.user(), await world.user("viewer")
        keeper = await world.person_with("alerts:read", "alert_rules:write", "telemetry:read")
        mine, other = await world.device(keeper), await world.device()
        assert (await world.ask(None, "GET", "/api/alert-rules")).status_code == 401
        assert (await world.ask(viewer, "POST", "/api/alert-rules", HOT)).status_code == 403
        refused = await world.ask(keeper, "POST", "/api/alert-rules", HOT)
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_missing")
        refused = await world.ask(keeper, "POST", "/api/alert-rules", HOT | {"device_ids": [other]})
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_device")
        for broken in (
            {"message": "{device.__class__}"},
            {"metric": None},
            {"metric": "a b"},
            {"metric": "*a*a*a*a"},
            {"condition": {"kind": "threshold", "test": {"operator": "==", "value": "a\x00"}}},
            {"condition": {"kind": "threshold", "test": {"operator": ">"}}},
            {"condition": {"kind": "nothing"}},
            {"schedule": {"time_zone": "Mars/Olympus"}},
            {"surprise": 1},
        ):
            assert (await world.ask(admin, "POST", "/api/alert-rules", HOT | broken)).status_code == 422, broken
        key = str(uuid4())
        made = await world.ask(keeper, "POST", "/api/alert-rules", HOT | {"device_ids": [mine]}, Idempotency_Key=key)
        assert made.status_code == 201, made.text
        again = await world.ask(keeper, "POST", "/api/alert-rules", HOT | {"device_ids": [mine]}, Idempotency_Key=key)
        assert again.json()["id"] == made.json()["id"]
        taken = await world.ask(admin, "POST", "/api/alert-rules", HOT | {"name": "HOT"})
        assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
        path, tag = f"/api/alert-rules/{made.json()['id']}", made.headers["etag"]
        stranger = await world.person_with("alerts:read", "alert_rules:write")
        assert (await world.ask(stranger, "GET", path)).status_code == 404
        assert (await world.ask(stranger, "PUT", path, HOT, If_Match="*")).status_code == 404
        assert (await world.ask(stranger, "GET", "/api/alert-rules")).json()["total"] == 0
        changed = HOT | {"device_ids": [mine], "severity": "info"}
        assert (await world.ask(keeper, "PUT", path, changed)).status_code == 428
        done = await world.ask(keeper, "PUT", path, changed, If_Match=tag)
        assert (done.status_code, done.json()["severity"], done.json()["version"]) == (200, "info", 2)
        assert (await world.ask(keeper, "PUT", path, changed, If_Match=tag)).status_code == 412
        assert (await world.ask(keeper, "DELETE", path, If_Match=done.headers["etag"])).status_code == 204
        told = await world.db.fetch("select entry from alerts.outbox where stream = 'pulse:audit'")
        actions = [json.loads(row["entry"])["action"] for row in told]
        assert [a for a in actions if a.startswith("alert_rule.")] == [
            "alert_rule.created",
            "alert_rule.changed",
            "alert_rule.deleted",
        ]


async def test_an_alarm_is_raised_acknowledged_commented_shelved_and_cleared(world: Any) -> None:
    async with world.service() as parts:
        admin, keeper = await world.user(), await world.user("operator")
        device = await world.device(keeper)
        assert (await world.ask(admin, "POST", "/api/alert-rules", HOT)).status_code == 201
        await is_in_force(world, parts)
        await announce(world, device, temperature=60.5, humidity=10)
        alarm = await open_alarm(world, keeper, device)
        assert alarm["message"] == f"{device}: temperature is 60.5 °C, above 50"
        assert (alarm["value"], alarm["severity"], alarm["is_late"]) == (60.5, "critical", False)
        path = f"/api/alerts/{alarm['id']}"
        stranger, viewer = await world.user("operator"), await world.user("viewer")
        assert (await world.ask(stranger, "GET", path)).status_code == 404
        assert (await world.ask(stranger, "POST", f"{path}/acknowledge", {})).status_code == 404
        assert (await world.ask(viewer, "POST", f"{path}/acknowledge", {})).status_code == 403
        done = await world.ask(keeper, "POST", f"{path}/acknowledge", {"comment": "on my way"})
        assert (done.status_code, done.json()["state"]) == (200, "acknowledged"), done.text
        assert done.json()["acknowledged"]["username"] == keeper.username
        twice = await world.ask(keeper, "POST", f"{path}/acknowledge", {})
        assert (twice.status_code, twice.json()["code"]) == (409, "already_acknowledged")
        assert (await world.ask(keeper, "POST", f"{path}/comment", {"comment": "fan"})).status_code == 200
        until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        assert (await world.ask(keeper, "POST", f"{path}/shelve", {"until": until})).status_code == 200
        gone = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        assert (await world.ask(keeper, "POST", f"{path}/shelve", {"until": gone})).status_code == 422
        assert (await world.ask(keeper, "POST", f"{path}/unshelve", {})).status_code == 200
        await announce(world, device, temperature=49)  # below the level, above the one that clears
        await announce(world, device, temperature=20)

        async def is_cleared() -> bool:
            return bool((await world.ask(keeper, "GET", path)).json()["state"] == "cleared")

        await world.until(is_cleared, what="the alarm is cleared", seconds=60)
        detail = (await world.ask(keeper, "GET", path)).json()
        kinds = ["raised", "acknowledged", "commented", "shelved", "unshelved", "cleared"]
        assert [step["kind"] for step in detail["steps"]] == kinds
        assert (detail["cleared_value"], detail["clear_reason"]) == (20, "condition")
        assert (await world.ask(keeper, "POST", f"{path}/clear", {})).json()["code"] == "already_cleared"

        async def told() -> list[str]:
            entries = await StreamReader(world.redis, ALERTS_STREAM).read("0-0")
            found = [json.loads(payload)["kind"] for _, payload in entries]
            return found if len(found) == len(kinds) else []

        assert await world.until(told, what="all steps are told") == kinds
        counts = await world.ask(keeper, "GET", "/api/alerts/open")
        assert counts.json()["items"] == []


async def test_changing_a_rule_clears_its_alarms_and_clearing_by_hand_holds_until_the_value_was_back(
    world: Any,
) -> None:
    async with world.service() as parts:
        admin = await world.user()
        device = await world.device()
        rule = await world.ask(admin, "POST", "/api/alert-rules", HOT)
        await is_in_force(world, parts)
        await announce(world, device, temperature=60)
        first = await open_alarm(world, admin, device)
        assert (await world.ask(admin, "POST", f"/api/alerts/{first['id']}/clear", {})).status_code == 200
        await announce(world, device, temperature=61)
        await announce(world, device, temperature=20)
        await announce(world, device, temperature=62)
        second = await open_alarm(world, admin, device)
        assert (second["id"] != first["id"], second["value"]) == (True, 62)
        path = f"/api/alert-rules/{rule.json()['id']}"
        renamed = await world.ask(admin, "PUT", path, HOT | {"name": "Very hot"}, If_Match="*")
        assert (await open_alarm(world, admin, device))["id"] == second["id"], "a name evaluates nothing"
        off = HOT | {"name": "Very hot", "is_enabled": False}
        done = await world.ask(admin, "PUT", path, off, If_Match=renamed.headers["etag"])
        assert done.status_code == 200
        third = (await world.ask(admin, "GET", f"/api/alerts/{second['id']}")).json()
        assert (third["state"], third["clear_reason"]) == ("cleared", "rule_disabled")
        total = await world.db.fetchval("select count(*) from alerts.alarm")
        assert total == 2


async def test_a_rule_is_tried_on_what_is_stored(world: Any) -> None:
    async with world.service():
        admin = await world.user()
        stranger = await world.person_with("alert_rules:write", "telemetry:read")
        device = await world.device()
        series = await world.db.fetchval(
            "insert into telemetry.series (client_id, metric_key) values ($1, 'temperature') returning id", device
        )
        start = datetime(2026, 1, 5, tzinfo=UTC)
        await world.db.executemany(
            "insert into telemetry.sample (recorded_at, received_at, seq, value, series_id, epoch, suspect)"
            " values ($1, $1, $2, $3, $4, 1, false)",
            [
                (start + timedelta(minutes=n), n + 1, 60.0 if 10 <= n < 20 or n >= 50 else 20.0, series)
                for n in range(60)
            ],
        )
        body = {"rule": HOT, "from": start.isoformat(), "to": (start + timedelta(hours=1)).isoformat()}
        unseen = await world.ask(stranger, "POST", "/api/alert-rules/dry-run", body | {"device_ids": [device]})
        assert (unseen.status_code, unseen.json()["code"]) == (422, "unknown_device")
        assert (await world.ask(stranger, "POST", "/api/alert-rules/dry-run", body)).json()["items"] == []
        ancient = body | {"from": "0001-01-01T00:00:00Z", "to": "0001-01-02T00:00:00Z"}
        assert (await world.ask(admin, "POST", "/api/alert-rules/dry-run", ancient)).status_code == 422
        far = body | {"to": (start + timedelta(days=60)).isoformat()}
        assert (await world.ask(admin, "POST", "/api/alert-rules/dry-run", far)).status_code == 422
        tried = (await world.ask(admin, "POST", "/api/alert-rules/dry-run", body)).json()["items"]
        assert [(item["device_id"], item["readings"], item["is_complete"]) for item in tried] == [(device, 60, True)]
        found = [(one["is_raised"], one["at"][11:16], one["value"]) for one in tried[0]["found"]]
        assert found == [(True, "00:10", 60), (False, "00:20", 20), (True, "00:50", 60)]
        assert await world.db.fetchval("select count(*) from alerts.alarm") == 0


async def test_two_workers_share_the_devices_and_each_alarm_is_raised_once(world: Any) -> None:
    async with world.service() as one, world.twin().service() as two:
        admin = await world.user()
        devices = [await world.device() for _ in range(20)]
        await world.ask(admin, "POST", "/api/alert-rules", HOT)
        await is_in_force(world, one, two)
        assert not set(one.evaluate.partitions) & set(two.evaluate.partitions)
        for device in devices:
            await announce(world, device, temperature=70)
        for device in devices:
            await open_alarm(world, admin, device)
        raised = await world.db.fetchval("select count(*) from alerts.alarm_step where kind = 'raised'")
        assert raised == len(devices)


async def test_a_device_that_leaves_a_rules_group_has_its_alarm_cleared_also_while_nobody_evaluates(world: Any) -> None:
    admin = await world.user()
    device = await world.device(groups=("hall",))
    async with world.service() as parts:
        await world.ask(admin, "POST", "/api/alert-rules", HOT | {"groups": ["hall"]})
        await is_in_force(world, parts)
        await announce(world, device, temperature=60)
        alarm = await open_alarm(world, admin, device)
    await world.db.execute("update identity.devices set groups = '{}' where id = $1", device)
    async with world.service():

        async def reason() -> str | None:
            answer = (await world.ask(admin, "GET", f"/api/alerts/{alarm['id']}")).json()
            return None if answer["state"] != "cleared" else str(answer["clear_reason"])

        assert await world.until(reason, what="the alarm is cleared", seconds=60) == "out_of_scope"
