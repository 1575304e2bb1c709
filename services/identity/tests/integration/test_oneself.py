"""One's own account: profile, password, sessions, registration; and requests that are sent twice."""

from __future__ import annotations

import asyncio
import dataclasses
from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry

from pulse_chassis.outbox import OutboxRelay
from pulse_identity import app as identity
from pulse_identity.storage.tables import outbox

PASSWORD = "correct horse battery"
FRESH = "a fresh good password"


@pytest.fixture
async def carol(service, admin):
    return await service.add_person(admin, "viewer", username="carol")


async def test_one_changes_name_and_address_but_not_roles(carol, admin):
    changed = await carol.call("PUT", "/api/profile", {"email": "carol@here.test"}, status=200)
    assert (changed["username"], changed["email"]) == ("carol", "carol@here.test")
    changed = await carol.call("PUT", "/api/profile", {"username": "Carol2", "email": None}, status=200)
    assert (changed["username"], changed["email"]) == ("Carol2", None)
    await carol.call("PUT", "/api/profile", {"email": None, "roles": ["admin"]}, status=422)
    problem = await carol.call("PUT", "/api/profile", {"username": "ADMIN", "email": None}, status=409)
    assert (problem["code"], problem["field"]) == ("username_taken", "username")


async def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(service, carol):
    other = await service.sign_in("carol")
    body = {"current_password": PASSWORD, "new_password": FRESH}
    await carol.call("PUT", "/api/profile/password", body, status=204)
    assert (await other.ask("GET", "/api/profile")).status_code == 401
    assert (await carol.ask("GET", "/api/profile")).status_code == 200
    refreshed = await service.http.post("/api/auth/refresh", json={"refresh_token": other.tokens["refresh_token"]})
    assert refreshed.status_code == 401
    await service.sign_in("carol", FRESH)


@pytest.mark.parametrize(
    ("current", "new", "code", "field"),
    [
        ("wrong wrong", FRESH, "wrong_password", "current_password"),
        (PASSWORD, "short", "password_too_short", "new_password"),
        (PASSWORD, "password123", "password_too_common", "new_password"),
        (PASSWORD, PASSWORD, "password_unchanged", "new_password"),
    ],
)
async def test_a_password_that_cannot_be_is_refused_with_the_field(carol, current, new, code, field):
    body = {"current_password": current, "new_password": new}
    problem = await carol.call("PUT", "/api/profile/password", body, status=422)
    assert (problem["code"], problem["field"]) == (code, field)


async def test_a_stolen_session_is_no_place_to_guess_the_password(carol):
    body = {"current_password": "wrong wrong", "new_password": FRESH}
    codes = [(await carol.ask("PUT", "/api/profile/password", body)).status_code for _ in range(5)]
    assert codes[:3] == [422, 422, 422]
    assert codes[-1] == 429


async def test_sessions_are_listed_and_ended_one_by_one(service, carol, admin):
    other = await service.sign_in("carol")
    sessions = (await carol.call("GET", "/api/profile/sessions", status=200))["items"]
    assert sorted(session["is_current"] for session in sessions) == [False, True]
    (far,) = [session["id"] for session in sessions if not session["is_current"]]
    await admin.call("DELETE", f"/api/profile/sessions/{far}", status=404)
    await carol.call("DELETE", f"/api/profile/sessions/{far}", status=204)
    await carol.call("DELETE", f"/api/profile/sessions/{far}", status=404)
    assert (await other.ask("GET", "/api/profile")).status_code == 401
    assert len((await carol.call("GET", "/api/profile/sessions"))["items"]) == 1


async def test_all_other_sessions_and_all_sessions_are_ended(service, carol):
    others = [await service.sign_in("carol") for _ in range(2)]
    await carol.call("DELETE", "/api/profile/sessions", status=204)
    assert {(await other.ask("GET", "/api/profile")).status_code for other in others} == {401}
    await carol.call("GET", "/api/profile", status=200)
    again = await service.sign_in("carol")
    answer = await carol.ask("POST", "/api/auth/logout-everywhere")
    assert (answer.status_code, "pulse_refresh=" in answer.headers["set-cookie"]) == (204, True)
    assert {(await person.ask("GET", "/api/profile")).status_code for person in (carol, again)} == {401}


