"""Two sides edit one row: the later wins, revocations always, nothing is lost in silence, and all converges."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

import pytest
import sqlalchemy as sa

from pulse_contracts.stamps import MAX_AHEAD_MS, stamp_milliseconds
from pulse_identity.storage.sync_tables import applied_operations, tombstones
from pulse_identity.use_cases.forget_expired import ForgetExpired

PASSWORD = "correct horse battery"
FRESH = "a fresh good password"
SERVICE = {"Authorization": "Bearer between-services-in-tests-only"}
HOUR_MS = 3_600_000


def now_ms():
    return time.time_ns() // 1_000_000


@pytest.fixture
async def user(admin):
    body = {"username": "dora", "password": PASSWORD, "email": "d@here.test", "roles": ["viewer", "operator"]}
    return await admin.call("POST", "/api/users", body, status=201)


@pytest.fixture
async def role_ids(admin):
    return {row["name"]: row["id"] for row in (await admin.call("GET", "/api/roles"))["items"]}


async def test_the_later_edit_wins_and_the_loser_is_reported_whole(admin, desk, user, row_of):
    path = f"/api/users/{user['id']}"
    await admin.call("PATCH", path, {"email": "web@here.test"}, status=200)
    web = await row_of("users", user["id"])
    (early,) = await desk.push(
        desk.edit(
            admin.id, "users", user["id"], 1, {"email": "desk@here.test", "username": "desk"}, at_ms=now_ms() - HOUR_MS
        )
    )
    assert (early.outcome, early.row.version, early.row.fields["email"]) == ("conflict_lost", 2, "web@here.test")
    report = early.conflict
    assert (report.winner, report.desktop_fields) == ("server", {"email": "desk@here.test", "username": "desk"})
    assert (report.server_fields, report.server_stamp) == (web["fields"], web["updated_at"])
    assert (report.server_updated_by, report.applied) == (admin.id, [])

    (late,) = await desk.push(
        desk.edit(admin.id, "users", user["id"], 1, {"email": "desk@here.test"}, at_ms=now_ms() + 1000)
    )
    assert (late.outcome, late.row.version, late.row.fields["email"]) == ("applied", 3, "desk@here.test")
    assert (late.conflict.winner, late.conflict.server_fields["email"]) == ("desktop", "web@here.test")
    assert late.conflict.applied == ["email"]

    # A clock that is too far ahead is cut to the server's time, and does not win for ever.
    (ahead,) = await desk.push(
        desk.edit(admin.id, "users", user["id"], 3, {"email": ""}, at_ms=now_ms() + 2 * MAX_AHEAD_MS)
    )
    assert stamp_milliseconds(ahead.row.updated_at) < now_ms() + MAX_AHEAD_MS


async def test_what_the_web_revoked_no_later_desktop_gives_back(service, admin, desk, user, role_ids, row_of):
    path = f"/api/users/{user['id']}"
    await admin.call("PUT", f"{path}/toggle-status", status=200)
    await admin.call("PATCH", path, {"roles": ["viewer"]}, status=200)
    later = {"is_active": True, "roles_added": [role_ids["operator"]], "email": "later@here.test"}
    (outcome,) = await desk.push(desk.edit(admin.id, "users", user["id"], 1, later, at_ms=now_ms() + 1000))
    assert (outcome.outcome, outcome.conflict.winner, outcome.conflict.applied) == ("applied", "desktop", ["email"])
    fields = outcome.row.fields
    assert (fields["is_active"], fields["roles"], fields["email"]) == (False, [role_ids["viewer"]], "later@here.test")
    (only,) = await desk.push(desk.edit(admin.id, "users", user["id"], 1, {"is_active": True}, at_ms=now_ms() + 2000))
    assert (only.outcome, only.conflict.winner, only.row.version) == ("conflict_lost", "server", 4)
    # Somebody who has seen it may give it back.
    (seen,) = await desk.push(desk.edit(admin.id, "users", user["id"], 4, {"is_active": True}))
    assert (seen.outcome, seen.conflict, seen.row.fields["is_active"]) == ("applied", None, True)


async def test_what_a_desktop_revoked_wins_over_a_later_web(service, admin, desk, user, role_ids, row_of):
    path = f"/api/users/{user['id']}"
    dora = await service.sign_in("dora")
    await admin.call("PATCH", path, {"email": "web@here.test", "roles": ["viewer", "operator"]}, status=200)
    early = {"is_active": False, "roles_removed": [role_ids["operator"]], "email": "early@here.test"}
    (outcome,) = await desk.push(desk.edit(admin.id, "users", user["id"], 1, early, at_ms=now_ms() - HOUR_MS))
    removed = f"roles:{role_ids['operator']}"
    assert (outcome.outcome, outcome.conflict.winner) == ("conflict_lost", "server")
    assert outcome.conflict.applied == ["is_active", removed]
    fields = outcome.row.fields
    assert (fields["is_active"], fields["roles"], fields["email"]) == (False, [role_ids["viewer"]], "web@here.test")
    row = await row_of("users", user["id"])
    assert row["revoked"] == {"is_active": 3, removed: 3}
    assert row["updated_at"] == outcome.row.updated_at > outcome.conflict.server_stamp
    assert (await dora.ask("GET", "/api/profile")).status_code == 401
    (deletion,) = await desk.push(
        desk.edit(admin.id, "users", user["id"], 1, {"deleted": True}, at_ms=now_ms() - HOUR_MS)
    )
    assert (deletion.outcome, deletion.conflict.applied, deletion.row.deleted) == ("conflict_lost", ["deleted"], True)
    assert await row_of("users", user["id"]) is None


async def test_of_two_new_passwords_the_later_stands(service, admin, desk, user):
    await admin.call("PATCH", f"/api/users/{user['id']}", {"password": FRESH}, status=200)
    edit = {"password": desk.seal_password("an older password")}
    (old,) = await desk.push(desk.edit(admin.id, "users", user["id"], 1, edit, at_ms=now_ms() - HOUR_MS))
    assert (old.outcome, old.conflict.applied, old.conflict.desktop_fields) == ("conflict_lost", [], {"password": True})
    await service.sign_in("dora", FRESH)
    edit = {"password": desk.seal_password("the newest password")}
    (new,) = await desk.push(desk.edit(admin.id, "users", user["id"], 1, edit, at_ms=now_ms() + 1000))
    assert (new.outcome, new.conflict.applied) == ("applied", ["password"])
    await service.sign_in("dora", "the newest password")


async def test_the_same_operation_sent_many_times_at_once_is_applied_once(service, admin, desk, user, changes, row_of):
    await changes()
    operation = desk.edit(admin.id, "users", user["id"], 1, {"email": "once@here.test"})
    new = desk.edit(admin.id, "roles", str(uuid4()), 0, {"name": "made-once"})
    token, new_token = desk.sign(operation), desk.sign(new)
    answers = await asyncio.gather(*(desk.push(token, new_token) for _ in range(6)))
    assert all(answer == answers[0] for answer in answers)
    assert [outcome.outcome for outcome in answers[0]] == ["applied", "applied"]
    assert sorted((news.entity, news.version) for news in await changes()) == [("roles", 1), ("users", 2)]


async def test_many_desktops_on_one_row_at_once_lose_nothing_in_silence(admin, desk, enrol, user, changes, row_of):
    await changes()
    desks = [desk, await enrol(), await enrol()]
    at = now_ms()
    pushes = [
        peer.push(peer.edit(admin.id, "users", user["id"], 1, {"email": f"from-{n}@here.test"}, at_ms=at + n))
        for n, peer in enumerate(desks)
    ]
    outcomes = [outcome for (outcome,) in await asyncio.gather(*pushes)]
    row = await row_of("users", user["id"])
    assert row["fields"]["email"] == "from-2@here.test", "the latest, in whatever order they came"
    applied = [outcome for outcome in outcomes if outcome.outcome == "applied"]
    assert row["version"] == 1 + len(applied) == 1 + len(await changes())
    assert sum(outcome.conflict is not None for outcome in outcomes) == len(desks) - 1


async def test_what_lost_is_restored_with_the_rights_of_now(service, admin, user, row_of, changes):
    await changes()

    async def restore(actor, fields, row_id=user["id"], entity="users"):
        body = {"actor": actor, "entity": entity, "id": row_id, "fields": fields}
        answer = await service.http.post("/internal/restores", json=body, headers=SERVICE)
        return answer.status_code, answer.json()

    status, row = await restore(admin.id, {"email": "back@here.test", "password": True})
    assert (status, row["fields"]["email"], row["version"]) == (200, "back@here.test", 2)
    assert (row["source"], row["updated_by"]) == ("web", admin.id)
    assert [(news.id, news.version) for news in await changes()] == [(user["id"], 2)]
    viewer = await service.add_person(admin, "viewer")
    refused = [
        await restore(viewer.id, {"email": ""}),
        await restore(str(uuid4()), {"email": ""}),
        await restore(admin.id, {"email": "none"}),
        await restore(admin.id, {"password": "x"}),
        await restore(admin.id, {"email": ""}, row_id=str(uuid4())),
        await restore(admin.id, {"name": "xx"}, row_id=str(uuid4()), entity="roles"),
    ]
    assert [(status, problem["code"]) for status, problem in refused] == [
        (403, "permission_missing"),
        (403, "unknown_actor"),
        (422, "invalid"),
        (422, "password_not_restorable"),
        (404, "unknown_user"),
        (404, "unknown_role"),
    ]
    assert (await row_of("users", user["id"]))["version"] == 2


async def test_tombstones_and_answers_are_kept_for_their_time_and_no_longer(service, admin, desk, user):
    (outcome,) = await desk.push(desk.edit(admin.id, "users", user["id"], 1, {"deleted": True}))
    assert outcome.outcome == "applied"

    async def left():
        async with service.parts.database.read() as session:
            return [await session.scalar(sa.select(sa.func.count()).select_from(table)) for table in tables]

    tables = (tombstones, applied_operations)
    forget = ForgetExpired(service.parts.work, service.parts.clock)
    await forget()
    assert await left() == [1, 1]
    async with service.parts.database.transaction() as session:
        await session.execute(sa.text("update identity.tombstones set deleted_at = now() - interval '179 days'"))
        await session.execute(sa.text("update identity.applied_operations set at = now() - interval '181 days'"))
    await forget()
    assert await left() == [1, 0]
    async with service.parts.database.transaction() as session:
        await session.execute(sa.text("update identity.tombstones set deleted_at = now() - interval '181 days'"))
    await forget()
    assert await left() == [0, 0]
