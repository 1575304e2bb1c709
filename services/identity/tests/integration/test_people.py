"""Who may change whom, with the rights that hold now."""

from __future__ import annotations

import asyncio

import pytest

PASSWORD = "correct horse battery"


@pytest.fixture
async def helpdesk(service, admin):
    """Somebody with `users:write` and a viewer's rights, and no more."""
    import uuid

    import sqlalchemy as sa

    from pulse_identity.storage.tables import role_permissions, roles

    role_id = uuid.uuid4()
    async with service.parts.database.transaction() as unit:
        now = service.parts.clock.now()
        await unit.execute(
            sa.insert(roles).values(
                id=role_id,
                name="helpdesk",
                name_key="helpdesk",
                description="",
                is_built_in=False,
                version=1,
                created_at=now,
                updated_at=now,
            )
        )
        allowed = ["users:read", "users:write", "roles:read"]
        await unit.execute(
            sa.insert(role_permissions), [{"role_id": role_id, "permission": permission} for permission in allowed]
        )
    return await service.add_person(admin, "helpdesk", "viewer")


async def test_a_stranger_gets_nothing(service):
    for method, path in (("GET", "/api/users"), ("POST", "/api/users"), ("GET", "/api/profile"), ("GET", "/api/roles")):
        answer = await service.http.request(method, path)
        assert answer.status_code == 401
        assert answer.headers["content-type"].startswith("application/problem+json")


async def test_a_viewer_cannot_read_or_change_people(service, admin):
    viewer = await service.add_person(admin, "viewer")
    await viewer.call("GET", "/api/users", status=403)
    await viewer.call("POST", "/api/users", {"username": "x2", "password": PASSWORD}, status=403)
    profile = await viewer.call("GET", "/api/profile", status=200)
    assert profile["roles"] == ["viewer"]


async def test_usernames_are_unique_whatever_the_case(admin):
    await admin.call("POST", "/api/users", {"username": "Alice", "password": PASSWORD}, status=201)
    problem = await admin.call("POST", "/api/users", {"username": "aLICE", "password": PASSWORD}, status=409)
    assert (problem["code"], problem["field"]) == ("username_taken", "username")


async def test_the_built_in_roles_are_listed_with_their_permissions(admin):
    roles = {role["name"]: role for role in (await admin.call("GET", "/api/roles", status=200))["items"]}
    assert set(roles) == {"admin", "operator", "viewer"}
    permissions = (await admin.call("GET", "/api/permissions", status=200))["items"]
    assert roles["admin"]["permissions"] == sorted(item["name"] for item in permissions)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"username": "bob", "password": "short"}, "password_too_short"),
        ({"username": "bob", "password": "password123"}, "password_too_common"),
        ({"username": "bobby.tables", "password": "Bobby.Tables"}, "password_is_username"),
        ({"username": "bob", "password": PASSWORD, "roles": ["emperor"]}, "unknown_role"),
    ],
)
async def test_a_user_that_cannot_be_is_refused_with_the_field(admin, body, code):
    problem = await admin.call("POST", "/api/users", body, status=422)
    assert problem["code"] == code
    assert problem["field"] in {"password", "roles"}


async def test_nobody_disables_demotes_or_deletes_themselves(service, admin):
    other = await service.add_person(admin, "admin")
    assert (await other.call("DELETE", f"/api/users/{other.id}", status=409))["code"] == "cannot_delete_self"
    path = f"/api/users/{other.id}/toggle-status"
    assert (await other.call("PUT", path, status=409))["code"] == "cannot_disable_self"
    demotion = {"roles": ["viewer"]}
    assert (await other.call("PATCH", f"/api/users/{other.id}", demotion, status=409))["code"] == "cannot_demote_self"


async def test_two_admins_who_demote_each_other_at_once_leave_one(service, admin):
    other = await service.add_person(admin, "admin")
    answers = await asyncio.gather(
        admin.call("PATCH", f"/api/users/{other.id}", {"roles": []}),
        other.call("PATCH", f"/api/users/{admin.id}", {"roles": []}),
    )
    assert sorted(answer.get("code", "done") for answer in answers) in (
        ["done", "last_admin"],
        ["done", "permission_missing"],
    )


