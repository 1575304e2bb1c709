"""`/api/reports`: right figures, in each form, within the reader's rights and devices."""

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from pulse_contracts.streams import ACCESS_STREAM

DAY = timedelta(days=1)
START = datetime(2026, 11, 10, tzinfo=UTC)
END = START + 10 * DAY
RANGE = {"from": START.isoformat(), "to": END.isoformat()}
KINDS = ("audit", "config-changes", "offline-events", "device-health", "metrics")


async def offline(world, device_id: str, start: datetime, end: datetime | None, reason: str = "silent") -> None:
    await world.db.execute(
        "insert into telemetry.offline_period (client_id, started_at, ended_at, reason) values ($1, $2, $3, $4)",
        device_id, start, end, reason,
    )  # fmt: skip


async def present(world, device_id: str, **fields: Any) -> None:
    row = {"status": "ONLINE", "since": START, "last_seen": END, "buffered": 3, "clock_offset_ms": -12.5} | fields
    await world.db.execute(
        f"insert into telemetry.presence (client_id, {', '.join(row)})"
        f" values ($1, {', '.join(f'${n}' for n in range(2, len(row) + 2))})",
        device_id, *row.values(),
    )  # fmt: skip


async def audited(world, seq: int, at: datetime, **fields: Any) -> None:
    """Put a row into the audit log as identity does."""
    event = {
        "v": 1, "id": str(uuid4()), "at": at.isoformat(), "service": "identity",
        "actor": {"kind": "user", "id": "7", "name": "ann"}, "action": "user.changed",
        "resource": {"type": "user", "id": "8"}, "outcome": "success", "address": "192.0.2.1", **fields,
    }  # fmt: skip
    await world.db.execute(
        "insert into identity.audit_log (seq, event_id, at, service, actor_kind, actor_id, actor_name, action,"
        " resource_type, resource_id, outcome, entry, previous, digest)"
        " values ($1, $2, $3, $4, 'user', '7', 'ann', $5, $6, $7, $8, $9, '', '')",
        seq, event["id"], at, event["service"], event["action"], event["resource"]["type"], event["resource"]["id"],
        event["outcome"], json.dumps(event),
    )  # fmt: skip


async def configured(world, place: tuple[str, str], version: int, at: datetime, after: Any, by: str = "x") -> None:
    scope, target = place
    entry = f"{scope}/{target}/log.level"
    await world.db.execute(
        "insert into sync.config_entry (id, scope, target, key, value, version, stamp, updated_by, source)"
        " values ($1, $2, $3, 'log.level', $4, $5, '1770459330000-0001', $6, 'web')"
        " on conflict (id) do update set version = excluded.version, value = excluded.value",
        entry, scope, target, json.dumps(after), version, by,
    )  # fmt: skip
    await world.db.execute(
        "insert into sync.config_history (entry_id, version, before, after, stamp, at, updated_by, source)"
        " values ($1, $2, null, $3, '1770459330000-0001', $4, $5, 'web')",
        entry, version, json.dumps(after), at, by,
    )  # fmt: skip


@pytest.fixture
async def plant(world):
    """Two devices of mine, one of somebody else, and what happened to them."""
    mine, theirs = await world.user("operator"), await world.user("operator")
    await world.device("pump-1", mine, groups=("hall",))
    await world.device("pump-2", mine)
    await world.device("secret-1", theirs)
    await world.db.execute("truncate telemetry.offline_period, telemetry.rollup_hour, sync.config_history cascade")
    for device_id in ("pump-1", "pump-2", "secret-1"):
        await present(world, device_id)
    await offline(world, "pump-1", START + DAY, START + DAY + timedelta(hours=12))
    await offline(world, "pump-1", START - DAY, START + timedelta(hours=12), "stopped")
    await offline(world, "pump-2", END - timedelta(hours=6), None)
    await offline(world, "secret-1", START + DAY, START + 2 * DAY, "secret")
    return mine, theirs


async def read(gateway, user, kind: str, status: int = 200, **asked: Any) -> Any:
    async with gateway.http(user) as http:
        answer = await http.get(f"/api/reports/{kind}", params=RANGE | asked)
    assert answer.status_code == status, answer.text
    return answer


