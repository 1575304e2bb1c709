"""Every route that changes something leaves a row in the audit log: the list of routes is the OpenAPI document's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from pulse_contracts.audit import AuditEvent
from pulse_contracts.streams import AUDIT_STREAM
from pulse_identity import app as identity
from pulse_identity.storage.tables import outbox

MUTATING = ("post", "put", "patch", "delete")
WITHOUT_A_ROW = {
    # An unused token turned in for the next one, some hundred times a day for each session. A reused one is told.
    "POST /api/auth/refresh",
    # Questions of the broker; nothing is changed.
    "POST /internal/emqx/authenticate",
    "POST /internal/emqx/authorize",
}
PASSWORD = "correct horse battery"
NEW_PASSWORD = "violet harbour 42 lanterns"
Doing = Callable[["World"], Awaitable[httpx.Response]]


class World:
    """The service, its admin, and somebody and something of each kind to be changed."""

    def __init__(self, service, admin) -> None:
        self.service = service
        self.admin = admin

    async def prepare(self) -> None:
        """Make what the routes are called upon."""
        made = self.admin.call
        self.person = await self.service.add_person(self.admin, "operator")
        self.sessions = [await self.service.sign_in(self.person.tokens["user"]["username"]) for _ in range(2)]
        self.role = (await made("POST", "/api/roles", {"name": "Night shift"}, status=201))["id"]
        self.device = (await made("POST", "/api/devices", {"id": "pump"}, status=201))["id"]
        share = {"role": "viewer", "level": "read"}
        self.share = (await made("POST", "/api/devices/pump/shares", share, status=201))["id"]
        self.code = (await made("POST", "/api/devices/enrolment-codes", {}, status=201))["code"]

    async def ask(self, method: str, path: str, json: Any = None) -> httpx.Response:
        """Call as the admin."""
        return await self.admin.ask(method, path, json, If_Match="*")

    async def as_person(self, method: str, path: str, json: Any = None) -> httpx.Response:
        """Call as the person."""
        return await self.person.ask(method, path, json, If_Match="*")

    async def session_id(self, number: int) -> str:
        """Return the id of one of the person's other sessions."""
        profile = await self.sessions[number].call("GET", "/api/profile", status=200)
        return str(profile["session_id"])

    async def end_session(self, base: str, ask: Callable[..., Awaitable[httpx.Response]]) -> httpx.Response:
        """End one session of the person."""
        return await ask("DELETE", f"{base}/{await self.session_id(0)}")

    async def import_devices(self) -> httpx.Response:
        """Import one device."""
        headers = {"Authorization": f"Bearer {self.admin.tokens['access_token']}", "Content-Type": "text/csv"}
        return await self.service.http.post("/api/devices/import", content="id\nimported\n", headers=headers)

    def user(self, rest: str = "") -> str:
        """Return a path of the person."""
        return f"/api/users/{self.person.id}{rest}"


DOING: dict[str, tuple[str, Doing]] = {
    "POST /api/auth/login": ("session.opened", lambda w: w.service.http.post(
        "/api/auth/login", json={"username": "admin", "password": PASSWORD})),
    "POST /api/auth/logout": ("session.closed", lambda w: w.service.http.post(
        "/api/auth/logout", json={"refresh_token": w.person.tokens["refresh_token"]})),
    "POST /api/auth/logout-everywhere": ("session.ended", lambda w: w.as_person("POST", "/api/auth/logout-everywhere")),
    "POST /api/auth/register": ("user.registered", lambda w: w.service.http.post(
        "/api/auth/register", json={"username": "newcomer", "password": NEW_PASSWORD})),
    "PUT /api/profile": ("user.changed", lambda w: w.as_person("PUT", "/api/profile", {"email": "me@example.com"})),
    "PUT /api/profile/password": ("user.password_changed", lambda w: w.as_person(
        "PUT", "/api/profile/password", {"current_password": PASSWORD, "new_password": NEW_PASSWORD})),
    "DELETE /api/profile/sessions": ("session.ended", lambda w: w.as_person("DELETE", "/api/profile/sessions")),
    "DELETE /api/profile/sessions/{session_id}": ("session.ended", lambda w: w.end_session(
        "/api/profile/sessions", w.as_person)),
    "POST /api/users": ("user.created", lambda w: w.ask(
        "POST", "/api/users", {"username": "somebody", "password": NEW_PASSWORD})),
    "PATCH /api/users/{user_id}": ("user.changed", lambda w: w.ask("PATCH", w.user(), {"email": "a@example.com"})),
    "DELETE /api/users/{user_id}": ("user.deleted", lambda w: w.ask("DELETE", w.user())),
    "PUT /api/users/{user_id}/toggle-status": ("user.changed", lambda w: w.ask("PUT", w.user("/toggle-status"))),
    "DELETE /api/users/{user_id}/sessions": ("session.ended", lambda w: w.ask("DELETE", w.user("/sessions"))),
    "DELETE /api/users/{user_id}/sessions/{session_id}": ("session.ended", lambda w: w.end_session(
        w.user("/sessions"), w.ask)),
    "POST /api/roles": ("role.created", lambda w: w.ask("POST", "/api/roles", {"name": "Day shift"})),
    "PATCH /api/roles/{role_id}": ("role.changed", lambda w: w.ask(
        "PATCH", f"/api/roles/{w.role}", {"description": "at night"})),
    "DELETE /api/roles/{role_id}": ("role.deleted", lambda w: w.ask("DELETE", f"/api/roles/{w.role}")),
    "POST /api/devices/enrolment-codes": ("enrolment.code_issued", lambda w: w.ask(
        "POST", "/api/devices/enrolment-codes", {})),
    "POST /api/devices/enroll": ("device.enrolled", lambda w: w.service.http.post(
        "/api/devices/enroll", json={"code": w.code, "hostname": "pc"})),
    "POST /api/devices/import": ("device.registered", lambda w: w.import_devices()),
    "POST /api/devices": ("device.registered", lambda w: w.ask("POST", "/api/devices", {"id": "another"})),
    "POST /api/devices/batch": ("device.registered", lambda w: w.ask(
        "POST", "/api/devices/batch", {"devices": [{"id": "one"}]})),
    "PATCH /api/devices/{device_id}": ("device.changed", lambda w: w.ask("PATCH", "/api/devices/pump", {"name": "P"})),
    "DELETE /api/devices/{device_id}": ("device.deleted", lambda w: w.ask("DELETE", "/api/devices/pump")),
    "POST /api/devices/{device_id}/rotate-key": ("device.key_rotated", lambda w: w.ask(
        "POST", "/api/devices/pump/rotate-key")),
    "POST /api/devices/{device_id}/enable": ("device.enabled", lambda w: w.ask("POST", "/api/devices/pump/enable")),
    "POST /api/devices/{device_id}/disable": ("device.disabled", lambda w: w.ask("POST", "/api/devices/pump/disable")),
    "POST /api/devices/{device_id}/shares": ("device.shared", lambda w: w.ask(
        "POST", "/api/devices/pump/shares", {"role": "operator", "level": "read"})),
    "DELETE /api/devices/{device_id}/shares/{share_id}": ("device.unshared", lambda w: w.ask(
        "DELETE", f"/api/devices/pump/shares/{w.share}")),
}  # fmt: skip
# What takes away what others need comes last.
LAST = (
    "DELETE /api/devices/{device_id}/shares/{share_id}",
    "DELETE /api/devices/{device_id}",
    "DELETE /api/roles/{role_id}",
)


