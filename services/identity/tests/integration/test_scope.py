"""A device outside one's scope does not exist: not in lists, not in counts, not by guessing ids."""

from __future__ import annotations

import pytest


@pytest.fixture
async def owner(service, admin):
    person = await service.add_person(admin, "operator", username="owner")
    await person.call("POST", "/api/devices", {"id": "secret-1", "name": "Press"}, status=201)
    return person


@pytest.fixture
async def stranger(service, admin):
    return await service.add_person(admin, "operator", username="stranger")


def _without_request_id(problem):
    return {name: value for name, value in problem.items() if name != "instance"}


async def test_a_stranger_sees_no_trace_of_the_device(owner, stranger):
    page = await stranger.call("GET", "/api/devices?q=secret", status=200)
    assert (page["items"], page["total"]) == ([], 0)
    attempts = [
        ("GET", "", None),
        ("PATCH", "", {"name": "mine now"}),
        ("DELETE", "", None),
        ("POST", "/rotate-key", None),
        ("POST", "/enable", None),
        ("POST", "/disable", None),
        ("GET", "/shares", None),
        ("POST", "/shares", {"user": "stranger", "level": "control"}),
    ]
    for method, suffix, body in attempts:
        hidden = await stranger.call(method, f"/api/devices/secret-1{suffix}", body, status=404)
        absent = await stranger.call(method, f"/api/devices/absent-1{suffix}", body, status=404)
        assert _without_request_id(hidden) == _without_request_id(absent)


async def test_a_share_shows_the_device_at_its_level_and_no_more(owner, stranger):
    share = await owner.call("POST", "/api/devices/secret-1/shares", {"user": "stranger"}, status=201)
    seen = await stranger.call("GET", "/api/devices/secret-1", status=200)
    assert (seen["access"], seen["owner_name"]) == ("read", "owner")
    await stranger.call("PATCH", "/api/devices/secret-1", {"name": "mine"}, status=403)
    raised = {"user": "STRANGER", "level": "control"}
    again = await owner.call("POST", "/api/devices/secret-1/shares", raised, status=201)
    assert again["id"] == share["id"]
    changed = await stranger.call("PATCH", "/api/devices/secret-1", {"groups": ["hall 2"]}, status=200)
    assert (changed["groups"], changed["access"]) == (["hall 2"], "control")
    for suffix in ("rotate-key", "disable"):
        problem = await stranger.call("POST", f"/api/devices/secret-1/{suffix}", status=403)
        assert problem["code"] == "device_forbidden"
    await owner.call("DELETE", f"/api/devices/secret-1/shares/{share['id']}", status=204)
    await stranger.call("GET", "/api/devices/secret-1", status=404)


async def test_a_share_with_a_role_is_for_all_who_have_it(service, admin, owner):
    viewer = await service.add_person(admin, "viewer")
    await viewer.call("GET", "/api/devices/secret-1", status=404)
    await owner.call("POST", "/api/devices/secret-1/shares", {"role": "viewer"}, status=201)
    assert (await viewer.call("GET", "/api/devices", status=200))["total"] == 1
    await viewer.call("PATCH", "/api/devices/secret-1", {"name": "x"}, status=403)


async def test_an_owner_cannot_give_a_device_away_but_an_admin_can(admin, owner, stranger):
    gift = {"owner_id": stranger.id}
    await owner.call("PATCH", "/api/devices/secret-1", gift, status=403)
    await owner.call("POST", "/api/devices", {"id": "gift", "owner_id": stranger.id}, status=403)
    await admin.call("PATCH", "/api/devices/secret-1", gift, status=200)
    await owner.call("GET", "/api/devices/secret-1", status=404)
    assert (await stranger.call("GET", "/api/devices/secret-1", status=200))["access"] == "owner"


async def test_a_deleted_devices_id_cannot_be_taken_by_somebody_else(admin, owner, stranger):
    await owner.call("DELETE", "/api/devices/secret-1", status=204)
    problem = await stranger.call("POST", "/api/devices", {"id": "secret-1"}, status=409)
    assert problem["code"] == "device_id_taken"
    await owner.call("POST", "/api/devices", {"id": "secret-1"}, status=201)


async def test_a_taken_id_is_told_without_saying_by_whom(owner, stranger):
    problem = await stranger.call("POST", "/api/devices", {"id": "secret-1"}, status=409)
    assert "owner" not in str(problem)


async def test_pages_follow_a_cursor_and_filters(admin):
    body = {"devices": [{"id": f"d-{n}", "groups": ["even" if n % 2 == 0 else "odd"]} for n in range(7)]}
    await admin.call("POST", "/api/devices/batch", body, status=201)
    seen, cursor = [], ""
    while True:
        page = await admin.call("GET", f"/api/devices?limit=3{cursor}", status=200)
        assert page["total"] == 7
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [f"d-{n}" for n in range(7)]
    odd = await admin.call("GET", "/api/devices?group=odd", status=200)
    assert (odd["total"], odd["live"]["topic"]) == (3, "devices")
    await admin.call("POST", "/api/devices/d-1/disable", status=200)
    off = await admin.call("GET", "/api/devices?is_active=false", status=200)
    assert [item["id"] for item in off["items"]] == ["d-1"]


@pytest.mark.parametrize(
    "body",
    [
        {"id": "has/slash"},
        {"id": "+"},
        {"id": ""},
        {"name": "line\nbreak"},
        {"metadata": {"text": "nul \0 inside"}},
        {"metadata": {"text": "x" * 9000}},
        {"metadata": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}}},
        {"unknown": 1},
        {"groups": ["g"] * 33},
    ],
)
async def test_a_malformed_device_is_refused_with_the_field(admin, body):
    problem = await admin.call("POST", "/api/devices", body, status=422)
    assert problem["errors"]