async def test_offline_events_are_those_that_touch_the_range_on_the_readers_devices(world, plant) -> None:
    mine, _ = plant
    async with world.gateway() as gateway:
        report = (await read(gateway, mine, "offline-events")).json()
        one = (await read(gateway, mine, "offline-events", group="hall")).json()
        earlier = (await read(gateway, mine, "offline-events", to=(START + timedelta(hours=1)).isoformat())).json()
    rows = {(row["device_id"], row["reason"]): row for row in report["rows"]}
    assert len(report["rows"]) == 3
    assert "secret" not in json.dumps(report)
    assert rows["pump-1", "silent"]["duration_seconds"] == 12 * 3600
    assert rows["pump-1", "stopped"]["duration_seconds"] == 36 * 3600
    assert rows["pump-2", "silent"]["ended_at"] is None
    figures = {figure["label"]: figure["value"] for figure in report["figures"]}
    assert (figures["Events"], figures["Devices"], figures["Still offline"]) == (3, 2, 1)
    assert figures["Offline within the range"] == (12 + 12 + 6) * 3600
    assert {row["device_id"] for row in one["rows"]} == {"pump-1"}
    assert [row["reason"] for row in earlier["rows"]] == ["stopped"]


async def test_device_health_says_how_much_of_the_range_a_device_was_there_and_how_fast_it_was(world, plant) -> None:
    mine, _ = plant
    # Readings that took 0.1 to 10 s; the first of pump-2 is half way through the range.
    half = START + 5 * DAY
    for device_id, first in (("pump-1", START - DAY), ("pump-2", half)):
        await world.store(device_id, "temperature", *range(100), start_ms=int(first.timestamp() * 1000))
    await world.store("pump-1", "pressure", *range(100), start_ms=int(half.timestamp() * 1000))
    await world.db.execute(
        "update telemetry.sample set received_at = recorded_at + seq * interval '100 milliseconds' where recorded_at >= $1",
        START,
    )
    # A battery that loses one per cent an hour.
    await world.store("pump-1", "battery.level", 76.0, start_ms=int((START + DAY).timestamp() * 1000))
    await world.db.execute(
        "insert into telemetry.rollup_hour (series_id, bucket, row_count, value_count, value_sum, value_min, value_max,"
        " first_at, first_value, last_at, last_value)"
        " select id, $1::timestamptz + n * interval '1 hour', 2, 2, 2 * (100 - n), 100 - n, 100 - n, $1, 0, $1, 0"
        " from telemetry.series, generate_series(0, 24) n where metric_key = 'battery.level'",
        START,
    )
    async with world.gateway() as gateway:
        report = (await read(gateway, mine, "device-health")).json()
        single = (await read(gateway, mine, "device-health", device_id="pump-2")).json()
        await read(gateway, mine, "device-health", 404, device_id="secret-1")
        await read(gateway, mine, "device-health", 404, device_id="nothing-1")
    first, second = report["rows"]
    assert (first["device_id"], first["status"], first["buffered"], first["clock_offset_ms"]) == (
        "pump-1", "ONLINE", 3, -12.5,
    )  # fmt: skip
    assert first["availability_percent"] == pytest.approx(90.0)
    assert (first["offline_times"], first["offline_seconds"]) == (2, 24 * 3600)
    assert first["observed_from"] == "2026-11-10T00:00:00Z"
    assert first["latency_p50_ms"] == pytest.approx(5_050, abs=100)
    assert first["latency_p95_ms"] == pytest.approx(9_505, abs=100)
    assert (first["battery"], first["battery_change_per_day"]) == (76.0, pytest.approx(-24.0))
    assert second["observed_from"] == "2026-11-15T00:00:00Z"
    assert second["availability_percent"] == pytest.approx(100 * (1 - 6 / 120))
    assert second["battery"] is None
    assert single["rows"] == [second]
    assert [figure["value"] for figure in report["figures"]][:2] == [2, 2]


async def test_completeness_is_of_what_the_device_numbered(world, plant) -> None:
    mine, _ = plant
    await world.db.execute(
        "insert into telemetry.stream (client_id, epoch, received, lost, head_seq)"
        " values ('pump-1', 1, '{[1,8),[10,11)}', '{[9,10)}', 10)"
    )
    async with world.gateway() as gateway:
        first, second = (await read(gateway, mine, "device-health")).json()["rows"]
    assert (first["completeness_percent"], first["missing"], first["lost"]) == (80.0, 1, 1)
    assert second["completeness_percent"] is None


