"""Custom roles: free combinations of permissions, but never a way to more rights."""

from __future__ import annotations

import asyncio

import pytest


async def _role(person, name, *permissions, status=201):
    return await person.call("POST", "/api/roles", {"name": name, "permissions": list(permissions)}, status=status)


@pytest.fixture
async def keeper(service, admin):
    """Somebody who keeps roles and users, with a viewer's rights."""
    await _role(admin, "keeper", "roles:read", "roles:write", "users:read", "users:write")
    return await service.add_person(admin, "keeper", "viewer")


async def test_a_role_is_made_changed_and_deleted(admin, service):
    role = await _role(admin, "Night shift", "devices:read", "alerts:read")
    person = await service.add_person(admin, "night SHIFT")
    assert person.tokens["user"]["permissions"] == ["alerts:read", "devices:read"]
    path = f"/api/roles/{role['id']}"
    changed = await admin.call("PATCH", path, {"permissions": ["telemetry:read"]}, status=200)
    assert (changed["name"], changed["permissions"], changed["version"]) == ("Night shift", ["telemetry:read"], 2)
    assert (await person.call("GET", "/api/profile", status=200))["permissions"] == ["telemetry:read"]
    await admin.call("GET", "/api/roles/00000000-0000-0000-0000-000000000000", status=404)


async def test_what_a_role_cannot_be_is_refused_with_the_field(admin):
    await _role(admin, "auditor")
    assert (await _role(admin, "AUDITOR", status=409))["code"] == "role_name_taken"
    problem = await _role(admin, "other", "rockets:launch", status=422)
    assert (problem["code"], problem["field"]) == ("unknown_permission", "permissions")
    await _role(admin, " ", status=422)


async def test_built_in_roles_cannot_be_changed_or_deleted(admin):
    for role in (await admin.call("GET", "/api/roles", status=200))["items"]:
        path = f"/api/roles/{role['id']}"
        assert (await admin.call("PATCH", path, {"permissions": []}, status=409))["code"] == "built_in_role"
        assert (await admin.call("DELETE", path, status=409))["code"] == "built_in_role"


async def test_nobody_puts_a_right_into_a_role_that_they_lack(keeper, admin):
    assert (await _role(keeper, "big", "audit:read", status=403))["code"] == "grant_beyond_own_rights"
    small = await _role(keeper, "small", "devices:read")
    path = f"/api/roles/{small['id']}"
    problem = await keeper.call("PATCH", path, {"permissions": ["devices:read", "audit:read"]}, status=403)
    assert (problem["code"], problem["field"]) == ("grant_beyond_own_rights", "permissions")
    big = await _role(admin, "big", "audit:read")
    for method, body in (("PATCH", {"permissions": []}), ("DELETE", None)):
        problem = await keeper.call(method, f"/api/roles/{big['id']}", body, status=403)
        assert problem["code"] == "role_has_more_rights"
    problem = await keeper.call("DELETE", f"{path}?reassign_to={big['id']}", status=403)
    assert (problem["code"], problem["field"]) == ("grant_beyond_own_rights", "reassign_to")


async def test_nobody_takes_rights_from_themselves_by_way_of_a_role(keeper, admin):
    (own,) = [role for role in (await keeper.call("GET", "/api/roles"))["items"] if role["name"] == "keeper"]
    problem = await keeper.call("PATCH", f"/api/roles/{own['id']}", {"permissions": ["roles:read"]}, status=409)
    assert problem["code"] == "cannot_demote_self"
    other = await _role(keeper, "other")
    problem = await keeper.call("DELETE", f"/api/roles/{own['id']}?reassign_to={other['id']}", status=409)
    assert problem["code"] == "cannot_demote_self"