async def test_no_right_can_be_given_that_the_actor_lacks(admin, helpdesk):
    body = {"username": "puppet", "password": PASSWORD, "roles": ["admin"]}
    assert (await helpdesk.call("POST", "/api/users", body, status=403))["code"] == "grant_beyond_own_rights"
    promotion = {"roles": ["helpdesk", "viewer", "admin"]}
    problem = await helpdesk.call("PATCH", f"/api/users/{helpdesk.id}", promotion, status=403)
    assert problem["code"] == "grant_beyond_own_rights"
    body["roles"] = ["viewer"]
    await helpdesk.call("POST", "/api/users", body, status=201)


async def test_an_admin_cannot_be_taken_over_by_somebody_with_less(admin, helpdesk):
    for change in ({"password": "my own password now"}, {"is_active": False}, {"email": "me@here.test"}):
        problem = await helpdesk.call("PATCH", f"/api/users/{admin.id}", change, status=403)
        assert problem["code"] == "target_has_more_rights"
    await helpdesk.call("DELETE", f"/api/users/{admin.id}", status=403)


async def test_a_disabled_user_is_out_at_once_and_back_when_enabled(service, admin):
    person = await service.add_person(admin, "viewer", username="carol")
    await admin.call("PUT", f"/api/users/{person.id}/toggle-status", status=200)
    assert (await person.call("GET", "/api/profile", status=401))["code"] == "session_ended"
    answer = await service.http.post("/api/auth/login", json={"username": "carol", "password": PASSWORD})
    assert answer.status_code == 401
    answer = await service.http.post("/api/auth/refresh", json={"refresh_token": person.tokens["refresh_token"]})
    assert answer.status_code == 401
    await admin.call("PUT", f"/api/users/{person.id}/toggle-status", status=200)
    await service.sign_in("carol")


async def test_a_new_password_ends_all_sessions_and_replaces_the_old_one(service, admin):
    person = await service.add_person(admin, "viewer", username="dora")
    await admin.call("PATCH", f"/api/users/{person.id}", {"password": "another good password"}, status=200)
    await person.call("GET", "/api/profile", status=401)
    await service.sign_in("dora", "another good password")
    answer = await service.http.post("/api/auth/login", json={"username": "dora", "password": PASSWORD})
    assert answer.status_code == 401


async def test_a_right_that_was_taken_counts_before_the_token_expires(service, admin):
    operator = await service.add_person(admin, "operator")
    await operator.call("POST", "/api/devices", {"id": "mine"}, status=201)
    await admin.call("PATCH", f"/api/users/{operator.id}", {"roles": ["viewer"]}, status=200)
    problem = await operator.call("POST", "/api/devices", {"id": "mine-2"}, status=403)
    assert problem["code"] == "permission_missing"


async def test_users_are_searched_literally_and_by_page(admin):
    for name in ("ann_1", "annx1", "zed"):
        await admin.call("POST", "/api/users", {"username": name, "password": PASSWORD}, status=201)
    page = await admin.call("GET", "/api/users?q=N_1", status=200)
    assert ([user["username"] for user in page["items"]], page["total"]) == (["ann_1"], 1)
    second = await admin.call("GET", "/api/users?limit=2&page=2", status=200)
    assert [user["username"] for user in second["items"]] == ["annx1", "zed"]


async def test_a_deleted_users_devices_stay_without_an_owner(service, admin):
    operator = await service.add_person(admin, "operator")
    await operator.call("POST", "/api/devices", {"id": "orphan"}, status=201)
    await admin.call("DELETE", f"/api/users/{operator.id}", status=204)
    assert (await admin.call("GET", "/api/devices/orphan", status=200))["owner_id"] is None
    await admin.call("GET", f"/api/users/{operator.id}", status=404)


@pytest.mark.parametrize(
    ("method", "suffix"), [("DELETE", ""), ("PUT", "/toggle-status")], ids=["delete each other", "disable each other"]
)
async def test_two_admins_who_shut_each_other_out_at_once_leave_one(service, admin, method, suffix):
    other = await service.add_person(admin, "admin")
    await asyncio.gather(
        admin.call(method, f"/api/users/{other.id}{suffix}"),
        other.call(method, f"/api/users/{admin.id}{suffix}"),
    )
    async with service.parts.work() as unit:
        assert await unit.people.lock_active_admins() == 1


async def test_many_admins_who_demote_one_another_at_once_leave_one(service, admin):
    others = [await service.add_person(admin, "admin") for _ in range(4)]
    ring = [admin, *others]
    await asyncio.gather(
        *(
            actor.call("PATCH", f"/api/users/{target.id}", {"roles": []})
            for actor in ring
            for target in ring
            if actor is not target
        )
    )
    async with service.parts.work() as unit:
        assert await unit.people.lock_active_admins() >= 1
