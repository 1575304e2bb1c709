"""Sign-in and the chain of refresh tokens: each test of the chain is named after the race it closes."""

from __future__ import annotations

import asyncio
import base64
import json
import time

import pytest
import sqlalchemy as sa

from pulse_contracts.tokens import AccessClaims
from pulse_identity.storage.argon2_passwords import Argon2Cost, Argon2Passwords
from pulse_identity.storage.tables import outbox, refresh_tokens, sessions, users


async def _refresh(service, token, agent="test client"):
    return await service.http.post("/api/auth/refresh", json={"refresh_token": token}, headers={"User-Agent": agent})


@pytest.fixture
async def session(service):
    answer = await service.http.post(
        "/api/auth/login",
        json={"username": "ADMIN", "password": "correct horse battery"},
        headers={"User-Agent": "test client"},
    )
    assert answer.status_code == 200
    return answer.json()


async def _execute(service, statement):
    async with service.parts.database.transaction() as unit:
        return await unit.execute(statement)


def _claims(token: str) -> AccessClaims:
    body = token.split(".")[1]
    return AccessClaims.model_validate(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))


async def test_the_access_token_carries_the_rights_and_verifies_with_the_published_key(service, session):
    claims = _claims(session["access_token"])
    assert claims.username == "admin"
    assert claims.perms == session["user"]["permissions"]
    assert claims.exp - claims.iat == 600
    header = json.loads(base64.urlsafe_b64decode(session["access_token"].split(".")[0] + "=="))
    published = (await service.http.get("/.well-known/jwks.json")).json()["keys"]
    assert header["kid"] in {key["kid"] for key in published}
    assert all("d" not in key for key in published)


async def test_nothing_that_opens_a_door_is_stored_in_clear(service, session):
    rows = (await _execute(service, sa.select(refresh_tokens))).all()
    assert session["refresh_token"] not in str(rows)
    hashes = (await _execute(service, sa.select(users.c.password_hash))).scalars().all()
    assert all(stored.startswith("$argon2id$") for stored in hashes)


async def test_a_refresh_token_is_good_once_and_gives_the_next(service, session):
    second = (await _refresh(service, session["refresh_token"])).json()
    assert second["refresh_token"] != session["refresh_token"]
    third = await _refresh(service, second["refresh_token"])
    assert third.status_code == 200


async def test_a_lost_response_is_not_theft(service, session):
    first = (await _refresh(service, session["refresh_token"])).json()
    again = await _refresh(service, session["refresh_token"])
    assert again.status_code == 200
    assert again.json()["refresh_token"] == first["refresh_token"]
    assert (await _refresh(service, first["refresh_token"])).status_code == 200


