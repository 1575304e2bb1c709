"""Desktops' operations: believed only when signed, applied once, by the one rule, with the rights of now."""

from __future__ import annotations

import base64
import json
import time
from uuid import uuid4

import pytest
import sqlalchemy as sa
import structlog

from pulse_contracts.audit import AuditEvent
from pulse_contracts.operations import MAX_OPERATION_BYTES
from pulse_contracts.stamps import stamp_milliseconds
from pulse_contracts.streams import AUDIT_STREAM
from pulse_identity.storage.sync_tables import applied_operations
from pulse_identity.storage.tables import outbox

PASSWORD = "correct horse battery"
FRESH = "a fresh good password"
SERVICE = {"Authorization": "Bearer between-services-in-tests-only"}
HOUR_MS = 3_600_000


def now_ms():
    return time.time_ns() // 1_000_000


@pytest.fixture
async def user(admin):
    """A user with two roles, in version 1."""
    body = {"username": "dora", "password": PASSWORD, "email": "d@here.test", "roles": ["viewer", "operator"]}
    return await admin.call("POST", "/api/users", body, status=201)


@pytest.fixture
async def role_ids(admin):
    return {row["name"]: row["id"] for row in (await admin.call("GET", "/api/roles"))["items"]}


@pytest.fixture
async def other_desk(enrol):
    return await enrol()


async def audit_of(service, action):
    async with service.parts.database.read() as session:
        query = sa.select(outbox.c.entry).where(outbox.c.stream == AUDIT_STREAM).order_by(outbox.c.id)
        events = [AuditEvent.model_validate_json(entry) for entry in (await session.execute(query)).scalars()]
    return [event for event in events if event.action == action]


async def test_without_the_services_key_nobody_is_heard(service, admin):
    for path in ("operations", "restores", "verifiers"):
        for headers in ({}, {"Authorization": f"Bearer {admin.tokens['access_token']}"}):
            answer = await service.http.post(f"/internal/{path}", json={}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "internal_key_wrong")
            assert answer.headers["content-type"].startswith("application/problem+json")
        answer = await service.http.post(f"/internal/{path}", json={}, headers=SERVICE)
        assert answer.status_code == 422


async def test_a_user_made_on_a_desktop_signs_in_on_the_web(service, admin, desk, role_ids, row_of, changes):
    await changes()
    new_id = str(uuid4())
    fields = {
        "username": "made-offline",
        "email": "m@here.test",
        "password": desk.seal_password(FRESH),
        "roles_added": [role_ids["viewer"]],
    }
    made_at = now_ms() - HOUR_MS
    operation = desk.edit(admin.id, "users", new_id, 0, fields, at_ms=made_at)
    (outcome,) = await desk.push(operation)
    assert (outcome.outcome, outcome.code, outcome.conflict) == ("applied", None, None)
    assert (outcome.op_id, outcome.op_no) == (operation.op_id, 1)
    assert outcome.row.fields == {
        "username": "made-offline",
        "email": "m@here.test",
        "is_active": True,
        "roles": [role_ids["viewer"]],
    }
    assert (outcome.row.version, outcome.row.source, outcome.row.updated_by) == (1, "desktop", admin.id)
    assert stamp_milliseconds(outcome.row.updated_at) == made_at
    assert [(news.id, news.version) for news in await changes()] == [(new_id, 1)]
    person = await service.sign_in("made-offline", FRESH)
    assert person.tokens["user"]["roles"] == ["viewer"]
    (event,) = [event for event in await audit_of(service, "user.created") if event.resource.id == new_id]
    assert (event.actor.id, event.actor.name, event.address) == (admin.id, "admin", None)
    assert (event.after["source"], event.after["desktop_id"]) == ("desktop", desk.id)

    # Lent the desktop, they can sign in where they were made.
    shares = (await admin.call("GET", f"/api/devices/{desk.id}/shares", status=200))["items"]
    assert [(share["user_id"], share["level"]) for share in shares] == [(new_id, "read")]
    (event,) = await audit_of(service, "device.shared")
    assert (event.actor.id, event.after["user"], event.after["desktop_id"]) == (admin.id, "made-offline", desk.id)

    # The same operation again: the same answer, and nothing happens.
    assert await desk.push(operation) == [outcome]
    assert await changes() == []
    (late,) = await desk.push(desk.edit(admin.id, "users", new_id, 0, {"email": ""}, at_ms=1_000))
    assert (late.outcome, late.conflict.winner) == ("conflict_lost", "server")


