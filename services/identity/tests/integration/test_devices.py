from __future__ import annotations


async def test_a_registered_device_is_listed_and_its_key_is_shown_once(service, admin):
    new = await admin.call("POST", "/api/devices", {"id": "DESK-1", "name": "Desk"}, status=201)
    assert len(new["api_key"]) > 50
    page = await admin.call("GET", "/api/devices", status=200)
    assert [item["id"] for item in page["items"]] == ["DESK-1"]
    assert new["api_key"] not in str(page)
    one = await admin.call("GET", "/api/devices/DESK-1", status=200)
    assert one["keys"][0]["prefix"] == new["key_prefix"] == new["api_key"][:12]
