"""Whatever changes a person or a role moves its version once, stamps it, and is told in the same transaction."""

from __future__ import annotations

import asyncio
import dataclasses
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from pulse_chassis.bearer import route_rules
from pulse_chassis.health import HealthRegistry
from pulse_contracts.stamps import NO_STAMP
from pulse_identity import app as identity
from pulse_identity.http.routed_app import routed_app
from pulse_identity.storage.sync_tables import tombstones
from pulse_identity.storage.tables import permissions, role_permissions, roles

PASSWORD = "correct horse battery"
FRESH = "a fresh good password"
NO_ROW = {
    # Sessions are no rows.
    ("DELETE", "/api/users/{user_id}/sessions"),
    ("DELETE", "/api/users/{user_id}/sessions/{session_id}"),
    ("DELETE", "/api/profile/sessions"),
    ("DELETE", "/api/profile/sessions/{session_id}"),
}
DRIVEN = {
    ("POST", "/api/users"),
    ("PATCH", "/api/users/{user_id}"),
    ("PUT", "/api/users/{user_id}/toggle-status"),
    ("DELETE", "/api/users/{user_id}"),
    ("POST", "/api/roles"),
    ("PATCH", "/api/roles/{role_id}"),
    ("DELETE", "/api/roles/{role_id}"),
    ("PUT", "/api/profile"),
    ("PUT", "/api/profile/password"),
    ("POST", "/api/auth/register"),
}


@pytest.fixture
def moved(row_of, changes):
    """Check that exactly these rows moved by one version, or went away, since the last time; return them by id."""
    known: dict[str, tuple[int, str]] = {}

    async def check(entity, *ids, by=None, source="web"):
        told = await changes()
        assert sorted((news.entity, news.id) for news in told) == sorted((entity, row_id) for row_id in ids)
        found = {}
        for news in told:
            version, stamp = known.get(news.id, (news.version - 1, NO_STAMP))
            assert news.version == version + 1
            row = await row_of(entity, news.id)
            if row is not None:
                assert row["version"] == news.version
                assert row["updated_at"] > stamp
                assert (row["source"], by is None or row["updated_by"] == by) == (source, True)
                known[news.id] = (news.version, row["updated_at"])
            found[news.id] = row
        return found

    return check


def test_no_route_that_changes_people_or_roles_is_left_out():
    rules = route_rules(routed_app(identity.SERVICE, HealthRegistry(), CollectorRegistry(), None))
    prefixes = ("/api/users", "/api/roles", "/api/profile", "/api/auth/register", "/api/permissions")
    ours = {(method, path) for method, path, _ in rules if path.startswith(prefixes) and method not in {"GET", "*"}}
    assert ours == DRIVEN | NO_ROW


async def test_every_change_of_a_user_moves_the_row_once_and_is_told(service, admin, changes, moved, reader):
    await changes()
    body = {"username": "dora", "password": PASSWORD, "email": "d@here.test", "roles": ["viewer", "operator"]}
    user = await admin.call("POST", "/api/users", body, status=201)
    path = f"/api/users/{user['id']}"
    role_ids = {row["name"]: row["id"] for row in (await admin.call("GET", "/api/roles"))["items"]}
    row = (await moved("users", user["id"], by=admin.id))[user["id"]]
    held = sorted([role_ids["operator"], role_ids["viewer"]])
    assert row["fields"] == {"username": "dora", "email": "d@here.test", "is_active": True, "roles": held}
    assert (row["version"], row["revoked"]) == (1, {})

    await admin.call("PATCH", path, {"username": "Dora", "email": ""}, status=200)
    row = (await moved("users", user["id"]))[user["id"]]
    assert (row["fields"]["username"], row["fields"]["email"], row["revoked"]) == ("Dora", None, {})
    await admin.call("PATCH", path, {"roles": ["viewer"]}, status=200)
    row = (await moved("users", user["id"]))[user["id"]]
    assert row["revoked"] == {f"roles:{role_ids['operator']}": 3}
    await admin.call("PATCH", path, {"password": FRESH}, status=200)
    row = (await moved("users", user["id"]))[user["id"]]
    assert row["revoked"]["password"] == 4
    dora = await service.sign_in("dora", FRESH)
    await moved("users")

    await dora.call("PUT", "/api/profile", {"email": "dora@here.test"}, status=200)
    await moved("users", user["id"], by=user["id"])
    body = {"current_password": FRESH, "new_password": PASSWORD}
    await dora.call("PUT", "/api/profile/password", body, status=204)
    row = (await moved("users", user["id"], by=user["id"]))[user["id"]]
    assert row["revoked"]["password"] == 6

    await admin.call("PUT", f"{path}/toggle-status", status=200)
    assert (await moved("users", user["id"]))[user["id"]]["revoked"]["is_active"] == 7
    await admin.call("PUT", f"{path}/toggle-status", status=200)
    assert (await moved("users", user["id"]))[user["id"]]["revoked"]["is_active"] == 7
    parts = service.parts
    await identity.ResetPassword(parts.work, parts.hasher, parts.clock)("dora", FRESH)
    row = (await moved("users", user["id"], by="identity"))[user["id"]]
    assert row["revoked"]["password"] == 9

    await admin.call("PATCH", path, {"username": "admin"}, status=409)
    await moved("users")
    await admin.call("DELETE", path, status=204)
    assert await moved("users", user["id"]) == {user["id"]: None}
    async with parts.database.read() as session:
        grave = (await session.execute(sa.select(tombstones))).one()
    assert (grave.entity, grave.id, grave.version, grave.deleted_by) == ("users", user["id"], 10, admin.id)
    assert grave.stamp > row["updated_at"]
    assert "argon2" not in str(await reader.fetch("select * from identity.synced_row"))