async def test_an_edit_of_what_is_there_is_applied_and_one_bad_one_blocks_no_other(service, admin, desk, user, row_of):
    dora = await service.sign_in("dora")
    good = desk.edit(admin.id, "users", user["id"], 1, {"email": "new@here.test", "is_active": False})
    bad = [
        desk.edit(admin.id, "users", str(uuid4()), 0, {"username": "DORA", "password": desk.seal_password(FRESH)}),
        desk.edit(admin.id, "users", user["id"], 2, {"email": "no address"}),
        desk.edit(admin.id, "users", user["id"], 2, {}),
        desk.edit(admin.id, "users", user["id"], 2, {"is_admin": True}),
        desk.edit(admin.id, "users", "NO-UUID", 2, {"email": ""}),
        desk.edit(admin.id, "users", user["id"], 2, {"roles_added": [str(uuid4())]}),
        desk.edit(admin.id, "users", user["id"], 2, {"password": "bm90IHNlYWxlZA=="}),
        desk.edit(admin.id, "users", user["id"], 2, {"password": desk.seal_password("short")}),
        desk.edit(
            admin.id, "users", user["id"], 2, {"password": desk.seal_password("Dora" * 2), "username": "DoraDora"}
        ),
        desk.edit(admin.id, "users", str(uuid4()), 3, {"email": ""}),
        desk.edit(admin.id, "users", str(uuid4()), 0, {"username": "no-password"}),
        desk.edit(admin.id, "users", admin.id, 1, {"is_active": False}),
        desk.edit(admin.id, "users", admin.id, 1, {"deleted": True}),
        desk.edit(admin.id, "config", "all::x", 0, {"value": 1}),
    ]
    last = desk.edit(admin.id, "users", user["id"], 2, {"username": "dora2"})
    outcomes = await desk.push(good, *bad, last)
    assert [outcome.outcome for outcome in outcomes] == ["applied", *["rejected"] * len(bad), "applied"]
    assert [outcome.code for outcome in outcomes[1:-1]] == [
        "username_taken",
        "invalid",
        "empty_operation",
        "invalid",
        "bad_id",
        "unknown_role",
        "bad_password_box",
        "password_too_short",
        "password_is_username",
        "unknown_row",
        "field_missing",
        "cannot_disable_self",
        "cannot_delete_self",
        "wrong_entity",
    ]
    assert outcomes[6].row.version == 2, "with the row as it stands, so that the desktop can undo its edit"
    row = await row_of("users", user["id"])
    assert (row["version"], row["fields"]["username"], row["fields"]["email"]) == (3, "dora2", "new@here.test")
    assert row["revoked"] == {"is_active": 2}
    assert (await dora.ask("GET", "/api/profile")).status_code == 401, "disabled: all sessions ended"
    assert await desk.push(bad[0]) == [outcomes[1]]


