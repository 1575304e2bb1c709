"""`/api/dashboards` and `/api/preferences`: kept for one person, whole, and never by accident overwritten."""

import asyncio
from uuid import uuid4

import pytest

WIDGETS = [
    {"id": "k", "kind": "kpi", "figures": ["active_devices", "storage"]},
    {"id": "c", "kind": "chart", "series": [{"device_id": "dev-1", "metric": "temperature", "color": 3}]},
    {
        "id": "g",
        "kind": "gauge",
        "source": {"device_id": "dev-1", "metric": "m"},
        "marks": [{"at": 80, "level": "critical"}],
    },
    {"id": "i", "kind": "indicator", "source": {"device_id": "dev-1", "metric": "door"}, "alarm_on": True},
    {"id": "a", "kind": "alerts", "severity": ["critical"], "choice": {"groups": ["hall 1"]}},
    {"id": "t", "kind": "table", "metrics": ["m"], "choice": {}},
    {"id": "v", "kind": "value", "source": {"device_id": "dev-1", "metric": "m"}},
    {"id": "d", "kind": "devices"},
    {"id": "x", "kind": "text", "text": "Störung?\nRing 112"},
    {"id": "y", "kind": "commands"},
]
LAYOUTS = {"lg": [{"i": w["id"], "x": 0, "y": n, "w": 6, "h": 3} for n, w in enumerate(WIDGETS)]}


def board(name: str, **fields):
    return {"name": name, "widgets": WIDGETS, "layouts": LAYOUTS, **fields}


async def test_what_was_saved_is_read_from_another_browser_and_through_another_gateway(world) -> None:
    user = await world.user("viewer")
    async with world.gateway() as one, world.gateway() as two, one.http(user) as http, two.http(user) as other:
        assert (await http.get("/api/dashboards")).json() == {"items": []}
        made = await http.post("/api/dashboards", json=board("Pump house"))
        found = await other.get(f"/api/dashboards/{made.json()['id']}")
        listed = (await other.get("/api/dashboards")).json()["items"]
    assert made.status_code == 201, made.text
    assert made.headers["etag"] == found.headers["etag"] == '"1"'
    assert found.json() == made.json()
    assert [w["kind"] for w in found.json()["widgets"]] == [w["kind"] for w in WIDGETS]
    assert found.json()["layouts"] == LAYOUTS
    assert found.json()["is_default"] is True
    assert [(item["name"], item["widgets"]) for item in listed] == [("Pump house", 10)]


async def test_there_is_exactly_one_default_as_long_as_there_is_any(world) -> None:
    user = await world.user("viewer")
    async with world.gateway() as gateway, gateway.http(user) as http:

        async def defaults() -> list[str]:
            return [item["name"] for item in (await http.get("/api/dashboards")).json()["items"] if item["is_default"]]

        ids = {}
        for name in ("a", "b", "c"):
            ids[name] = (await http.post("/api/dashboards", json=board(name))).json()["id"]
        assert await defaults() == ["a"]
        changed = await http.put(
            f"/api/dashboards/{ids['b']}", json=board("b", is_default=True), headers={"If-Match": '"1"'}
        )
        assert changed.json()["is_default"] is True
        assert await defaults() == ["b"]
        stale = await http.put(f"/api/dashboards/{ids['a']}", json=board("a"), headers={"If-Match": '"1"'})
        assert stale.status_code == 412, "it is not the default any more: that is a change"
        kept = await http.put(f"/api/dashboards/{ids['b']}", json=board("b2"), headers={"If-Match": '"2"'})
        assert kept.json()["is_default"] is True
        refused = await http.put(
            f"/api/dashboards/{ids['b']}", json=board("b", is_default=False), headers={"If-Match": '"3"'}
        )
        assert (refused.status_code, refused.json()["code"]) == (409, "default_needed")
        assert (await http.delete(f"/api/dashboards/{ids['b']}", headers={"If-Match": "*"})).status_code == 204
        assert await defaults() == ["a"]
        await asyncio.gather(
            *(http.post("/api/dashboards", json=board(f"many {n}", is_default=True)) for n in range(6))
        )
        assert len(await defaults()) == 1


async def test_nobody_reaches_the_dashboard_of_another_not_even_an_admin(world) -> None:
    owner, admin = await world.user("viewer"), await world.user("admin")
    async with world.gateway() as gateway, gateway.http(owner) as http, gateway.http(admin) as stranger:
        made = (await http.post("/api/dashboards", json=board("mine"))).json()
        url = f"/api/dashboards/{made['id']}"
        answers = [
            await stranger.get(url),
            await stranger.put(url, json=board("theirs"), headers={"If-Match": "*"}),
            await stranger.delete(url, headers={"If-Match": "*"}),
        ]
        assert [a.status_code for a in answers] == [404] * 3
        assert (await stranger.get("/api/dashboards")).json() == {"items": []}
        assert (await http.get(url)).json() == made
    async with world.gateway() as gateway, gateway.http() as nobody:
        assert (await nobody.get("/api/dashboards")).status_code == 401
        assert (await nobody.get("/api/preferences")).status_code == 401