async def test_every_change_of_a_role_moves_the_row_once_and_its_holders_where_they_lose_it(
    service, admin, moved, changes
):
    await changes()
    role = await admin.call(
        "POST", "/api/roles", {"name": "auditor", "permissions": ["audit:read", "users:read"]}, status=201
    )
    path = f"/api/roles/{role['id']}"
    row = (await moved("roles", role["id"], by=admin.id))[role["id"]]
    fields = {"name": "auditor", "description": "", "is_built_in": False, "permissions": ["audit:read", "users:read"]}
    assert row["fields"] == fields
    people = [
        await admin.call(
            "POST", "/api/users", {"username": name, "password": PASSWORD, "roles": ["auditor"]}, status=201
        )
        for name in ("one-a", "one-b")
    ]
    await moved("users", *(person["id"] for person in people))
    await admin.call("PATCH", path, {"name": "Auditor", "description": "reads"}, status=200)
    assert (await moved("roles", role["id"]))[role["id"]]["revoked"] == {}
    await admin.call("PATCH", path, {"permissions": ["audit:read", "roles:read"]}, status=200)
    row = (await moved("roles", role["id"]))[role["id"]]
    assert row["fields"]["permissions"] == ["audit:read", "roles:read"]
    assert row["revoked"] == {"permissions:users:read": 3}

    heir = await admin.call("POST", "/api/roles", {"name": "heir"}, status=201)
    await moved("roles", heir["id"])
    await admin.call("DELETE", path, status=409)
    await moved("roles")
    await admin.call("DELETE", f"{path}?reassign_to={heir['id']}", status=204)
    told = await changes()
    assert {(news.entity, news.id, news.version) for news in told} == {
        ("roles", role["id"], 4),
        *(("users", person["id"], 2) for person in people),
    }
    async with service.parts.work() as unit:
        known = await unit.synced_rows.known("users", UUID(people[0]["id"]))
        dead = await unit.synced_rows.known("roles", UUID(role["id"]))
    assert known.row.fields["roles"] == [heir["id"]]
    assert known.state.revoked == {f"roles:{role['id']}": 2}
    assert (dead.state.is_deleted, dead.state.version) == (True, 4)
    await service.sign_in("one-a")
    assert (await admin.call("GET", f"/api/users/{people[0]['id']}"))["version"] == 2


async def test_a_role_is_handed_over_while_its_holders_change(admin, row_of):
    roles = [await admin.call("POST", "/api/roles", {"name": name}, status=201) for name in ("old-one", "new-one")]
    body = {"password": PASSWORD, "roles": ["old-one"]}
    people = [await admin.call("POST", "/api/users", {"username": f"p-{n}", **body}, status=201) for n in range(4)]
    gifts = [
        admin.ask("PATCH", f"/api/users/{person['id']}", {"roles": ["old-one", "new-one"]}, If_Match="*")
        for person in people
    ]
    path = f"/api/roles/{roles[0]['id']}?reassign_to={roles[1]['id']}"
    handed, *given = await asyncio.gather(admin.ask("DELETE", path, If_Match="*"), *gifts)
    assert handed.status_code == 204
    assert {answer.status_code for answer in given} <= {200, 409, 422}, "whoever came too late is told so"
    for person in people:
        row = await row_of("users", person["id"])
        assert row["fields"]["roles"] == [roles[1]["id"]]
        assert row["revoked"] == {f"roles:{roles[0]['id']}": row["version"]}


async def test_who_registers_themselves_is_told(service, changes, moved):
    await changes()
    parts = dataclasses.replace(
        service.parts,
        settings=service.parts.settings.model_copy(update={"identity_registration": True}),
        registry=CollectorRegistry(),
    )
    transport = httpx.ASGITransport(identity.make_app(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://identity.test") as http:
        answer = await http.post("/api/auth/register", json={"username": "walk-in", "password": PASSWORD})
    assert answer.status_code == 201
    await moved("users", answer.json()["id"], by="identity")


async def test_a_start_that_changes_built_ins_moves_exactly_those_roles(service, changes, row_of):
    told = {(news.entity, news.id) for news in await changes()}
    async with service.parts.database.read() as session:
        ids = {row.name: str(row.id) for row in await session.execute(sa.select(roles))}
        names = set((await session.execute(sa.select(permissions.c.name))).scalars())
    assert {("roles", row_id) for row_id in ids.values()} <= told
    assert {row_id for entity, row_id in told if entity == "permissions"} == names
    await identity.prepare(service.parts)
    assert await changes() == []
    async with service.parts.database.transaction() as session:
        await session.execute(sa.insert(permissions).values(name="old:right", description="of an older version"))
        await session.execute(sa.insert(role_permissions).values(role_id=UUID(ids["viewer"]), permission="old:right"))
    await identity.prepare(service.parts)
    assert [(news.entity, news.id, news.version) for news in await changes()] == [
        ("permissions", "old:right", 1),
        ("roles", ids["viewer"], 2),
    ]
    row = await row_of("roles", ids["viewer"])
    assert (row["revoked"], row["updated_by"]) == ({"permissions:old:right": 2}, "identity")
    assert await row_of("permissions", "old:right") is None


async def test_stamps_of_a_row_grow_also_when_the_clock_steps_back(service, admin, row_of):
    user = await admin.call("POST", "/api/users", {"username": "ahead", "password": PASSWORD}, status=201)
    future = "9000000000000-0003"
    async with service.parts.database.transaction() as session:
        await session.execute(
            sa.text("update identity.users set stamp = :stamp where username = 'ahead'"), {"stamp": future}
        )
    await admin.call("PATCH", f"/api/users/{user['id']}", {"email": "a@here.test"}, status=200)
    assert (await row_of("users", user["id"]))["updated_at"] == "9000000000000-0004"