async def test_roles_are_made_changed_and_deleted_from_a_desktop(service, admin, desk, role_ids, row_of):
    role = str(uuid4())
    fields = {"name": "auditor", "description": "reads", "permissions_added": ["audit:read", "users:read"]}
    (made,) = await desk.push(desk.edit(admin.id, "roles", role, 0, fields))
    assert made.row.fields["permissions"] == ["audit:read", "users:read"]
    (changed,) = await desk.push(desk.edit(admin.id, "roles", role, 1, {"permissions_removed": ["users:read"]}))
    assert (changed.row.version, changed.row.fields["permissions"]) == (2, ["audit:read"])
    assert (await row_of("roles", role))["revoked"] == {"permissions:users:read": 2}
    refused = await desk.push(
        desk.edit(admin.id, "roles", str(uuid4()), 0, {"name": "Auditor"}),
        desk.edit(admin.id, "roles", role_ids["viewer"], 1, {"description": "mine"}),
        desk.edit(admin.id, "roles", role, 2, {"permissions_added": ["no:such"]}),
        desk.edit(admin.id, "roles", role, 2, {"permissions_added": ["a:b"], "permissions_removed": ["a:b"]}),
        desk.edit(admin.id, "roles", role, 2, {"name": "  "}),
    )
    codes = ["name_taken", "built_in_role", "unknown_permission", "contradictory", "invalid"]
    assert [outcome.code for outcome in refused] == codes
    (gone,) = await desk.push(desk.edit(admin.id, "roles", role, 2, {"deleted": True}))
    assert (gone.outcome, gone.row.deleted, gone.row.version) == ("applied", True, 3)
    again, late = await desk.push(
        desk.edit(admin.id, "roles", role, 2, {"deleted": True}),
        desk.edit(admin.id, "roles", role, 2, {"name": "revived"}, at_ms=now_ms() + HOUR_MS),
    )
    assert (again.outcome, again.conflict) == ("applied", None)
    assert (late.outcome, late.conflict.winner, late.conflict.desktop_fields) == (
        "conflict_lost",
        "server",
        {"name": "revived"},
    )


async def test_forged_foreign_and_changed_operations_change_nothing_and_are_logged(
    service, admin, desk, other_desk, user, changes
):
    other = other_desk
    await changes()

    def edit(**changed):
        return desk.edit(admin.id, "users", user["id"], 1, {"email": "evil@here.test"}, **changed)

    header, payload, signature = desk.sign(edit()).split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["fields"] = {"email": "worse@here.test"}
    tampered = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"pulse-operation+jws"}').rstrip(b"=").decode()
    theirs = edit()
    big = desk.edit(admin.id, "users", user["id"], 1, {"password": "x" * MAX_OPERATION_BYTES})
    tokens = {
        f"{header}.{tampered}.{signature}": "bad_signature",
        f"{unsigned}.{payload}.": "malformed bad_signature",
        other.sign(theirs): "unknown_key",
        desk.sign(edit(desktop_id=other.id)): "wrong_desktop",
        desk.signs.sign(theirs.model_dump_json().encode(), "pulse-lease+jws"): "wrong_type",
        desk.signs.sign(b'{"v":1}', "pulse-operation+jws"): "malformed",
        desk.signs.sign(b"not json", "pulse-operation+jws"): "malformed",
        desk.signs.sign(b" " * (MAX_OPERATION_BYTES * 2), "pulse-operation+jws"): "malformed",
        desk.sign(big): "malformed",
        "no token at all": "malformed bad_signature",
        "": "malformed bad_signature",
    }
    with structlog.testing.capture_logs() as logged:
        outcomes = await desk.push(*tokens)
        (stolen,) = await other.push(desk.sign(edit()))
        (nowhere,) = await desk.push(edit(), desktop_id="no-such-desk")
    assert {outcome.outcome for outcome in outcomes} == {"rejected"}
    for outcome, expected in zip(outcomes, tokens.values(), strict=True):
        assert outcome.code in expected.split()
        assert outcome.row is None
    assert (outcomes[2].op_id, outcomes[2].op_no) == (theirs.op_id, theirs.op_no)
    # Deflated or too large, it is answered by its name all the same: else it would be sent again for ever.
    assert (outcomes[8].op_id, outcomes[8].op_no) == (big.op_id, big.op_no)
    assert stolen.code == "unknown_key"
    assert nowhere.code == "unknown_desktop"
    assert await changes() == []
    async with service.parts.database.read() as session:
        assert await session.scalar(sa.select(sa.func.count()).select_from(applied_operations)) == 0
    assert [line["event"] for line in logged] == ["operation_refused"] * (len(tokens) + 2)

    # Somebody else's operation id: not answered with what they were told, and nothing done.
    mine = edit()
    (first,) = await desk.push(mine)
    assert first.outcome == "applied"
    claimed = other.edit(admin.id, "users", user["id"], 2, {"email": "x@here.test"}, op_id=mine.op_id)
    (second,) = await other.push(claimed)
    assert (second.outcome, second.code, second.row) == ("rejected", "op_id_taken", None)


