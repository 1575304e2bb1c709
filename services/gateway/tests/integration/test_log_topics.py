"""`alerts` and `audit`: each step and each row reaches those whom it concerns once, in order, and within 20 ms."""

import json
import time
from typing import Any
from uuid import uuid4

from pulse_contracts.streams import ALERTS_STREAM, AUDIT_LOG_STREAM


async def alarm(world, device_id: str, severity: str = "warning", kind: str = "raised", **fields: Any) -> str:
    """Announce a step of an alarm as the service `alerts` does; return its event's id."""
    event_id, now = str(uuid4()), int(time.time() * 1000)
    told = {
        "event_id": event_id, "at": now, "kind": kind, "alarm_id": str(uuid4()), "rule_id": str(uuid4()),
        "rule_name": "hot", "device_id": device_id, "metric": "temperature", "severity": severity, "state": "active",
        "message": "too hot", "value": 51.5, "raised_at": now, **fields,
    }  # fmt: skip
    await world.write(ALERTS_STREAM, told)
    return event_id


async def row(world, seq: int, **fields: Any) -> str:
    """Announce a row of the audit log as identity does; return its event's id."""
    event_id = str(uuid4())
    told = {
        "id": event_id, "at": "2026-11-21T06:00:00Z", "service": "sync", "actor": {"kind": "user", "id": "7", "name": "ann"},
        "action": "config.changed", "resource": {"type": "config", "id": "x"}, "outcome": "success", "seq": seq,
        "digest": "00" * 32, "after": {"value": 1}, **fields,
    }  # fmt: skip
    await world.write(AUDIT_LOG_STREAM, told)
    return event_id


def events(client, sub: str = "s") -> list[str]:
    return [item["id"] for frame in client.of("event", sub) for item in frame["items"]]


async def test_alarms_are_told_by_device_group_and_severity_and_to_nobody_else(world, wait_until) -> None:
    mine, theirs = await world.user("viewer"), await world.user("viewer")
    await world.device("mine-1", mine, groups=("hall",))
    await world.device("mine-2", mine)
    await world.device("secret-1", theirs)
    filters = {
        "all": {},
        "hall": {"groups": ["hall"]},
        "second": {"device_ids": ["mine-2", "secret-1"]},
        "critical": {"severity": ["critical"]},
    }
    async with world.gateway() as gateway, gateway.socket(mine) as client:
        await wait_until(lambda: gateway.gateway.desk.state.alerts.stream.is_ready)
        for sub, chosen in filters.items():
            assert (await client.subscribe("alerts", sub, filter=chosen))["interval_ms"] == 20
        wrong = await client.subscribe("alerts", "wrong", filter={"severity": ["purple"]})
        await alarm(world, "secret-1", "critical", message="secret")
        first = await alarm(world, "mine-1", "critical")
        second = await alarm(world, "mine-2", "info", kind="acknowledged", state="acknowledged", actor_name="ann")
        await wait_until(lambda: len(events(client, "all")) == 2)
        await wait_until(lambda: events(client, "second") and events(client, "critical") and events(client, "hall"))
    assert (wrong["type"], wrong["code"]) == ("error", "invalid_filter")
    told = {sub: events(client, sub) for sub in filters}
    assert told == {"all": [first, second], "hall": [first], "second": [second], "critical": [first]}
    assert "secret" not in json.dumps(client.frames)
    item = client.of("event", "second")[0]["items"][0]
    assert (item["kind"], item["data"]["kind"], item["data"]["state"]) == ("alarm", "acknowledged", "acknowledged")
    assert (item["data"]["actor_name"], item["data"]["value"]) == ("ann", 51.5)