async def test_a_change_needs_the_version_that_was_seen(world) -> None:
    user = await world.user("viewer")
    async with world.gateway() as gateway, gateway.http(user) as http:
        url = f"/api/dashboards/{(await http.post('/api/dashboards', json=board('a'))).json()['id']}"
        assert (await http.put(url, json=board("a"))).status_code == 428
        assert (await http.put(url, json=board("a"), headers={"If-Match": '"7"'})).status_code == 412
        assert (await http.delete(url, headers={"If-Match": '"7"'})).status_code == 412
        assert (await http.put(url, json=board("a"), headers={"If-Match": '"1"'})).headers["etag"] == '"2"'


async def test_the_same_request_again_adds_nothing(world) -> None:
    user = await world.user("viewer")
    async with world.gateway() as gateway, gateway.http(user) as http:
        key = {"Idempotency-Key": uuid4().hex}
        first, again = [await http.post("/api/dashboards", json=board("a"), headers=key) for _ in range(2)]
        same_name = await http.post("/api/dashboards", json=board("a"))
        listed = (await http.get("/api/dashboards")).json()["items"]
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert (same_name.status_code, same_name.json()["code"]) == (409, "dashboard_exists")
    assert len(listed) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a\x00b"},
        {"widgets": [{"id": "a", "kind": "pie"}]},
        {"widgets": [{"id": "a", "kind": "text", "text": "x", "html": "<b>"}]},
        {"widgets": [{"id": "a", "kind": "devices"}, {"id": "a", "kind": "devices"}], "layouts": {}},
        {"layouts": {"lg": [{"i": "nobody", "x": 0, "y": 0, "w": 1, "h": 1}]}},
        {"layouts": {"huge": []}},
        {"widgets": [{"id": "a", "kind": "gauge", "source": {"device_id": "d", "metric": "m"}, "low": 5, "high": 5}]},
        {"widgets": [{"id": "a", "kind": "chart", "series": [{"device_id": "a/b", "metric": "m"}]}]},
        {"widgets": [{"id": f"w{n}", "kind": "devices"} for n in range(65)], "layouts": {}},
        {"user_id": str(uuid4())},
    ],
)
async def test_a_document_that_is_none_is_refused(world, wrong) -> None:
    user = await world.user("viewer")
    async with world.gateway() as gateway, gateway.http(user) as http:
        answer = await http.post("/api/dashboards", json=board("a") | wrong)
    assert answer.status_code == 422, answer.text


async def test_bounds_are_said(world) -> None:
    user = await world.user("viewer")
    async with world.gateway() as gateway, gateway.http(user) as http:
        large = board("a") | {"widgets": [{"id": "x", "kind": "text", "text": "y" * 300_000}], "layouts": {}}
        assert (await http.post("/api/dashboards", json=large)).status_code == 413
        made = [await http.post("/api/dashboards", json={"name": f"n{n}"}) for n in range(33)]
    assert [a.status_code for a in made] == [201] * 32 + [409]
    assert made[-1].json()["code"] == "too_many_dashboards"


async def test_preferences_are_defaults_until_they_are_saved(world) -> None:
    user = await world.user("viewer")
    async with world.gateway() as gateway, gateway.http(user) as http:
        before = await http.get("/api/preferences")
        body = {"theme": "dark", "language": "de", "density": "compact", "time_zone": "Europe/Berlin", "wall": True}
        saved = await http.put("/api/preferences", json=body, headers={"If-Match": before.headers["etag"]})
        stale = await http.put("/api/preferences", json=body, headers={"If-Match": before.headers["etag"]})
        wrong = [
            await http.put("/api/preferences", json=body | part, headers={"If-Match": "*"})
            for part in (
                {"time_zone": "Mars/Base"},
                {"time_zone": "../passwd"},
                {"time_zone": "Europe"},
                {"theme": "pink"},
            )
        ]
        after = await http.get("/api/preferences")
    assert before.json() == {
        "theme": "system", "language": None, "density": "comfortable", "wall": False, "time_zone": None, "clock": None,
        "version": 0, "updated_at": None,
    }  # fmt: skip
    assert saved.status_code == 200, saved.text
    assert stale.status_code == 412
    assert [a.status_code for a in wrong] == [422] * 4
    assert after.json() == saved.json()
    assert body.items() <= after.json().items()


async def test_the_audit_log_is_told_and_what_strangers_kept_is_forgotten(world, wait_until) -> None:
    user, gone = await world.user("viewer"), await world.user("viewer")
    async with world.gateway() as gateway, gateway.http(user) as http, gateway.http(gone) as leaving:
        await http.post("/api/dashboards", json=board("a"))
        await leaving.post("/api/dashboards", json=board("b"))
        await leaving.put("/api/preferences", json={}, headers={"If-Match": "*"})
    told = [row["entry"] for row in await world.db.fetch("select entry from gateway.outbox where event_id is not null")]
    assert sum(b'"dashboard.created"' in entry for entry in told) >= 2
    assert any(b'"preferences.changed"' in entry for entry in told)
    await world.db.execute("delete from identity.users where id = $1", gone.id)
    async with world.gateway():  # housekeeping runs when a gateway starts

        async def left() -> list[str]:
            return [row["name"] for row in await world.db.fetch("select name from gateway.dashboard order by name")]

        async with asyncio.timeout(10):
            while "b" in await left():
                await asyncio.sleep(0.01)
        assert "a" in await left()