async def test_a_role_in_use_is_deleted_only_with_a_successor_that_takes_users_and_shares(service, admin):
    old, new = await _role(admin, "old", "devices:read"), await _role(admin, "new", "devices:read")
    person = await service.add_person(admin, "old")
    for device_id in ("a-1", "a-2"):
        await admin.call("POST", "/api/devices", {"id": device_id}, status=201)
        await admin.call("POST", f"/api/devices/{device_id}/shares", {"role": "old", "level": "control"}, status=201)
    await admin.call("POST", "/api/devices/a-1/shares", {"role": "new", "level": "read"}, status=201)
    path = f"/api/roles/{old['id']}"
    problem = await admin.call("DELETE", path, status=409)
    assert (problem["code"], problem["field"]) == ("role_assigned", "reassign_to")
    assert (await admin.call("DELETE", f"{path}?reassign_to={old['id']}", status=422))["code"] == "unknown_role"
    await admin.call("DELETE", f"{path}?reassign_to={new['id']}", status=204)
    profile = await person.call("GET", "/api/profile", status=200)
    assert profile["roles"] == ["new"]
    for device_id in ("a-1", "a-2"):
        shares = (await admin.call("GET", f"/api/devices/{device_id}/shares"))["items"]
        assert [(share["role"], share["level"]) for share in shares] == [("new", "control")]


async def test_a_role_given_while_it_is_deleted_ends_in_one_of_two_ways(service, admin):
    for attempt in range(20):
        role = await _role(admin, f"brief {attempt}", "devices:read")
        body = {"username": f"user{attempt}", "password": "correct horse battery", "roles": [role["name"]]}
        created, deleted = await asyncio.gather(
            admin.ask("POST", "/api/users", body), admin.ask("DELETE", f"/api/roles/{role['id']}", If_Match="*")
        )
        assert (created.status_code, deleted.status_code) in {(201, 409), (409, 204), (422, 204)}


async def test_users_are_sorted_and_filtered(service, admin):
    for name, roles in (("Anna", ["viewer"]), ("bert", []), ("Carl", ["viewer"])):
        body = {"username": name, "password": "correct horse battery", "roles": roles, "email": f"z{name}@here.test"}
        await admin.call("POST", "/api/users", body, status=201)

    async def names(query):
        return [user["username"] for user in (await admin.call("GET", f"/api/users?{query}", status=200))["items"]]

    assert await names("") == ["admin", "Anna", "bert", "Carl"]
    assert await names("sort=-username") == ["Carl", "bert", "Anna", "admin"]
    assert await names("sort=-created_at&limit=2") == ["Carl", "bert"]
    assert await names("sort=email") == ["Anna", "bert", "Carl", "admin"]
    assert await names("role=VIEWER&sort=-email") == ["Carl", "Anna"]
    assert await names("is_active=false") == []
    await admin.call("GET", "/api/users?sort=password_hash", status=422)


async def test_roles_are_listed_page_by_page_searched_and_sorted_like_users(admin):
    await _role(admin, "Night shift", "devices:read")
    await _role(admin, "Day shift", "devices:read", "alerts:read")

    async def names(query):
        page = await admin.call("GET", f"/api/roles?{query}", status=200)
        return [role["name"] for role in page["items"]], page["total"]

    assert await names("") == (["admin", "Day shift", "Night shift", "operator", "viewer"], 5)
    assert await names("sort=-name&limit=2") == (["viewer", "operator"], 5)
    assert await names("sort=-name&limit=2&page=2") == (["Night shift", "Day shift"], 5)
    assert await names("sort=created_at&is_built_in=false") == (["Night shift", "Day shift"], 2)
    assert await names("q=SHIFT&sort=-created_at") == (["Day shift", "Night shift"], 2)
    assert await names("q=built-in&permission=users:write") == (["admin"], 1)
    assert await names("q=%25") == ([], 0)
    assert await names("page=9") == ([], 5)
    await admin.call("GET", "/api/roles?sort=permissions", status=422)
    await admin.call("GET", "/api/roles?limit=501", status=422)
    (page,) = [await admin.call("GET", "/api/roles?limit=1", status=200)]
    assert (page["page"], page["limit"], page["total"]) == (1, 1, 5)