@pytest.fixture
def identity_settings(identity_settings):
    return identity_settings.model_copy(update={"identity_registration": True})


@pytest.fixture
async def world(service, admin) -> World:
    made = World(service, admin)
    await made.prepare()
    return made


async def told(service) -> list[AuditEvent]:
    async with service.parts.database.read() as session:
        rows = await session.execute(outbox.select().where(outbox.c.stream == AUDIT_STREAM).order_by(outbox.c.id))
        return [AuditEvent.model_validate_json(row.entry) for row in rows]


def test_the_list_is_the_documents() -> None:
    documented = {
        f"{method.upper()} {path}"
        for path, operations in identity.document()["paths"].items()
        for method in operations
        if method in MUTATING
    }
    assert documented == DOING.keys() | WITHOUT_A_ROW


async def test_every_change_is_told_with_who_and_from_where(world, service) -> None:
    silent = []
    for route in sorted(DOING, key=lambda route: (route in LAST and LAST.index(route) + 1) or 0):
        if "profile" in route or "users/" in route or "auth/logout" in route:
            # Each of these may end the person or their sessions.
            world.person = await service.add_person(world.admin, "operator")
            world.sessions = [await service.sign_in(world.person.tokens["user"]["username"]) for _ in range(2)]
        before = len(await told(service))
        action, do = DOING[route]
        answer = await do(world)
        assert answer.status_code < 300, (route, answer.status_code, answer.text)
        events = [event for event in (await told(service))[before:] if event.action == action]
        if not events or events[0].actor.kind == "anonymous" or not events[0].address or not events[0].request_id:
            silent.append((route, [event.model_dump(mode="json") for event in events]))
    assert silent == []


async def test_a_refused_change_is_told_with_who_wanted_it(world, service) -> None:
    viewer = await service.add_person(world.admin, "viewer")
    for route in DOING:
        method, _, path = route.partition(" ")
        filled = path.format(
            user_id=world.person.id,
            role_id=world.role,
            device_id="pump",
            share_id=world.share,
            session_id=world.person.id,
        )
        if not path.startswith(("/api/users", "/api/roles", "/api/devices")) or path.endswith("/enroll"):
            continue
        assert (await viewer.ask(method, filled, {}, If_Match="*")).status_code in {403, 422}, route
        assert (await service.http.request(method, filled)).status_code == 401, route
    await service.parts.audit_trail.write(is_last=True)
    refused = {
        (event.resource.id, event.reason): event.actor.name
        for event in await told(service)
        if event.action == "request.refused"
    }
    for route in DOING:
        path = route.partition(" ")[2]
        if path.startswith(("/api/users", "/api/roles", "/api/devices")) and not path.endswith("/enroll"):
            assert (route, "unauthorized") in refused, route
            assert refused.get((route, "forbidden")) == viewer.tokens["user"]["username"], route


async def test_a_reused_refresh_token_is_told_with_whose_it_was(world, service) -> None:
    token, user = world.person.tokens["refresh_token"], world.person.id

    async def refresh(agent: str) -> int:
        headers = {"User-Agent": agent}
        answer = await service.http.post("/api/auth/refresh", json={"refresh_token": token}, headers=headers)
        return answer.status_code

    assert [await refresh("owner"), await refresh("thief")] == [200, 401]
    (event,) = [event for event in await told(service) if (event.after or {}).get("reason") == "refresh_token_reused"]
    assert (event.action, event.after, event.actor.id) == (
        "session.ended",
        {"user_id": user, "reason": "refresh_token_reused"},
        "identity",
    )
    assert event.address
