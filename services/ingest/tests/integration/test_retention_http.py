"""`/api/retention` and `/api/storage`: anonymous → wrong permission → invalid → valid."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from pulse_chassis.bearer import generate_signing_key, issue_access_token, public_jwk

KEY = generate_signing_key("test")
RULES = "/api/retention"
ALL = "/api/retention/-/-"
DAYS = {"raw_days": 30, "minute_days": 400, "hour_days": None}
ADMIN = ("config:read", "config:write", "devices:all")


async def _jwks() -> dict[str, Any]:
    return {"keys": [public_jwk(KEY)]}


def token(*permissions: str, user: uuid.UUID | None = None) -> dict[str, str]:
    text = issue_access_token(
        KEY, user_id=user or uuid.uuid4(), username="somebody", roles=["custom"], permissions=list(permissions),
        session_id=uuid.uuid4(), now=datetime.now(UTC),
    )  # fmt: skip
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture
async def door(world: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with world.ingest() as ingest:
        ingest.app.state.authority._provide = _jwks
        transport = httpx.ASGITransport(app=ingest.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
            yield client


async def test_rules_need_their_permissions(door: httpx.AsyncClient) -> None:
    for method, path in (("GET", RULES), ("GET", ALL), ("PUT", ALL), ("DELETE", ALL), ("GET", "/api/storage")):
        assert (await door.request(method, path, json=DAYS)).status_code == 401
        assert (await door.request(method, path, json=DAYS, headers=token("users:read"))).status_code == 403
    answer = await door.put(ALL, json=DAYS, headers=token("config:read", "config:write"))
    assert answer.status_code == 403, "what a rule ends is gone for devices of other people too"


@pytest.mark.parametrize(
    "body",
    [
        {}, {"raw_days": 0}, {"raw_days": 1, "days": 2}, {"raw_days": "1"}, {"raw_days": 1_000_000},
        {"raw_days": None, "minute_days": 3}, {"raw_days": 30, "minute_days": 20}, {"raw_days": 3, "hour_days": 20},
    ],
)  # fmt: skip
async def test_rules_that_cannot_hold_are_refused(door: httpx.AsyncClient, body: Any) -> None:
    answer = await door.put(ALL, json=body, headers=token(*ADMIN))
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize("path", ["/api/retention/a b/-", "/api/retention/-D/-", "/api/retention/D/a b"])
async def test_scopes_that_cannot_be_are_refused(door: httpx.AsyncClient, path: str) -> None:
    assert (await door.put(path, json=DAYS, headers=token(*ADMIN))).status_code == 422


async def test_a_rule_is_made_changed_and_removed_by_who_saw_it(door: httpx.AsyncClient, world: Any) -> None:
    admin, path = token(*ADMIN), "/api/retention/PUMP-7/plant/a"
    assert (await door.get(path, headers=admin)).status_code == 404
    assert (await door.put(path, json=DAYS, headers=admin | {"If-Match": '"1"'})).status_code == 412
    made = await door.put(path, json=DAYS, headers=admin)
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    assert made.json().items() >= {**DAYS, "device_id": "PUMP-7", "metric": "plant/a", "version": 1}.items()
    assert (await door.put(path, json=DAYS, headers=admin)).status_code == 428
    assert (await door.put(path, json=DAYS, headers=admin | {"If-Match": '"7"'})).status_code == 412
    changed = await door.put(path, json={"raw_days": 10}, headers=admin | {"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["etag"], changed.json()["minute_days"]) == (200, '"2"', None)
    assert (await door.get(path, headers=admin)).json() == changed.json()
    assert (await door.delete(path, headers=admin)).status_code == 428
    assert (await door.delete(path, headers=admin | {"If-Match": '"1"'})).status_code == 412
    assert (await door.delete(path, headers=admin | {"If-Match": '"2"'})).status_code == 204
    assert (await door.delete(path, headers=admin | {"If-Match": "*"})).status_code == 404
    told = [json.loads(row["entry"]) for row in await world.fetch("select entry from telemetry.outbox order by id")]
    rules = [event for event in told if event["resource"]["type"] == "retention_rule"]
    assert [event["action"] for event in rules] == [
        "retention_rule.created", "retention_rule.changed", "retention_rule.deleted"
    ]  # fmt: skip
    assert (rules[1]["before"]["raw_days"], rules[1]["after"]["raw_days"]) == (30, 10)


async def test_rules_of_devices_are_seen_by_who_sees_the_device(door: httpx.AsyncClient, world: Any) -> None:
    user = uuid.uuid4()
    identity = await world.connect("pulse_identity")
    await identity.execute("insert into identity.stub_access values ($1, 'MINE', 'view')", user)
    await identity.close()
    for path in (ALL, "/api/retention/MINE/-", "/api/retention/THEIRS/-", "/api/retention/-/temperature"):
        assert (await door.put(path, json=DAYS, headers=token(*ADMIN))).status_code == 201
    mine = await door.get(RULES, headers=token("config:read", user=user))
    seen = [(rule["device_id"], rule["metric"]) for rule in mine.json()["items"]]
    assert seen == [(None, None), (None, "temperature"), ("MINE", None)]
    assert (await door.get("/api/retention/THEIRS/-", headers=token("config:read", user=user))).status_code == 404


async def test_what_was_removed_is_told(world: Any, eventually: Any) -> None:
    await world.fetch("insert into telemetry.series (client_id, metric_key) values ('D', 'm')")
    await world.fetch(
        "insert into telemetry.sample (recorded_at, received_at, seq, value, series_id, epoch, suspect) "
        "select now() - interval '60 days', now(), 1, 1.0, id, 1, false from telemetry.series"
    )
    await world.fetch("insert into telemetry.retention_rule (raw_days) values (30)")
    async with world.ingest() as ingest:

        async def told() -> list[Any]:
            events = [json.loads(row["entry"]) for row in await world.fetch("select entry from telemetry.outbox")]
            return [event["after"] for event in events if event["action"] == "retention.applied"]

        assert await eventually(told, what="the sweep tells what it removed") == [{"readings": 1, "partitions": []}]
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=ingest.app), base_url="http://ingest") as client:
            metrics = (await client.get("/metrics")).text
    assert 'ingest_retention_removed_total{kind="readings"} 1.0' in metrics


async def test_what_a_killed_process_removed_is_told_by_the_next(world: Any, eventually: Any) -> None:
    from pulse_chassis.database import asyncpg_pool
    from pulse_ingest.storage.retention_sweep import RetentionSweep

    await world.fetch("insert into telemetry.series (client_id, metric_key) values ('D', 'm')")
    await world.fetch(
        "insert into telemetry.sample (recorded_at, received_at, seq, value, series_id, epoch, suspect) "
        "select now() - interval '60 days', now(), 1, 1.0, id, 1, false from telemetry.series"
    )
    await world.fetch("create table telemetry.sample_day_old (like telemetry.sample)")
    await world.fetch(
        "alter table telemetry.sample attach partition telemetry.sample_day_old for values"
        " from ('2020-01-01') to ('2020-01-02')"
    )
    await world.fetch("insert into telemetry.retention_rule (raw_days) values (30)")
    pool = await asyncpg_pool(world.urls["pulse_ingest"], application_name="test", min_size=0, max_size=1)
    done = await RetentionSweep(pool, rest=0.0).step(datetime.now(UTC))
    pool.terminate()
    assert (done.rows["readings"], done.partitions) == (1, ["sample_day_old"])
    async with world.ingest():

        async def told() -> list[Any]:
            events = [json.loads(row["entry"]) for row in await world.fetch("select entry from telemetry.outbox")]
            return [event["after"] for event in events if event["action"] == "retention.applied"]

        found = await eventually(told, what="what is gone is told")
    assert found == [{"readings": 1, "partitions": ["sample_day_old"]}]


async def test_disk_use_is_told(door: httpx.AsyncClient, eventually: Any) -> None:
    async def measured() -> Any:
        answer = await door.get("/api/storage", headers=token("system:read"))
        assert answer.status_code == 200
        return answer.json() if answer.json()["days"] else None

    told = await eventually(measured, what="the first measurement")
    assert (told["state"], told["capacity_bytes"], told["days_left"]) == ("unknown", None, None)
    sizes = {part["name"]: part["bytes"] for part in told["classes"]}
    assert sizes["database"] == sizes["raw"] + sizes["minute"] + sizes["hour"] + sizes["other"]
    assert sizes["raw"] > 0
    assert "ingest_storage_raw_bytes" in (await door.get("/metrics")).text


async def test_a_full_volume_is_told_long_before(world: Any, tmp_path: Any) -> None:
    from pulse_chassis.database import asyncpg_pool
    from pulse_ingest.storage.storage_meter import StorageMeter
    from pulse_ingest.use_cases.watch_storage import WatchStorage

    pool = await asyncpg_pool(world.urls["pulse_ingest"], application_name="test", min_size=0, max_size=2)
    local = StorageMeter(pool, path=tmp_path, capacity=None)
    await local.measure()
    (today,) = await local.days()
    assert today.used is not None
    assert today.capacity is not None
    assert 0 < today.used < today.capacity
    watch = WatchStorage(StorageMeter(pool, path=tmp_path / "gone", capacity=today.database * 2))
    await StorageMeter(pool, path=None, capacity=today.database * 2).measure()
    found, _ = await watch.look()
    assert found is not None
    assert (found.state, found.growth, found.share) == ("ok", None, pytest.approx(0.5, abs=0.01))
    # Yesterday there was half of it: tomorrow there will be three halves, and the day after it is full.
    await pool.execute(
        "insert into telemetry.storage_day select day - 1, measured_at - interval '1 day', raw_bytes / 2, "
        "minute_bytes / 2, hour_bytes / 2, other_bytes / 2, used_bytes / 2, capacity_bytes from telemetry.storage_day"
    )
    found, days = await watch.look()
    assert found is not None
    assert len(days) == 2
    assert (found.state, found.days_left) == ("warning", pytest.approx(2.0, abs=0.1))
    await local.keep(found)
    kept = await pool.fetch("select state, days_left from telemetry.storage_use order by day")
    assert [tuple(row) for row in kept] == [(None, None), ("warning", found.days_left)]
    pool.terminate()