async def test_only_an_active_workstation_and_an_actor_with_the_right_of_now_edit(
    service, admin, enrol, desk, user, row_of
):
    helper = await service.add_person(admin, "operator", username="no-right")
    role = await admin.call(
        "POST", "/api/roles", {"name": "people", "permissions": ["users:read", "users:write"]}, status=201
    )
    chief = await service.add_person(admin, "people", username="chief")

    async def code_of(actor, entity, row_id, fields, base=1):
        (outcome,) = await desk.push(desk.edit(actor, entity, row_id, base, fields))
        return outcome.code

    change = {"email": "x@here.test"}
    assert await code_of(str(uuid4()), "users", user["id"], change) == "unknown_actor"
    assert await code_of(chief.id, "users", user["id"], change) == "actor_out_of_scope"
    for name in ("no-right", "chief"):
        await admin.call("POST", f"/api/devices/{desk.id}/shares", {"user": name}, status=201)
    assert await code_of(helper.id, "users", user["id"], change) == "permission_missing"
    assert await code_of(chief.id, "roles", role["id"], {"description": "x"}) == "permission_missing"
    assert await code_of(chief.id, "users", admin.id, change) == "target_has_more_rights"
    roles = {row["name"]: row["id"] for row in (await admin.call("GET", "/api/roles"))["items"]}
    plain = await admin.call("POST", "/api/users", {"username": "plain", "password": PASSWORD}, status=201)
    assert await code_of(chief.id, "users", plain["id"], {"roles_added": [roles["admin"]]}) == "grant_beyond_own_rights"
    assert await code_of(chief.id, "users", chief.id, {"roles_removed": [role["id"]]}) == "cannot_demote_self"
    assert await code_of(chief.id, "users", plain["id"], change) is None

    # Who may not share the desktop does not share it by adding somebody.
    fields = {"username": "newcomer", "password": desk.seal_password(FRESH)}
    assert await code_of(chief.id, "users", str(uuid4()), fields, 0) is None
    shared_with = [share["user"] for share in (await admin.call("GET", f"/api/devices/{desk.id}/shares"))["items"]]
    assert sorted(shared_with) == ["chief", "no-right"]

    # Of oneself everybody may change name, address and password.
    own = {"email": "own@here.test", "password": desk.seal_password(FRESH)}
    assert await code_of(helper.id, "users", helper.id, own) is None
    assert (await helper.ask("GET", "/api/profile")).status_code == 401, "a new password ends the sessions"
    await service.sign_in("no-right", FRESH)
    assert await code_of(helper.id, "users", helper.id, {"is_active": True}, 2) == "permission_missing"

    # The right goes, and so does the edit; the person is disabled; the desktop is.
    await admin.call("PATCH", f"/api/users/{chief.id}", {"roles": []}, status=200)
    assert await code_of(chief.id, "users", plain["id"], {"email": ""}, 2) == "permission_missing"
    await admin.call("PUT", f"/api/users/{chief.id}/toggle-status", status=200)
    assert await code_of(chief.id, "users", plain["id"], {"email": ""}, 2) == "unknown_actor"
    await admin.call("PATCH", f"/api/devices/{desk.id}", {"kind": "desktop"}, status=200)
    assert await code_of(admin.id, "users", plain["id"], {"email": ""}, 2) == "not_a_workstation"
    await admin.call("PATCH", f"/api/devices/{desk.id}", {"kind": "workstation"}, status=200)
    await admin.call("POST", f"/api/devices/{desk.id}/disable", status=200)
    assert await code_of(admin.id, "users", plain["id"], {"email": ""}, 2) == "desktop_disabled"
    assert (await row_of("users", plain["id"]))["version"] == 2