async def test_two_tabs_that_refresh_at_once_get_the_same_child(service, session):
    answers = await asyncio.gather(*(_refresh(service, session["refresh_token"]) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


async def test_a_thief_who_uses_the_previous_token_ends_the_family(service, session):
    child = (await _refresh(service, session["refresh_token"])).json()
    stolen = await _refresh(service, session["refresh_token"], agent="another client")
    assert stolen.status_code == 401
    assert (await _refresh(service, child["refresh_token"])).status_code == 401
    headers = {"Authorization": f"Bearer {child['access_token']}"}
    assert (await service.http.get("/api/profile", headers=headers)).status_code == 401
    events = (await _execute(service, sa.select(outbox.c.entry))).scalars().all()
    assert any(b"session_revoked" in bytes(entry) for entry in events)


async def test_a_retry_after_the_child_was_used_ends_the_family(service, session):
    child = (await _refresh(service, session["refresh_token"])).json()
    grandchild = (await _refresh(service, child["refresh_token"])).json()
    assert (await _refresh(service, session["refresh_token"])).status_code == 401
    assert (await _refresh(service, grandchild["refresh_token"])).status_code == 401


async def test_a_retry_after_a_minute_ends_the_family(service, session):
    child = (await _refresh(service, session["refresh_token"])).json()
    earlier = refresh_tokens.c.rotated_at - sa.text("interval '61 seconds'")
    await _execute(service, sa.update(refresh_tokens).values(rotated_at=earlier))
    assert (await _refresh(service, session["refresh_token"])).status_code == 401
    assert (await _refresh(service, child["refresh_token"])).status_code == 401


async def test_reuse_in_one_session_leaves_the_users_other_sessions_alone(service, session, admin):
    await _refresh(service, session["refresh_token"])
    await _refresh(service, session["refresh_token"], agent="thief")
    assert (await _refresh(service, admin.tokens["refresh_token"])).status_code == 200


async def test_an_expired_session_cannot_be_refreshed(service, session):
    await _execute(service, sa.update(sessions).values(expires_at=sa.func.now()))
    assert (await _refresh(service, session["refresh_token"])).status_code == 401


async def test_an_unknown_refresh_token_is_refused(service):
    answer = await _refresh(service, "A" * 43)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token")
    missing = await service.http.post("/api/auth/refresh")
    assert missing.json()["code"] == "refresh_token_missing"


async def test_signing_out_ends_the_session_at_once(service, session):
    answer = await service.http.post("/api/auth/logout", json={"refresh_token": session["refresh_token"]})
    assert answer.status_code == 204
    headers = {"Authorization": f"Bearer {session['access_token']}"}
    assert (await service.http.get("/api/profile", headers=headers)).status_code == 401
    assert (await _refresh(service, session["refresh_token"])).status_code == 401
    again = await service.http.post("/api/auth/logout", json={"refresh_token": session["refresh_token"]})
    assert again.status_code == 204


async def _cookie_login(service, **headers):
    body = {"username": "admin", "password": "correct horse battery", "use_cookie": True}
    return await service.http.post("/api/auth/login", json=body, headers=headers)


async def test_in_a_browser_the_refresh_token_is_in_a_cookie_that_scripts_cannot_read(service):
    answer = await _cookie_login(service, **{"Sec-Fetch-Site": "same-origin"})
    assert answer.json()["refresh_token"] is None
    cookie = answer.headers["set-cookie"]
    for attribute in ("pulse_refresh=", "HttpOnly", "SameSite=strict", "Path=/api/auth"):
        assert attribute in cookie
    refreshed = await service.http.post("/api/auth/refresh", headers={"Sec-Fetch-Site": "same-origin"})
    assert refreshed.status_code == 200
    assert refreshed.json()["refresh_token"] is None
    out = await service.http.post("/api/auth/logout", headers={"Origin": "http://identity.test"})
    assert out.status_code == 204
    assert "pulse_refresh" not in service.http.cookies


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://evil.identity.test"},
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {},
    ],
)
async def test_another_site_cannot_use_the_cookie(service, headers):
    await _cookie_login(service, **{"Sec-Fetch-Site": "same-origin"})
    for path in ("/api/auth/refresh", "/api/auth/logout"):
        answer = await service.http.post(path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_origin")
    assert (await _cookie_login(service, **headers)).status_code == 403


async def test_behind_the_gateway_the_browsers_host_counts(service):
    forwarded = {"Origin": "http://factory.test:8080", "X-Forwarded-Host": "factory.test:8080"}
    assert (await _cookie_login(service, **forwarded)).status_code == 200
    assert (await service.http.post("/api/auth/refresh", headers=forwarded)).status_code == 200
    forwarded["Origin"] = "http://evil.test"
    assert (await service.http.post("/api/auth/refresh", headers=forwarded)).status_code == 403


async def test_no_secret_is_logged(service, admin, capsys):
    device = await admin.call("POST", "/api/devices", {"id": "quiet"}, status=201)
    code = await admin.call("POST", "/api/devices/enrolment-codes", {"id": "quiet"}, status=201)
    body = {"code": code["code"], "hostname": "h"}
    enrolled = (await service.http.post("/api/devices/enroll", json=body)).json()
    await service.http.post("/api/auth/login", json={"username": "admin", "password": "canary-password"})
    for agent in ("one", "two"):
        await _refresh(service, admin.tokens["refresh_token"], agent)
    output = capsys.readouterr()
    secrets = (
        device["api_key"],
        enrolled["api_key"],
        code["code"],
        admin.tokens["access_token"],
        admin.tokens["refresh_token"],
        "canary-password",
        "correct horse battery",
    )
    assert "refresh_token_reused" in output.out + output.err
    assert [secret for secret in secrets if secret in output.out + output.err] == []


async def test_over_tls_the_cookie_is_secure(service):
    service.http.base_url = "https://identity.test"
    answer = await _cookie_login(service, **{"Sec-Fetch-Site": "same-origin"})
    assert "Secure" in answer.headers["set-cookie"]


async def test_a_wrong_password_and_an_unknown_user_are_told_alike(service):
    problems = []
    for username in ("admin", "nobody"):
        answer = await service.http.post("/api/auth/login", json={"username": username, "password": "wrong wrong"})
        problems.append({name: value for name, value in answer.json().items() if name != "instance"})
    assert problems[0] == problems[1]
    assert (problems[0]["status"], problems[0]["code"]) == (401, "invalid_credentials")


async def test_an_unknown_user_costs_as_much_time_as_a_wrong_password():
    hasher = Argon2Passwords(Argon2Cost())
    stored = await hasher.hash("correct horse battery")

    async def quickest(candidate) -> float:
        times = []
        for _ in range(9):
            started = time.perf_counter()
            assert not await hasher.verify("wrong wrong", candidate)
            times.append(time.perf_counter() - started)
        return min(times)

    assert 0.5 < await quickest(stored) / await quickest(None) < 2.0
    hasher.close()


async def test_guessing_at_an_account_is_delayed_and_says_for_how_long(service):
    answers = [
        await service.http.post("/api/auth/login", json={"username": "victim", "password": f"guess number {n}"})
        for n in range(5)
    ]
    assert [answer.status_code for answer in answers[:3]] == [401, 401, 401]
    assert (answers[-1].status_code, answers[-1].json()["code"]) == (429, "account_delayed")
    assert 0 < float(answers[-1].headers["retry-after"]) <= 60


async def test_a_password_hash_with_other_parameters_is_renewed_at_sign_in(service, session):
    from argon2 import PasswordHasher

    other = PasswordHasher(time_cost=2, memory_cost=8 * 1024, parallelism=1).hash("correct horse battery")
    await _execute(service, sa.update(users).values(password_hash=other))
    await service.sign_in()
    (stored,) = (await _execute(service, sa.select(users.c.password_hash))).scalars().all()
    assert "m=8192,t=1,p=1" in stored
    await service.sign_in()