async def test_the_ranges_that_are_missing_are_told_to_whoever_may_see_the_device(world, plant) -> None:
    mine, _ = plant
    await world.db.execute(
        "insert into telemetry.stream (client_id, epoch, received, lost, head_seq)"
        " values ('pump-1', 1, '{[1,8),[10,11)}', '{[9,10)}', 10)"
    )
    async with world.gateway() as gateway, gateway.http(mine) as http:
        found = await http.get("/api/telemetry/completeness/pump-1")
        none = await http.get("/api/telemetry/completeness/pump-2")
        hidden = await http.get("/api/telemetry/completeness/secret-1")
    assert found.json()["epochs"] == [
        {"epoch": 1, "highest": 10, "received": 8, "missing": 1, "lost": 1,
         "missing_ranges": [[8, 8]], "lost_ranges": [[9, 9]]}
    ]  # fmt: skip
    assert none.json() == {"device_id": "pump-2", "epochs": []}
    assert hidden.status_code == 404


async def test_metrics_are_told_by_period_of_the_readers_zone(world, plant) -> None:
    mine, _ = plant
    # 23:59:50 in Berlin: ten readings of one day, ten of the next.
    edge = datetime(2026, 11, 11, 22, 59, 50, tzinfo=UTC)
    await world.store("pump-1", "temperature", *range(20), start_ms=int(edge.timestamp() * 1000))
    await world.store("secret-1", "temperature", 5, start_ms=int(edge.timestamp() * 1000))
    await world.roll_up()
    async with world.gateway() as gateway:
        berlin = (await read(gateway, mine, "metrics", tz="Europe/Berlin", metric="temperature")).json()
        utc = (await read(gateway, mine, "metrics", period="week")).json()
    told = [(row["from"], row["minimum"], row["average"], row["maximum"], row["count"]) for row in berlin["rows"]]
    assert told == [
        ("2026-11-10T23:00:00Z", 0, 4.5, 9, 10),
        ("2026-11-11T23:00:00Z", 10, 14.5, 19, 10),
    ]
    assert [(row["count"], row["average"]) for row in utc["rows"]] == [(20, 9.5)]


async def test_config_changes_are_those_for_all_for_groups_and_for_the_readers_devices(world, plant) -> None:
    mine, _ = plant
    at = START + DAY
    for version, (scope, target) in enumerate(
        (("all", ""), ("group", "hall"), ("device", "pump-1"), ("device", "secret-1"))
    ):
        await configured(world, (scope, target), version + 1, at + version * DAY, {"=cmd": target}, str(mine.id))
    await configured(world, ("device", "pump-2"), 1, END, "DEBUG")
    async with world.gateway() as gateway:
        report = (await read(gateway, mine, "config-changes")).json()
        named = (await read(gateway, mine, "config-changes", device_id="pump-2")).json()
    assert [(row["scope"], row["target"]) for row in report["rows"]] == [
        ("device", "pump-1"),
        ("group", "hall"),
        ("all", ""),
    ]
    assert {row["updated_by"] for row in report["rows"]} == {mine.username}
    assert report["rows"][0]["after"] == '{"=cmd": "pump-1"}'
    assert {row["scope"] for row in named["rows"]} == {"group", "all"}


async def test_the_audit_report_is_the_log_and_only_for_who_may_read_the_log(world, plant) -> None:
    mine, _ = plant
    admin = await world.user("admin")
    for seq in range(1, 6):
        await audited(world, seq, START + seq * DAY, outcome="refused" if seq == 3 else "success", count=seq)
    await audited(world, 6, END)
    await audited(world, 7, START + DAY, resource={"type": "device", "id": "pump-1"}, before={"a": 1}, after={"a": 2})
    async with world.gateway() as gateway:
        await read(gateway, mine, "audit", 403)
        report = (await read(gateway, admin, "audit")).json()
        device = (await read(gateway, admin, "audit", device_id="pump-1")).json()
    assert [row["seq"] for row in report["rows"]] == [7, 5, 4, 3, 2, 1]
    assert (report["rows"][-1]["actor"], report["rows"][-1]["resource"]) == ("ann", "user 8")
    assert {f["label"]: f["value"] for f in report["figures"]} == {"Entries": 6, "Refused": 3, "Success": 13}
    assert [row["change"] for row in device["rows"]] == ['{"a": 1} → {"a": 2}']


