"""What part of the devices in scope a list shows, and in which order."""

from __future__ import annotations

import pytest


@pytest.fixture
async def fleet(service, admin):
    operator = await service.add_person(admin, "operator")
    devices = [
        {"id": "a", "name": "zeta", "groups": ["north"], "metadata": {"site": "Oslo", "floor": 3}},
        {"id": "b", "name": "alpha", "groups": ["north", "lab"], "metadata": {"site": "Oslo", "floor": 4}},
        {"id": "c", "name": "mid", "kind": "esp32", "metadata": {"site": "Bergen", "url": "http://x:1"}},
    ]
    for device in devices:
        await admin.call("POST", "/api/devices", device, status=201)
    await operator.call("POST", "/api/devices", {"id": "d", "name": "mid"}, status=201)
    return operator


async def ids(person, query):
    return [item["id"] for item in (await person.call("GET", f"/api/devices?{query}", status=200))["items"]]


async def test_filters_hold_together(fleet, admin):
    assert await ids(admin, "group=north") == ["a", "b"]
    assert await ids(admin, "metadata=site:Oslo") == ["a", "b"]
    assert await ids(admin, "metadata=site:Oslo&metadata=floor:4") == ["b"]
    assert await ids(admin, "metadata=url:http://x:1") == ["c"]
    assert await ids(admin, "metadata=site:") == []
    assert await ids(admin, f"owner_id={fleet.id}") == ["d"]
    assert await ids(admin, f"owner_id={admin.id}&kind=esp32") == ["c"]
    assert await ids(fleet, f"owner_id={admin.id}") == []


async def test_every_order_is_total_and_goes_on_over_pages(fleet, admin):
    assert await ids(admin, "sort=name") == ["b", "c", "d", "a"]
    assert await ids(admin, "sort=-name") == ["a", "c", "d", "b"]
    assert await ids(admin, "sort=created_at") == ["a", "b", "c", "d"]
    assert await ids(admin, "sort=-created_at") == ["d", "c", "b", "a"]
    assert await ids(admin, "sort=name&limit=2&page=2") == ["d", "a"]
    page = await admin.call("GET", "/api/devices?sort=name&limit=2", status=200)
    assert page["next_cursor"] is None


async def test_what_cannot_be_asked_is_refused(fleet, admin):
    refused = await admin.call("GET", "/api/devices?sort=name&cursor=a", status=422)
    assert (refused["code"], refused["field"]) == ("cursor_needs_id_order", "cursor")
    for query in ("sort=owner", "metadata=site", "metadata=:x", "owner_id=me", "metadata=a:%00"):
        await admin.call("GET", f"/api/devices?{query}", status=422)
