"""Identity and sync as processes of their own: an edit of a desktop, its conflict, and its restore, over real parts."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiomqtt
import httpx
import pytest

from pulse_chassis.sealing import Sealer, SealKey
from pulse_chassis.signatures import SigningKey, TrustedKeys
from pulse_contracts.operations import OPERATION_TYPE
from pulse_contracts.stamps import make_stamp
from pulse_contracts.sync import DOWN, DOWN_TYPE, LEASE_TYPE, SEALED, Lease
from pulse_local.ports import free_ports

INTERNAL_KEY = "the-internal-key-of-this-very-test"
ADMIN_PASSWORD = "correct horse battery staple 7"
LATER, EARLIER = make_stamp(4_000_000_000_000), make_stamp(1_000)


@dataclass
class Services:
    """Both, and the admin's way in."""

    identity: httpx.AsyncClient
    sync: httpx.AsyncClient
    broker: Any
    me: dict[str, Any]

    async def ok(self, client: httpx.AsyncClient, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = await client.request(method, path, json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None


@contextmanager
def process(module: str, environment: dict[str, str], log: Path) -> Iterator[None]:
    """Migrate a service and run it until the end."""
    whole = {**os.environ, **environment}
    with log.open("wb") as output:
        subprocess.run([sys.executable, "-m", module, "migrate"], env=whole, check=True, stdout=output, stderr=output)
        running = subprocess.Popen([sys.executable, "-m", module, "serve"], env=whole, stdout=output, stderr=output)
        try:
            yield
            running.terminate()
            assert running.wait(timeout=30) == 0, log.read_text()[-2000:]
        finally:
            running.kill()
            running.wait()


@pytest.fixture(scope="module")
def urls(
    postgres_server: Any, valkey_server: Any, mosquitto_broker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Both services, running for the tests of this module."""
    databases, redis_url = postgres_server.new_database(), valkey_server.new_database()
    ports = dict(zip(("identity", "sync"), free_ports(2), strict=True))
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}

    def common(name: str, account: tuple[str, str]) -> dict[str, str]:
        return {
            "PULSE_DATABASE_URL": databases[f"pulse_{name}"],
            "PULSE_REDIS_URL": redis_url,
            "PULSE_MQTT_HOST": mosquitto_broker.host,
            "PULSE_MQTT_PORT": str(mosquitto_broker.port),
            "PULSE_MQTT_USERNAME": account[0],
            "PULSE_MQTT_PASSWORD": account[1],
            "PULSE_HTTP_PORT": str(ports[name]),
            "PULSE_IDENTITY_URL": urls["identity"],
            "PULSE_INTERNAL_KEY": INTERNAL_KEY,
        }

    identity = common("identity", mosquitto_broker.admin) | {
        "PULSE_IDENTITY_SECRET": "a-secret-of-identity-in-this-test",
        "PULSE_IDENTITY_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "PULSE_IDENTITY_BROKER_ADMIN_USERNAME": mosquitto_broker.admin[0],
        "PULSE_IDENTITY_BROKER_ADMIN_PASSWORD": mosquitto_broker.admin[1],
        "PULSE_IDENTITY_ARGON2_MEMORY_KIB": "8192",
    }
    sync = common("sync", mosquitto_broker.svc_sync) | {
        "PULSE_SYNC_SIGNING_KEY": json.dumps(SigningKey.generate("sync-1").private_jwk()),
        "PULSE_SYNC_SEAL_KEY": SealKey.generate().private_key,
    }
    logs = tmp_path_factory.mktemp("services")
    with (
        process("pulse_identity", identity, logs / "identity.log"),
        process("pulse_sync", sync, logs / "sync.log"),
    ):
        yield urls


@pytest.fixture
async def services(urls: dict[str, str], mosquitto_broker: Any, eventually: Any) -> AsyncIterator[Services]:
    async with (
        httpx.AsyncClient(base_url=urls["identity"], timeout=30) as to_identity,
        httpx.AsyncClient(base_url=urls["sync"], timeout=30) as to_sync,
    ):
        for client in (to_identity, to_sync):
            await eventually(lambda client=client: _is_ready(client), seconds=60, what=f"{client.base_url} is ready")
        given = {"username": "admin", "password": ADMIN_PASSWORD}
        token = (await to_identity.post("/api/auth/login", json=given)).json()
        for client in (to_identity, to_sync):
            client.headers["Authorization"] = f"Bearer {token['access_token']}"
        yield Services(to_identity, to_sync, mosquitto_broker, token["user"])


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.HTTPError:
        return False


@dataclass
class Workstation:
    """An enrolled desktop's end of the wire."""

    device_id: str
    client: aiomqtt.Client
    signing_key: SigningKey
    seal_key: SealKey
    keys: dict[str, Any]
    password_key: str
    op_no: int = 0

    async def ask(self, message: dict[str, Any], *, is_sealed: bool = False) -> Any:
        """Say something and return the answer to it."""
        request = uuid4().hex
        payload = json.dumps({"v": 1, "req": request} | message).encode()
        if is_sealed:
            payload = SEALED + Sealer(self.keys["seal_key"]).seal(payload)
        await self.client.publish(f"sync/{self.device_id}/up", payload, qos=1)
        while True:
            heard = await self.hear()
            if heard.req == request:
                return heard

    async def hear(self) -> Any:
        trusted = TrustedKeys(self.keys["keys"])
        async with asyncio.timeout(30):
            async for message in self.client.messages:
                return DOWN.validate_json(trusted.open(self.seal_key.open(bytes(message.payload)[1:]), DOWN_TYPE))
        raise AssertionError

    async def push(self, actor: str, row: Any, fields: dict[str, Any], stamp: str, base: int | None = None) -> Any:
        """Push one operation on a row of a page and return its outcome."""
        self.op_no += 1
        operation = {
            "op_id": str(uuid4()),
            "desktop_id": self.device_id,
            "op_no": self.op_no,
            "entity": row.entity,
            "id": row.id,
            "base_version": row.version if base is None else base,
            "fields": fields,
            "updated_at": stamp,
            "actor": actor,
        }
        token = self.signing_key.sign(json.dumps(operation).encode(), OPERATION_TYPE)
        message = {"type": "push", "operations": [token]}
        answer = await self.ask(message, is_sealed=True)
        again = await self.ask(message, is_sealed=True)
        assert again.outcomes == answer.outcomes  # A push that comes again is answered again, and not done again.
        (outcome,) = answer.outcomes
        return outcome


@pytest.fixture
async def workstation(services: Services) -> AsyncIterator[Workstation]:
    device_id = f"WS-{uuid4().hex[:8]}"
    signing_key, seal_key = SigningKey.generate(device_id), SealKey.generate()
    code = await services.ok(
        services.identity, "POST", "/api/devices/enrolment-codes", {"id": device_id, "kind": "workstation"}
    )
    enrolment = {"code": code["code"], "sign_jwk": signing_key.public_jwk(), "seal_key": seal_key.public_key}
    enrolled = await services.ok(services.identity, "POST", "/api/devices/enroll", enrolment)
    keys = await services.ok(services.sync, "GET", "/api/sync/keys")
    async with aiomqtt.Client(
        services.broker.host,
        services.broker.port,
        username=device_id,
        password=enrolled["api_key"],
        identifier=device_id,
        protocol=aiomqtt.ProtocolVersion.V5,
    ) as client:
        await client.subscribe(f"sync/{device_id}/down", qos=1)
        yield Workstation(device_id, client, signing_key, seal_key, keys, enrolled["password_key"])


async def test_an_edit_its_conflict_and_its_restore(
    services: Services, workstation: Workstation, eventually: Any
) -> None:
    admin = services.me["id"]
    page = await workstation.ask({"type": "pull", "since": 0})
    rows = {(row.entity, row.fields.get("username") or row.fields.get("name")): row for row in page.rows}
    me = rows["users", "admin"]
    assert ("roles", "admin") in rows
    assert ("roles", "viewer") in rows  # Nobody in the scope holds it, but people are given roles here.
    lease = Lease.model_validate_json(TrustedKeys(workstation.keys["keys"]).open(page.leases[admin], LEASE_TYPE))
    assert (lease.username, lease.roles, lease.aud) == ("admin", ["admin"], workstation.device_id)
    assert page.verifiers[admin].memory_kib == 8192

    applied = await workstation.push(admin, me, {"email": "one@example.org"}, EARLIER)
    assert (applied.outcome, applied.row.fields["email"], applied.conflict_id) == ("applied", "one@example.org", None)

    lost = await workstation.push(admin, me, {"email": "two@example.org"}, EARLIER)
    assert (lost.outcome, lost.row.fields["email"]) == ("conflict_lost", "one@example.org")
    of_mine = f"desktop_id={workstation.device_id}"
    (conflict,) = (await services.ok(services.sync, "GET", f"/api/sync/conflicts?state=open&{of_mine}"))["items"]
    assert conflict["id"] == str(lost.conflict_id)
    assert conflict["desktop_fields"] == {"email": "two@example.org"}
    assert conflict["server_fields"]["email"] == "one@example.org"

    restored = await services.ok(services.sync, "POST", f"/api/sync/conflicts/{conflict['id']}/restore")
    assert (restored["resolution"], restored["resolved_by"]) == ("restored", admin)
    assert (await services.ok(services.identity, "GET", f"/api/users/{admin}"))["email"] == "two@example.org"
    second = await services.sync.post(f"/api/sync/conflicts/{conflict['id']}/restore")
    assert (second.status_code, second.json()["code"]) == (409, "conflict_resolved")

    won = await workstation.push(admin, me, {"email": "three@example.org"}, LATER)
    assert (won.outcome, won.row.fields["email"]) == ("applied", "three@example.org")
    restore = f"/api/sync/conflicts/{won.conflict_id}/restore"
    undone = await services.ok(services.sync, "POST", restore, **{"Idempotency-Key": "once"})
    assert undone["winner"] == "desktop"
    assert await services.ok(services.sync, "POST", restore, **{"Idempotency-Key": "once"}) == undone
    assert (await services.ok(services.identity, "GET", f"/api/users/{admin}"))["email"] == "two@example.org"

    log = (await services.ok(services.sync, "GET", f"/api/sync/log?direction=up&{of_mine}"))["items"]
    assert [line["status"] for line in log] == ["applied", "conflict_lost", "applied"]

    async def audited() -> Any:
        items = (await services.ok(services.identity, "GET", "/api/audit?action=conflict.restored"))["items"]
        return len(items) == 2 and {item["resource"]["id"] for item in items}

    assert await eventually(audited) == {str(lost.conflict_id), str(won.conflict_id)}
    since = page.checkpoint

    async def caught_up() -> Any:
        delta = await workstation.ask({"type": "pull", "since": since})
        return [row for row in delta.rows if row.fields.get("email") == "two@example.org"]

    await eventually(caught_up)


async def test_rows_that_were_made_at_a_desktop_come_with_the_answer(
    services: Services, workstation: Workstation
) -> None:
    """Their events come a little later, and until then the change log does not have them."""
    admin = services.me["id"]
    page = await workstation.ask({"type": "pull", "since": 0})
    a_role = next(row for row in page.rows if row.entity == "roles" and row.fields["name"] == "viewer")
    password = base64.b64encode(Sealer(workstation.password_key).seal(b"a long pass phrase 12")).decode()
    for n in range(5):
        name = f"{workstation.device_id.lower()}-{n}"
        new_role = a_role.model_copy(update={"id": str(uuid4())})
        made = await workstation.push(admin, new_role, {"name": name}, LATER, base=0)
        assert (made.outcome, made.row and made.row.fields["name"]) == ("applied", name)
        somebody = new_role.model_copy(update={"entity": "users", "id": str(uuid4())})
        fields = {"username": name, "password": password, "roles_added": [a_role.id]}
        made = await workstation.push(admin, somebody, fields, LATER, base=0)
        assert (made.outcome, made.row and made.row.fields["username"]) == ("applied", name)
        edited = await workstation.push(admin, made.row, {"email": f"{name}@example.org"}, LATER)
        assert (edited.outcome, edited.row.fields["email"]) == ("applied", f"{name}@example.org")


async def test_what_a_desktop_may_not_is_refused_and_said(services: Services, workstation: Workstation) -> None:
    admin = services.me["id"]
    created = await services.ok(
        services.identity, "POST", "/api/users", {"username": "far", "password": "a long pass phrase 12"}
    )
    page = await workstation.ask({"type": "pull", "since": 0})
    me = next(row for row in page.rows if row.entity == "users")
    foreign = me.model_copy(update={"id": created["id"], "version": 1})
    refused = await workstation.push(admin, foreign, {"email": "x@example.org"}, LATER)
    assert (refused.outcome, refused.code, refused.row) == ("rejected", "out_of_scope", None)
    stranger = await workstation.push(created["id"], me, {"email": "x@example.org"}, LATER)
    assert (stranger.outcome, stranger.row) == ("rejected", None)


async def test_a_forced_sync_reaches_the_desktop_and_only_those_who_may_ask(
    services: Services, workstation: Workstation
) -> None:
    page = await workstation.ask({"type": "pull", "since": 0})
    path = f"/api/sync/desktops/{workstation.device_id}"
    view = await services.ok(services.sync, "POST", f"{path}/force")
    assert (view["device_id"], view["is_workstation"]) == (workstation.device_id, True)
    forced = await workstation.hear()
    assert (forced.req, forced.rows, forced.checksum) == ("force", [], page.checksum)

    body = {"username": "vic", "password": "a long pass phrase 12", "roles": ["operator"]}
    await services.ok(services.identity, "POST", "/api/users", body)
    login = {"username": "vic", "password": "a long pass phrase 12"}
    token = (await services.identity.post("/api/auth/login", json=login)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert (await services.sync.get(path, headers={"Authorization": ""})).status_code == 401
    assert (await services.sync.post(f"{path}/force", headers=headers)).status_code == 403
    assert (await services.sync.get(path, headers=headers)).status_code == 404
    assert (await services.sync.get("/api/sync/desktops", headers=headers)).json()["total"] == 0
    listed = await services.ok(services.sync, "GET", f"/api/sync/desktops?q={workstation.device_id.lower()}&sort=-lag")
    assert [item["device_id"] for item in listed["items"]] == [workstation.device_id]
