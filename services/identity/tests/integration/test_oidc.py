"""Signing in with another provider, over HTTP, and everything that must not get anybody in."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwk
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from pulse_identity import app as identity

_SPEC = importlib.util.spec_from_file_location("oidc_peer", Path(__file__).with_name("oidc_peer.py"))
oidc_peer = importlib.util.module_from_spec(_SPEC)
sys.modules["oidc_peer"] = oidc_peer
_SPEC.loader.exec_module(oidc_peer)

BACK = "http://identity.test/api/auth/oidc/callback"


@pytest.fixture
async def provider():
    async with oidc_peer.serving_oidc() as peer:
        yield peer


@pytest.fixture
async def door(service, provider):
    """The service with a provider: a browser's HTTP client."""
    settings = service.parts.settings.model_copy(
        update={
            "identity_oidc_issuer": provider.url,
            "identity_oidc_client_secret": SecretStr(oidc_peer.CLIENT_SECRET),
            "identity_oidc_redirect_url": BACK,
            "identity_oidc_roles": "watchers=viewer, plant-admins=admin",
        }
    )
    parts = dataclasses.replace(service.parts, settings=settings, registry=CollectorRegistry())
    transport = httpx.ASGITransport(identity.make_app(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://identity.test") as http:
        yield http


async def _at_provider(door, return_to="/devices"):
    """Begin, follow the redirect to the provider, and return where it sends the browser back to."""
    away = await door.get("/api/auth/oidc/login", params={"return_to": return_to})
    assert away.status_code == 303, away.text
    cookie = away.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=lax", "Path=/api/auth/oidc"))
    async with httpx.AsyncClient() as browser:
        back = await browser.get(away.headers["location"])
    assert back.headers["location"].startswith(BACK)
    return back.headers["location"]


async def _sign_in(door):
    back = await door.get(await _at_provider(door))
    assert back.status_code == 303, back.text
    refreshed = await door.post("/api/auth/refresh", headers={"Sec-Fetch-Site": "same-origin"})
    return back, refreshed.json()


async def test_without_a_provider_the_door_is_not_there(service):
    for path in ("login", "callback"):
        answer = await service.http.get(f"/api/auth/oidc/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "oidc_disabled")
    assert (await service.http.get("/api/auth/methods")).json() == {
        "password": True,
        "registration": False,
        "oidc": None,
    }


async def test_somebody_new_gets_an_account_with_the_roles_of_their_groups(door, provider):
    provider.person |= {"groups": ["watchers", "others"], "email": "grace@here.test", "email_verified": True}
    back, session = await _sign_in(door)
    assert back.headers["location"] == "/devices"
    assert (session["user"]["username"], session["user"]["roles"]) == ("grace", ["viewer"])
    query = provider.asked[0]
    assert len(query["code_challenge"]) == 43
    assert provider.url not in str(door.cookies.get("pulse_oidc"))
    methods = (await door.get("/api/auth/methods")).json()
    assert methods["oidc"] == "Single sign-on"
    password = await door.post("/api/auth/login", json={"username": "grace", "password": "!"})
    assert password.status_code == 401


async def test_the_same_person_comes_back_to_the_same_account_and_follows_the_groups(door, provider, changes, row_of):
    await changes()
    provider.person["groups"] = ["watchers"]
    _, first = await _sign_in(door)
    provider.person |= {"preferred_username": "renamed", "groups": []}
    _, second = await _sign_in(door)
    user_id = first["user"]["id"]
    assert user_id == second["user"]["id"]
    assert (second["user"]["username"], second["user"]["roles"]) == ("grace", [])
    assert [(news.id, news.version) for news in await changes()] == [(user_id, 1), (user_id, 2)]
    row = await row_of("users", user_id)
    assert (row["version"], row["updated_by"], row["fields"]["roles"]) == (2, "identity", [])
    assert list(row["revoked"].values()) == [2]


async def test_a_name_or_address_of_somebody_here_does_not_open_their_account(door, provider, admin):
    provider.person = {
        "sub": "attacker",
        "preferred_username": "ADMIN",
        "email": "boss@here.test",
        "email_verified": True,
    }
    await admin.call("PATCH", f"/api/users/{admin.id}", {"email": "boss@here.test"}, status=200)
    _, session = await _sign_in(door)
    assert session["user"]["id"] != admin.id
    assert session["user"]["username"].startswith("ADMIN-")
    assert session["user"]["permissions"] == []


async def test_the_last_admin_stays_one_whatever_the_provider_says(service, door, provider, admin):
    provider.person["groups"] = ["plant-admins"]
    _, grace = await _sign_in(door)
    assert grace["user"]["roles"] == ["admin"]
    headers = {"Authorization": f"Bearer {grace['access_token']}", "If-Match": "*"}
    assert (await door.delete(f"/api/users/{admin.id}", headers=headers)).status_code == 204
    provider.person["groups"] = []
    _, again = await _sign_in(door)
    assert again["user"]["roles"] == ["admin"]


async def test_a_disabled_account_stays_out(door, provider, admin):
    _, grace = await _sign_in(door)
    await admin.call("PUT", f"/api/users/{grace['user']['id']}/toggle-status", status=200)
    answer = await door.get(await _at_provider(door))
    assert (answer.status_code, answer.json()["code"]) == (401, "user_inactive")


@pytest.mark.parametrize(
    "overrides",
    [
        {"iss": "https://evil.test"},
        {"aud": "another client"},
        {"aud": ["precisionpulse", "another"], "azp": "another"},
        {"exp": 1},
        {"nonce": "of another sign-in"},
        {"sub": ""},
        {"sub": 7},
        {"exp": "soon"},
        {"aud": 7},
        {"nonce": None},
    ],
)
async def test_a_token_that_is_not_for_this_sign_in_is_refused(door, provider, overrides):
    provider.overrides = overrides
    answer = await door.get(await _at_provider(door))
    assert (answer.status_code, answer.json()["code"]) == (401, "oidc_refused")


async def test_a_token_with_a_wrong_signature_is_refused(door, provider):
    provider.forged_with = jwk.RSAKey.generate_key(2048)
    assert (await door.get(await _at_provider(door))).status_code == 401
    # The classic: signed with the public key (or our secret) as if it were a shared one.
    provider.algorithm = "HS256"
    for secret in (provider.key.as_pem(private=False), oidc_peer.CLIENT_SECRET.encode(), None):
        provider.shared_secret = secret
        assert (await door.get(await _at_provider(door))).status_code == 401


async def test_a_new_key_of_the_provider_is_fetched(door, provider):
    await _sign_in(door)
    provider.rotate()
    await _sign_in(door)


async def test_a_provider_that_is_away_is_said_to_be(door, provider):
    back = await _at_provider(door)
    provider.is_broken = True
    answer = await door.get(back)
    assert (answer.status_code, answer.json()["code"]) == (503, "oidc_unavailable")


async def test_another_browsers_answer_is_refused(door, provider):
    back = await _at_provider(door)
    door.cookies.clear()
    answer = await door.get(back)
    assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_not_begun")
    await _at_provider(door)
    swapped = await door.get(back)
    assert swapped.json()["code"] == "sign_in_not_begun"
    door.cookies.set("pulse_oidc", "AAAA", domain="identity.test", path="/api/auth/oidc")
    assert (await door.get(back)).status_code == 401


async def test_a_code_is_good_once_and_only_with_its_verifier(door, provider):
    back = await _at_provider(door)
    state = parse_qs(urlsplit(back).query)["state"][0]
    assert (await door.get(BACK, params={"code": "guessed", "state": state})).json()["code"] == "oidc_refused"
    await _at_provider(door)
    back = await _at_provider(door)
    kept = door.cookies.get("pulse_oidc")
    assert (await door.get(back)).status_code == 303
    door.cookies.set("pulse_oidc", kept, domain="identity.test", path="/api/auth/oidc")
    assert (await door.get(back)).status_code == 401


@pytest.mark.parametrize("target", ["https://evil.test", "//evil.test", "/\\evil.test", "evil", "/a\nb"])
async def test_sign_in_is_no_springboard_to_other_sites(door, target):
    answer = await door.get("/api/auth/oidc/login", params={"return_to": target})
    assert (answer.status_code, answer.json()["field"]) == (422, "return_to")


async def test_a_refusal_of_the_provider_is_told(door):
    answer = await door.get(BACK, params={"error": "access_denied", "state": "x"})
    assert (answer.status_code, answer.json()["code"]) == (401, "oidc_refused")