async def test_a_resumed_alarm_log_keeps_to_its_filter(world, wait_until) -> None:
    mine = await world.user("viewer")
    await world.device("mine-1", mine)
    async with world.gateway() as gateway:
        async with gateway.socket(mine) as client:
            await wait_until(lambda: gateway.gateway.desk.state.alerts.stream.is_ready)
            ack = await client.subscribe("alerts", filter={"severity": ["critical"]})
            seen = await alarm(world, "mine-1", "critical")
            await wait_until(lambda: events(client) == [seen])
            since = {"epoch": ack["epoch"], "offset": client.of("event")[-1]["offset"]}
        missed = []
        for _ in range(5):
            await alarm(world, "mine-1", "info")
            missed.append(await alarm(world, "mine-1", "critical"))
        async with gateway.socket(mine) as client:
            again = await client.subscribe("alerts", filter={"severity": ["critical"]}, since=since)
            await wait_until(lambda: len(events(client)) == 5)
            live = await alarm(world, "mine-1", "critical")
            await wait_until(lambda: len(events(client)) == 6)
    assert again["recovered"] is True
    assert events(client) == [*missed, live]


async def test_the_audit_log_is_told_to_who_may_read_it_whole_and_as_rest_shows_it(world, wait_until) -> None:
    auditor, viewer = await world.user("admin"), await world.user("viewer")
    async with world.gateway() as gateway, gateway.socket(auditor) as client, gateway.socket(viewer) as other:
        await wait_until(lambda: gateway.gateway.desk.state.audit.stream.is_ready)
        assert (await other.subscribe("audit"))["code"] == "forbidden"
        assert (await client.subscribe("audit", "part", filter={"device_ids": ["x"]}))["code"] == "invalid_filter"
        ack = await client.subscribe("audit")
        first = await row(world, 1)
        await wait_until(lambda: events(client) == [first])
        more = [await row(world, n) for n in range(2, 300)]
        await wait_until(lambda: len(events(client)) == 299)
        (item, *_) = client.of("event")[0]["items"]
        since = {"epoch": ack["epoch"], "offset": client.of("event")[0]["offset"]}
        async with gateway.socket(auditor) as again:
            assert (await again.subscribe("audit", since=since))["recovered"] is True
            await wait_until(lambda: len(events(again)) == 298)
    assert events(client) == [first, *more]
    assert events(again) == more
    assert (item["kind"], item["ts"]) == ("audit", 1795240800000)
    assert item["data"] == {
        "v": 1, "id": first, "at": "2026-11-21T06:00:00Z", "service": "sync", "action": "config.changed",
        "actor": {"kind": "user", "id": "7", "name": "ann"}, "resource": {"type": "config", "id": "x"},
        "outcome": "success", "address": None, "request_id": None, "reason": None, "before": None,
        "after": {"value": 1}, "count": 1, "last_at": None, "seq": 1, "digest": "00" * 32, "is_cut": False,
    }  # fmt: skip


async def test_who_loses_the_right_to_the_audit_log_hears_no_more_of_it(world, wait_until) -> None:
    auditor = await world.user("admin")
    async with world.gateway() as gateway, gateway.socket(auditor) as client:
        await wait_until(lambda: gateway.gateway.desk.state.audit.stream.is_ready)
        await client.subscribe("audit")
        shown = await row(world, 1)
        await wait_until(lambda: events(client) == [shown])
        # Whose devices change sees and loses devices; the log is of none.
        await world.device("another", None)
        await world.registered("another")
        await world.db.execute("delete from identity.user_roles where user_id = $1", auditor.id)
        await world.write("pulse:access", {"kind": "user", "user_id": str(auditor.id)})
        ended = await client.one(lambda f: f["type"] == "unsubscribed")
        await row(world, 2)
    assert (ended["code"], events(client)) == ("forbidden", [shown])


async def test_an_event_waits_no_longer_than_twenty_milliseconds_for_others(world, wait_until) -> None:
    mine = await world.user("viewer")
    await world.device("mine-1", mine)
    async with world.gateway() as gateway, gateway.socket(mine) as client:
        topic = gateway.gateway.desk.state.alerts
        await wait_until(lambda: topic.stream.is_ready)
        ack = await client.subscribe("alerts", interval_ms=60_000)
    assert ack["interval_ms"] == 20, "a client may ask for less, and gets no more"
