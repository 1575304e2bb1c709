"""Configuration over HTTP: who may do what, versions, problems with their field, history, and what holds where."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from pulse_contracts.streams import AUDIT_STREAM, CONFIG_STREAM
from pulse_contracts.sync import AppliedConfig
from pulse_sync import app

READS = [
    "/keys",
    "/keys/log.level",
    "",
    "/all/-/log.level",
    "/all/-/log.level/history",
    "/effective/dev-1",
    "/diff?device_id=dev-1",
    "/applied",
]
WRITES = [
    ("POST", "/keys", {"key": "custom.a", "spec": {"type": "integer"}}),
    ("PUT", "/keys/custom.a", {"spec": {"type": "integer"}}),
    ("DELETE", "/keys/custom.a", None),
    ("PUT", "/all/-/log.level", {"value": "DEBUG"}),
    ("DELETE", "/all/-/log.level", None),
]


def problem(answer: Any) -> tuple[int, str, str | None]:
    body = answer.json()
    return answer.status_code, body["code"], body.get("field")


async def test_every_route_asks_who_it_is_and_what_they_may(config_world) -> None:
    viewer, operator = await config_world.person("viewer"), await config_world.person("operator")
    for path in READS:
        assert (await config_world.http.get(f"/api/config{path}")).status_code == 401
        assert problem(await viewer.ask("GET", f"/api/config{path}"))[:2] == (403, "forbidden")
    for method, path, body in WRITES:
        url = f"/api/config{path}"
        assert (await config_world.http.request(method, url, json=body)).status_code == 401
        assert problem(await operator.ask(method, url, body, If_Match="*"))[:2] == (403, "forbidden")
    assert (await operator.get())["items"] == []


async def test_an_entry_lives_through_versions_and_its_history_has_every_one(config_world) -> None:
    admin = await config_world.person("admin")
    created = await admin.put("group/hall/telemetry.interval_ms", 500)
    assert (created.status_code, created.headers["ETag"]) == (201, '"1"')
    entry = created.json()
    assert (entry["id"], entry["scope"], entry["target"]) == ("group/hall/telemetry.interval_ms", "group", "hall")
    assert (entry["value"], entry["source"], entry["updated_by"]) == (500, "web", str(admin.id))
    assert datetime.fromisoformat(entry["updated_at"]) - config_world.clock.now() < timedelta(seconds=1)
    path = "group/hall/telemetry.interval_ms"
    assert problem(await admin.put(path, 600)) == (428, "precondition_required", "If-Match")
    assert problem(await admin.put(path, 600, If_Match='"7"')) == (412, "precondition_failed", "If-Match")
    assert (await admin.put(path, 600, If_Match='"1"')).headers["ETag"] == '"2"'
    same = await admin.put(path, 600, If_Match='"2"')
    assert (same.status_code, same.headers["ETag"]) == (200, '"2"')
    assert problem(await admin.ask("DELETE", f"/api/config/{path}"))[0] == 428
    assert (await admin.ask("DELETE", f"/api/config/{path}", If_Match='"2"')).status_code == 204
    assert problem(await admin.ask("GET", f"/api/config/{path}"))[:2] == (404, "unknown_config_entry")
    assert problem(await admin.ask("DELETE", f"/api/config/{path}", If_Match="*"))[0] == 404
    assert problem(await admin.put(path, 700, If_Match="*"))[0] == 412
    again = await admin.put(path, 700)
    assert (again.status_code, again.headers["ETag"]) == (201, '"4"')
    history = await admin.get(f"/{path}/history", limit=3)
    assert (history["total"], history["page"]) == (4, 1)
    assert [(c["version"], c["before"], c["after"]) for c in history["items"]] == [
        (4, None, 700),
        (3, 600, None),
        (2, 500, 600),
    ]
    rest = await admin.get(f"/{path}/history", limit=3, page=2)
    assert [(c["version"], c["before"], c["after"]) for c in rest["items"]] == [(1, None, 500)]
    assert problem(await admin.ask("GET", "/api/config/all/-/log.level/history"))[0] == 404


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("all/-/telemetry.interval", 500, (422, "unknown_config_key", "path.key")),
        ("all/-/custom.nothing", 500, (422, "unknown_config_key", "path.key")),
        ("all/-/telemetry.interval_ms", 5, (422, "invalid_config_value", "body.value")),
        ("all/-/telemetry.interval_ms", "500", (422, "invalid_config_value", "body.value")),
        ("all/-/telemetry.interval_ms", True, (422, "invalid_config_value", "body.value")),
        ("all/-/telemetry.interval_ms", None, (422, "invalid_config_value", "body.value")),
        ("all/-/log.level", "LOUD", (422, "invalid_config_value", "body.value")),
        ("all/-/telemetry.sources", ["x" * 500] * 30, (422, "invalid_config_value", "body.value")),
        ("all/-/telemetry.sources", ["a\x00b"], (422, "invalid_config_value", "body.value")),
        ("all/-/telemetry.sources", ["\ud800"], (422, "invalid_config_value", "body.value")),
        ("all/hall/log.level", "INFO", (422, "invalid_address", "path.target")),
        ("group/a%00b/log.level", "INFO", (422, "invalid_address", "path.target")),
        ("device/a+b/log.level", "INFO", (422, "invalid_address", "path.target")),
        ("all/-/LOG", "INFO", (422, "invalid_address", "path.key")),
        ("some/-/log.level", "INFO", (422, "invalid_request", None)),
        ("device/nobody/log.level", "INFO", (404, "unknown_device", "device_id")),
    ],
)
async def test_what_is_wrong_is_named_with_its_field(config_world, path: str, value: Any, expected: Any) -> None:
    admin = await config_world.person("admin")
    assert problem(await admin.put(path, value)) == expected
    assert (await admin.ask("PUT", "/api/config/all/-/log.level", {"worth": 1})).status_code == 422
    assert (await admin.get())["total"] == 0
    assert (await config_world.http.get("/api/config?search=%00", headers=admin.headers)).status_code == 422


async def test_a_devices_entries_are_for_those_who_see_it_and_control_changes_them(config_world) -> None:
    owner, reader, other = [await config_world.person("configurer") for _ in range(3)]
    admin = await config_world.person("admin")
    await config_world.device("dev-1", owner)
    await config_world.share("dev-1", reader, "read")
    path = "device/dev-1/log.level"
    assert problem(await other.put(path, "DEBUG")) == (404, "unknown_device", "device_id")
    assert problem(await reader.put(path, "DEBUG"))[:2] == (403, "device_control_needed")
    assert (await owner.put(path, "DEBUG")).status_code == 201
    assert (await admin.put(path, "INFO", If_Match='"1"')).status_code == 200
    assert (await reader.ask("GET", f"/api/config/{path}")).json()["value"] == "INFO"
    for url in (f"/{path}", f"/{path}/history", "/effective/dev-1", "/diff?device_id=dev-1"):
        absent = (await other.ask("GET", f"/api/config{url.replace('dev-1', 'dev-0')}")).json()
        hidden = (await other.ask("GET", f"/api/config{url}")).json()
        assert {**hidden, "instance": ""} == {**absent, "instance": ""}
        assert hidden["status"] == 404
    assert problem(await other.ask("DELETE", f"/api/config/{path}", If_Match="*"))[0] == 404
    assert problem(await reader.ask("DELETE", f"/api/config/{path}", If_Match="*"))[0] == 403
    assert (await other.put("all/-/log.level", "ERROR")).status_code == 201
    assert [e["id"] for e in (await reader.get())["items"]] == ["all//log.level", path]
    assert [e["id"] for e in (await other.get())["items"]] == ["all//log.level"]
    assert (await other.get("/applied"))["items"] == []
    assert [a["entry"]["id"] for a in (await reader.get("/applied"))["items"]] == [path]


async def test_a_list_is_filtered_searched_and_paged(config_world) -> None:
    admin = await config_world.person("admin")
    await config_world.device("dev_1", admin)
    for path, value in (
        ("all/-/log.level", "INFO"),
        ("all/-/outbox.policy", "thin"),
        ("group/north hall/log.level", "DEBUG"),
        ("group/a/b/log.level", "ERROR"),
        ("device/dev_1/telemetry.interval_ms", 250),
    ):
        assert (await admin.put(path, value)).status_code == 201

    async def ids(**query: Any) -> list[str]:
        return [entry["id"] for entry in (await admin.get(**query))["items"]]

    everything = await ids()
    assert everything == sorted(everything)
    assert len(everything) == 5
    assert await ids(scope="group") == ["group/a/b/log.level", "group/north hall/log.level"]
    assert await ids(target="north hall") == ["group/north hall/log.level"]
    assert await ids(key="log.level", scope="all") == ["all//log.level"]
    assert await ids(search="THIN") == ["all//outbox.policy"]
    assert await ids(search="dev_") == ["device/dev_1/telemetry.interval_ms"]
    assert await ids(search="25") == ["device/dev_1/telemetry.interval_ms"]
    assert await ids(search="%") == []
    first = await admin.get(limit=2)
    assert (first["total"], first["limit"], len(first["items"])) == (5, 2, 2)
    assert first["live"]["topic"] == "config"
    assert await ids(limit=2) + await ids(limit=2, page=2) + await ids(limit=2, page=3) == everything
    assert (await admin.ask("GET", "/api/config/group/a%2Fb/log.level")).json()["value"] == "ERROR"


async def test_custom_keys_are_declared_and_their_entries_fit_them(config_world) -> None:
    admin = await config_world.person("admin")
    spec = {"type": "number", "minimum": 0, "maximum": 10, "default": 2.5, "unit": "bar"}
    key = {"key": "custom.pump.pressure", "spec": spec}
    once = await admin.ask("POST", "/api/config/keys", key, Idempotency_Key="one")
    twice = await admin.ask("POST", "/api/config/keys", key, Idempotency_Key="one")
    assert (once.status_code, once.headers["ETag"], once.json()) == (201, '"1"', twice.json())
    assert twice.headers["Idempotency-Replayed"] == "true"
    assert problem(await admin.ask("POST", "/api/config/keys", key))[:2] == (409, "config_key_exists")
    assert problem(await admin.ask("POST", "/api/config/keys", {**key, "key": "pump"}))[:2] == (422, "not_a_custom_key")
    wrong = [
        ("default", {**spec, "default": 11}),
        ("maximum", {**spec, "maximum": -1}),
        ("choices", {**spec, "choices": ["a"]}),
        ("unit", {**spec, "unit": "\x00"}),
    ]
    for field, bad in wrong:
        found = problem(await admin.ask("POST", "/api/config/keys", {"key": "custom.b", "spec": bad}))
        assert found == (422, "invalid_spec", f"body.spec.{field}")
    assert problem(await admin.put("all/-/custom.pump.pressure", 11)) == (422, "invalid_config_value", "body.value")
    assert (await admin.put("all/-/custom.pump.pressure", 9)).status_code == 201
    path = "/api/config/keys/custom.pump.pressure"
    assert problem(await admin.ask("PUT", path, {"spec": {**spec, "maximum": 5}}, If_Match='"1"'))[:2] == (
        409,
        "config_entries_do_not_fit",
    )
    assert problem(await admin.ask("PUT", path, {"spec": spec}, If_Match='"9"'))[0] == 412
    assert (await admin.ask("PUT", path, {"spec": {**spec, "maximum": 20}}, If_Match='"1"')).json()["version"] == 2
    listed = {item["key"]: item for item in (await admin.get("/keys"))["items"]}
    assert listed["custom.pump.pressure"]["spec"]["maximum"] == 20
    assert listed["log.level"]["is_built_in"] is True
    assert problem(await admin.ask("PUT", "/api/config/keys/log.level", {"spec": spec}, If_Match="*"))[0] == 422
    assert problem(await admin.ask("DELETE", path, If_Match='"2"'))[:2] == (409, "config_key_in_use")
    assert (await admin.ask("DELETE", f"{path}?force=true", If_Match='"2"')).status_code == 204
    assert problem(await admin.ask("GET", path))[0] == 404
    assert (await admin.get())["total"] == 0
    changed = await config_world.told(CONFIG_STREAM)
    assert [(c["id"], c["version"], c["is_deleted"]) for c in changed] == [
        ("all//custom.pump.pressure", 1, False),
        ("all//custom.pump.pressure", 2, True),
    ]
    actions = [event["action"] for event in await config_world.told(AUDIT_STREAM) if event["outcome"] == "success"]
    assert actions == ["config_key.created", "config.created", "config_key.changed", "config_key.deleted"]


async def test_a_change_is_in_the_log_on_the_stream_and_in_the_audit_at_once(config_world) -> None:
    admin = await config_world.person("admin")
    await config_world.device("dev-1", admin, groups=("hall",))
    await admin.put("group/hall/log.level", "DEBUG")
    await admin.put("group/other/log.level", "DEBUG")
    await admin.put("group/hall/log.level", "INFO", If_Match='"1"')
    await admin.ask("DELETE", "/api/config/group/other/log.level", If_Match="*")
    told = await config_world.told(CONFIG_STREAM)
    assert [(e["target"], e["value"], e["version"], e["is_deleted"]) for e in told] == [
        ("hall", "DEBUG", 1, False),
        ("other", "DEBUG", 1, False),
        ("hall", "INFO", 2, False),
        ("other", None, 2, True),
    ]
    audits = [event for event in await config_world.told(AUDIT_STREAM) if event["outcome"] == "success"]
    assert [(a["action"], a["before"], a["after"]) for a in audits] == [
        ("config.created", None, {"value": "DEBUG"}),
        ("config.created", None, {"value": "DEBUG"}),
        ("config.changed", {"value": "DEBUG"}, {"value": "INFO"}),
        ("config.deleted", {"value": "DEBUG"}, None),
    ]
    assert {a["actor"]["id"] for a in audits} == {str(admin.id)}
    log = await config_world.db.fetch(
        "select id, version, is_deleted from sync.entry where entity = 'config' order by 1"
    )
    assert [tuple(row) for row in log] == [("group/hall/log.level", 2, False), ("group/other/log.level", 2, True)]
    members = await config_world.db.fetch("select row_id from sync.membership where entity = 'config' and is_member")
    assert [row[0] for row in members] == ["group/hall/log.level"]
    view = await config_world.db.fetchrow("select * from sync.config_view")
    assert (view["id"], view["value"], view["version"]) == ("group/hall/log.level", '"INFO"', 2)


async def test_the_nearest_entry_holds_and_it_shows_who_lags(config_world) -> None:
    admin = await config_world.person("admin")
    await config_world.device("dev-1", admin, groups=("b", "a"))
    await config_world.device("dev-2", admin, groups=("b",))
    for path, value in (("all/-/log.level", "ERROR"), ("group/b/log.level", "DEBUG"), ("group/a/log.level", "INFO")):
        await admin.put(path, value)
    await admin.put("all/-/outbox.policy", "thin")
    await admin.put("device/dev-2/log.level", "WARNING")

    async def setting(device_id: str, key: str) -> dict[str, Any]:
        found = await admin.get(f"/effective/{device_id}")
        return next(item for item in found["items"] if item["key"] == key)

    level = await setting("dev-1", "log.level")
    assert (level["value"], level["entry"]["id"], level["is_in_force"]) == ("INFO", "group/a/log.level", False)
    interval = await setting("dev-1", "telemetry.interval_ms")
    assert (interval["value"], interval["is_default"], interval["is_in_force"]) == (1000, True, None)
    assert (await setting("dev-2", "log.level"))["value"] == "WARNING"
    now = config_world.clock.now()
    reports = [
        AppliedConfig(id="group/a/log.level", version=1),
        AppliedConfig(id="all//outbox.policy", version=1, error="not on this disk"),
        AppliedConfig(id="all//never.was", version=1),
    ]
    await app.applied_configs(config_world.parts).note("dev-1", reports, now)
    await app.applied_configs(config_world.parts).note("dev-1", reports, now + timedelta(seconds=9))
    assert await config_world.db.fetchval("select count(*) from sync.applied_config") == 2
    level = await setting("dev-1", "log.level")
    assert (level["is_in_force"], level["applied_version"], level["error"]) == (True, 1, None)
    assert datetime.fromisoformat(level["applied_at"]) == now
    failed = await setting("dev-1", "outbox.policy")
    assert (failed["is_in_force"], failed["error"]) == (False, "not on this disk")
    lags = await config_world.db.fetch("select device_id, config_lag from sync.desktop_state order by 1")
    assert [tuple(row) for row in lags] == [("dev-1", 1), ("dev-2", 2)]
    applied = await admin.get("/applied", key="log.level")
    assert [(a["device_id"], a["entry"]["id"], a["is_in_force"]) for a in applied["items"]] == [
        ("dev-1", "group/a/log.level", True),
        ("dev-2", "device/dev-2/log.level", False),
    ]
    assert [a["device_id"] for a in (await admin.get("/applied", is_lagging=True, key="log.level"))["items"]] == [
        "dev-2"
    ]
    assert (await admin.get("/applied", device_id="dev-1"))["total"] == 2
    assert (await admin.get("/applied", is_lagging=False))["total"] == 1


async def test_devices_and_moments_are_compared(config_world) -> None:
    admin = await config_world.person("admin")
    await config_world.device("dev-1", admin, groups=("a",))
    await config_world.device("dev-2", admin)
    await admin.put("group/a/log.level", "DEBUG")
    begin = config_world.clock.now()
    config_world.clock.advance(60)
    await admin.put("group/a/log.level", "ERROR", If_Match="*")
    await admin.put("device/dev-1/outbox.policy", "thin")
    middle = config_world.clock.now()
    config_world.clock.advance(60)
    await admin.ask("DELETE", "/api/config/device/dev-1/outbox.policy", If_Match="*")

    async def diff(**query: Any) -> dict[str, tuple[Any, Any]]:
        found = await admin.get("/diff", **query)
        return {item["key"]: (item["left"]["value"], item["right"]["value"]) for item in found["items"]}

    assert await diff(device_id="dev-1", other="dev-2") == {"log.level": ("ERROR", "INFO")}
    assert await diff(device_id="dev-1") == {}
    moments = {"from": begin.isoformat(), "to": middle.isoformat()}
    assert await diff(device_id="dev-1", **moments) == {
        "log.level": ("DEBUG", "ERROR"),
        "outbox.policy": ("drop_oldest", "thin"),
    }
    assert await diff(device_id="dev-1", **{"from": middle.isoformat()}) == {"outbox.policy": ("thin", "drop_oldest")}
    long_ago = {"from": (begin - timedelta(days=1)).isoformat(), "to": begin.isoformat()}
    assert await diff(device_id="dev-1", **long_ago) == {"log.level": ("INFO", "DEBUG")}
    assert (await admin.ask("GET", "/api/config/diff?device_id=dev-1&from=yesterday")).status_code == 422


async def test_of_many_who_change_the_same_version_one_does(config_world) -> None:
    admin = await config_world.person("admin")
    path = "all/-/telemetry.interval_ms"
    created = await asyncio.gather(*(admin.put(path, 100 + n) for n in range(8)))
    assert sorted(answer.status_code for answer in created) == [201] + [428] * 7
    changed = await asyncio.gather(*(admin.put(path, 200 + n, If_Match='"1"') for n in range(8)))
    assert sorted(answer.status_code for answer in changed) == [200] + [412] * 7
    (won,) = (answer.json() for answer in changed if answer.status_code == 200)
    assert (await admin.ask("GET", f"/api/config/{path}")).json() == won
    assert (await admin.get(f"/{path}/history"))["total"] == 2
    both = await asyncio.gather(*(admin.put(f"group/g{n}/log.level", "INFO") for n in range(12)))
    assert {answer.status_code for answer in both} == {201}
    cursors = await config_world.db.fetch("select cursor from sync.entry order by cursor")
    assert len({row[0] for row in cursors}) == 13


async def test_a_key_that_goes_and_an_entry_that_comes_do_not_miss_each_other(config_world) -> None:
    admin = await config_world.person("admin")
    for n in range(6):
        key = f"custom.k{n}"
        await admin.ask("POST", "/api/config/keys", {"key": key, "spec": {"type": "boolean"}})
        put, removed = await asyncio.gather(
            admin.put(f"all/-/{key}", True), admin.ask("DELETE", f"/api/config/keys/{key}?force=true", If_Match="*")
        )
        assert removed.status_code == 204
        assert put.status_code in {201, 422}
    assert (await admin.get())["total"] == 0