async def test_a_csv_opens_as_what_it_is_and_a_page_runs_and_loads_nothing(world, plant) -> None:
    mine, _ = plant
    evil = '=HYPERLINK("x")<script>alert(1)</script>'
    await world.db.execute("update identity.devices set name = $1 where id = 'pump-1'", evil)
    async with world.gateway() as gateway:
        marked = await read(gateway, mine, "offline-events", format="csv", tz="Asia/Tokyo")
        plain = await read(gateway, mine, "offline-events", format="csv", bom="false")
        page = await read(gateway, mine, "offline-events", format="html", tz="Asia/Tokyo")
    assert marked.content.startswith(b"\xef\xbb\xbfdevice_id,name,")
    assert marked.headers["content-disposition"] == 'attachment; filename="offline-events-20261110-20261120.csv"'
    assert not plain.content.startswith(b"\xef\xbb\xbf")
    lines = list(csv.DictReader(io.StringIO(marked.content.decode("utf-8-sig"))))
    assert {line["name"] for line in lines if line["device_id"] == "pump-1"} == {f"'{evil}"}
    assert "2026-11-11T09:00:00+09:00" in {line["started_at"] for line in lines}
    text = page.text
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "2026-11-11 09:00:00" in text
    assert not re.search(r"\s(src|href|style|on\w+)=", text)
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe-inline" not in policy


async def test_what_would_be_too_much_is_refused_with_a_reason(world, plant) -> None:
    mine, _ = plant
    admin = await world.user("admin")
    async with world.gateway() as gateway:
        reasons = [
            (await read(gateway, mine, "offline-events", 422, **{"from": "2020-01-01T00:00:00Z"})).json()["code"],
            (await read(gateway, mine, "offline-events", 422, **{"from": END.isoformat()})).json()["code"],
        ]
        for wrong in (
            {"tz": "Mars/Base"},
            {"format": "pdf"},
            {"unknown": "1"},
            {"device_id": "a/b"},
            {"to": "9999-12-31"},
        ):
            await read(gateway, mine, "offline-events", 422, **wrong)
        await read(gateway, mine, "weather", 422)
        await world.db.execute(
            "insert into telemetry.offline_period (client_id, started_at, ended_at, reason)"
            " select 'pump-1', $1::timestamptz + n * interval '1 second', $1::timestamptz + n * interval '1 second', 'x'"
            " from generate_series(1, 20001) n",
            START,
        )
        reasons.append((await read(gateway, mine, "offline-events", 422)).json()["code"])
        await world.db.execute(
            "insert into identity.devices (id, name, kind, is_active, groups, metadata, version, created_at, updated_at)"
            " select 'many-' || n, 'x', 'simulated', true, '{}', '{}', 1, now(), now() from generate_series(1, 501) n"
        )
    async with world.gateway() as gateway:
        reasons.append((await read(gateway, admin, "device-health", 422)).json()["code"])
    assert reasons == ["range_too_long", "bad_range", "report_too_large", "too_many_devices"]


async def test_rights_that_were_taken_away_are_gone_at_once(world, plant, wait_until) -> None:
    mine, _ = plant
    async with world.gateway() as gateway, gateway.http(mine) as http:
        listed = (await http.get("/api/reports")).json()["items"]
        assert {item["kind"]: item["may_read"] for item in listed} == dict.fromkeys(KINDS, True) | {"audit": False}
        await world.db.execute("delete from identity.user_roles where user_id = $1", mine.id)
        await world.write(ACCESS_STREAM, {"kind": "user", "user_id": str(mine.id)})
        for kind in KINDS:
            assert (await http.get(f"/api/reports/{kind}")).status_code == 403
    async with world.gateway() as gateway, gateway.http(await world.user("viewer")) as http:
        assert {(await http.get(f"/api/reports/{kind}")).status_code for kind in KINDS} == {403}
    async with world.gateway() as gateway, gateway.http() as http:
        assert (await http.get("/api/reports/audit")).status_code == 401