async def test_an_admin_sees_and_ends_sessions_of_those_without_more_rights(service, carol, admin):
    path = f"/api/users/{carol.id}/sessions"
    (session,) = (await admin.call("GET", path, status=200))["items"]
    await carol.call("GET", path, status=403)
    await admin.call("DELETE", f"{path}/{session['id']}", status=204)
    await carol.call("GET", "/api/profile", status=401)
    back = await service.sign_in("carol")
    await admin.call("DELETE", path, status=204)
    await back.call("GET", "/api/profile", status=401)
    await admin.call("GET", "/api/users/00000000-0000-0000-0000-000000000000/sessions", status=404)


async def test_registration_is_off_unless_the_operator_allows_it(service):
    body = {"username": "newcomer", "password": FRESH}
    answer = await service.http.post("/api/auth/register", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "registration_disabled")


async def test_whoever_registers_has_no_role_and_few_tries(service):
    settings = service.parts.settings.model_copy(update={"identity_registration": True})
    parts = dataclasses.replace(service.parts, settings=settings, registry=CollectorRegistry())
    transport = httpx.ASGITransport(identity.make_app(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://identity.test") as http:
        assert (await http.get("/api/auth/methods")).json()["registration"] is True
        body = {"username": "newcomer", "password": FRESH}
        greedy = await http.post("/api/auth/register", json={**body, "roles": ["admin"]})
        assert greedy.status_code == 422
        made = await http.post("/api/auth/register", json=body)
        assert (made.status_code, made.json()["roles"], made.json()["permissions"]) == (201, [], [])
        assert (await http.post("/api/auth/register", json=body)).json()["code"] == "username_taken"
        names = [{"username": f"more-{n}", "password": FRESH} for n in range(6)]
        codes = [(await http.post("/api/auth/register", json=name)).status_code for name in names]
        assert codes[-1] == 429
    newcomer = await service.sign_in("newcomer", FRESH)
    await newcomer.call("GET", "/api/devices", status=403)


async def test_a_device_that_is_registered_again_under_one_key_is_registered_once(service, admin):
    first = await admin.ask("POST", "/api/devices", {"id": "press-1"}, Idempotency_Key="order-7")
    again = await admin.ask("POST", "/api/devices", {"id": "press-1"}, Idempotency_Key="order-7")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["api_key"] == again.json()["api_key"]
    assert again.headers["idempotency-replayed"] == "true"
    without = await admin.ask("POST", "/api/devices", {"id": "press-1"})
    assert without.json()["code"] == "device_id_taken"
    other = await admin.ask("POST", "/api/devices", {"id": "press-2"}, Idempotency_Key="order-7")
    assert other.json()["code"] == "idempotency_key_reused"
    kept = [await service.parts.redis.get(name) for name in await service.parts.redis.keys("identity:idempotency:*")]
    assert len(kept) == 1
    assert first.json()["api_key"].encode() not in kept[0]


async def test_the_answer_to_one_person_is_not_given_to_another(service, admin, carol):
    body = {"name": "for the agent"}
    mine = await admin.ask("POST", "/api/devices/enrolment-codes", body, Idempotency_Key="k")
    assert mine.status_code == 201
    theirs = await carol.ask("POST", "/api/devices/enrolment-codes", body, Idempotency_Key="k")
    assert theirs.status_code == 403
    forged = {"Authorization": f"Bearer {admin.tokens['access_token'][:-4]}AAAA", "Idempotency-Key": "k"}
    answer = await service.http.post("/api/devices/enrolment-codes", json=body, headers=forged)
    assert answer.status_code == 401
    # A new token of the same person, after a refresh: the same answer.
    again = await (await service.sign_in()).ask("POST", "/api/devices/enrolment-codes", body, Idempotency_Key="k")
    assert again.json() == mine.json()


async def test_after_the_session_ended_nothing_is_repeated(service, admin, until):
    parts = service.parts
    session_id = UUID((await admin.call("GET", "/api/profile"))["session_id"])
    await admin.ask("POST", "/api/devices", {"id": "press-1"}, Idempotency_Key="k")
    stop = asyncio.Event()
    following = asyncio.create_task(parts.revoked.run(stop))
    await admin.call("POST", "/api/auth/logout-everywhere", status=204)
    await OutboxRelay(parts.database, outbox, parts.redis).publish_pending()
    await until(lambda: session_id in parts.revoked, seconds=1.0)
    answer = await admin.ask("POST", "/api/devices", {"id": "press-1"}, Idempotency_Key="k")
    assert (answer.status_code, answer.json()["code"]) == (401, "session_revoked")
    stop.set()
    await following
