"""Nobody overwrites or deletes what they have not seen."""

from __future__ import annotations

import asyncio

import pytest

PASSWORD = "correct horse battery"


@pytest.fixture
async def things(service, admin):
    """One of each mutable resource: path, a change, and the method of the change."""
    user = await admin.call("POST", "/api/users", {"username": "eve", "password": PASSWORD}, status=201)
    role = await admin.call("POST", "/api/roles", {"name": "auditor"}, status=201)
    await admin.call("POST", "/api/devices", {"id": "press-1"}, status=201)
    return {
        "user": (f"/api/users/{user['id']}", "PATCH", {"email": "eve@here.test"}),
        "role": (f"/api/roles/{role['id']}", "PATCH", {"description": "reads"}),
        "device": ("/api/devices/press-1", "PATCH", {"name": "Press"}),
        "profile": ("/api/profile", "PUT", {"email": "admin@here.test"}),
    }


@pytest.mark.parametrize("kind", ["user", "role", "device", "profile"])
async def test_a_change_needs_the_version_that_was_seen(admin, things, kind):
    path, method, change = things[kind]
    seen = (await admin.ask("GET", path)).headers["etag"]
    missing = await admin.ask(method, path, change)
    assert (missing.status_code, missing.json()["code"]) == (428, "precondition_required")
    changed = await admin.ask(method, path, change, If_Match=seen)
    assert changed.status_code == 200
    assert changed.headers["etag"] != seen
    stale = await admin.ask(method, path, change, If_Match=seen)
    assert (stale.status_code, stale.json()["code"], stale.json()["field"]) == (412, "precondition_failed", "If-Match")
    assert (await admin.ask("GET", path)).headers["etag"] == changed.headers["etag"]


@pytest.mark.parametrize("kind", ["user", "role", "device"])
async def test_a_deletion_needs_the_version_that_was_seen(admin, things, kind):
    path, _, _ = things[kind]
    seen = (await admin.ask("GET", path)).headers["etag"]
    assert (await admin.ask("DELETE", path)).status_code == 428
    for other in ('"999"', f"W/{seen}", "nonsense", '""', '"' + "9" * 400 + '"'):
        assert (await admin.ask("DELETE", path, If_Match=other)).status_code == 412
    assert (await admin.ask("DELETE", path, If_Match=f'"7777", {seen}')).status_code == 204


async def test_of_two_changes_on_one_version_one_is_made(admin, things):
    path, method, _ = things["user"]
    seen = (await admin.ask("GET", path)).headers["etag"]
    answers = await asyncio.gather(
        *(admin.ask(method, path, {"email": f"eve{n}@here.test"}, If_Match=seen) for n in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]


async def test_a_repeated_toggle_does_not_undo_the_first(admin, things):
    path, _, _ = things["user"]
    seen = (await admin.ask("GET", path)).headers["etag"]
    first = await admin.ask("PUT", f"{path}/toggle-status", If_Match=seen)
    again = await admin.ask("PUT", f"{path}/toggle-status", If_Match=seen)
    assert (first.json()["is_active"], again.status_code) == (False, 412)


async def test_whoever_may_not_change_it_is_told_so_first(service, admin, things):
    viewer = await service.add_person(admin, "viewer")
    path, method, change = things["user"]
    assert (await viewer.ask(method, path, change)).status_code == 403
    assert (await service.http.request(method, path, json=change)).status_code == 401
