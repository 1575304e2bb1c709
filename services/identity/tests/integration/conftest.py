"""A whole identity service in the test's own process: real PostgreSQL, Valkey and Mosquitto, HTTP without a socket."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import sqlalchemy as sa

from pulse_chassis.mqtt import MqttEndpoint, MqttSession
from pulse_chassis.run import Worker
from pulse_chassis.sealing import Sealer, SealKey
from pulse_chassis.signatures import SigningKey
from pulse_contracts.operations import OPERATION_TYPE, Operation, OperationOutcome
from pulse_contracts.stamps import make_stamp
from pulse_contracts.streams import CHANGES_STREAM, RowChanged
from pulse_identity import app as identity
from pulse_identity.settings import IdentitySettings
from pulse_identity.storage.tables import outbox

sys.path.insert(0, str(Path(__file__).parent))

from emqx_peer import API_KEY, API_SECRET, BROKER_SECRET, EmqxPeer, serving_emqx

ADMIN_PASSWORD = "correct horse battery"
INTERNAL_KEY = "between-services-in-tests-only"
DEADLINE = 10.0


SERVICE = {"Authorization": f"Bearer {INTERNAL_KEY}"}


async def wait_until(condition: Callable[[], Awaitable[bool] | bool], seconds: float = DEADLINE) -> None:
    """Wait for a condition; fail when it does not come true in time."""
    async with asyncio.timeout(seconds):
        while True:
            result = condition()
            if result if isinstance(result, bool) else await result:
                return
            await asyncio.sleep(0.01)


@dataclass
class Person:
    """A signed-in user's HTTP client."""

    http: httpx.AsyncClient
    tokens: dict[str, Any]
    id: str = field(init=False)

    def __post_init__(self) -> None:
        self.id = self.tokens["user"]["id"]

    async def ask(self, method: str, path: str, json: Any = None, **headers: str) -> httpx.Response:
        """Send a request with the access token and return the answer; `If_Match="…"` becomes `If-Match`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Authorization"] = f"Bearer {self.tokens['access_token']}"
        return await self.http.request(method, path, json=json, headers=named)

    async def call(self, method: str, path: str, json: Any = None, status: int | None = None) -> Any:
        """Send a request for whatever version there is; with `status`, insist on it; return the JSON."""
        answer = await self.ask(method, path, json, If_Match="*")
        if status is not None:
            assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


@dataclass
class Service:
    """A running service."""

    parts: identity.Parts
    http: httpx.AsyncClient

    async def sign_in(self, username: str = "admin", password: str = ADMIN_PASSWORD) -> Person:
        """Sign in."""
        answer = await self.http.post("/api/auth/login", json={"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        return Person(self.http, answer.json())

    async def add_person(self, admin: Person, *roles: str, username: str | None = None) -> Person:
        """Add a user with these roles and sign in."""
        name = username or f"user-{uuid4().hex[:8]}"
        body = {"username": name, "password": ADMIN_PASSWORD, "roles": list(roles)}
        await admin.call("POST", "/api/users", body, status=201)
        return await self.sign_in(name)


@dataclass
class DesktopPeer:
    """An enrolled desktop: its own keys, what it was told, and sync's way to pass on what it signs."""

    http: httpx.AsyncClient
    told: dict[str, Any]
    signs: SigningKey
    seals: SealKey
    op_no: int = 0

    @property
    def id(self) -> str:
        return self.told["device_id"]

    def seal_password(self, password: str) -> str:
        """Seal a password to identity."""
        return base64.b64encode(Sealer(self.told["password_key"]).seal(password.encode())).decode()

    def edit(self, actor: str, entity: str, row_id: str, base: int, fields: dict[str, Any], **other: Any) -> Operation:
        """Return an operation, made now unless `at_ms` says otherwise."""
        self.op_no += 1
        at_ms = other.pop("at_ms", None) or time.time_ns() // 1_000_000
        values = {
            "desktop_id": self.id,
            "op_id": uuid4(),
            "op_no": self.op_no,
            "updated_at": make_stamp(at_ms),
            **other,
        }
        return Operation(entity=entity, id=row_id, base_version=base, fields=fields, actor=actor, **values)

    def sign(self, operation: Operation) -> str:
        """Return the operation as it travels."""
        return self.signs.sign(operation.model_dump_json().encode(), OPERATION_TYPE)

    async def push(self, *operations: Operation | str, desktop_id: str | None = None) -> list[OperationOutcome]:
        """Have operations applied and return the answers."""
        tokens = [item if isinstance(item, str) else self.sign(item) for item in operations]
        body = {"desktop_id": desktop_id or self.id, "operations": tokens}
        answer = await self.http.post("/internal/operations", json=body, headers=SERVICE)
        assert answer.status_code == 200, answer.text
        return [OperationOutcome.model_validate(outcome) for outcome in answer.json()["outcomes"]]


@contextlib.asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[None]:
    """Run a worker around a block."""
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Wait for a condition; fail when it does not come true in time."""
    return wait_until


def make_settings(database: dict[str, str], valkey_url: str, broker: Any) -> IdentitySettings:
    """What identity is told in tests; passwords cost as little as they may."""
    username, password = broker.admin
    return IdentitySettings(
        database_url=database["pulse_identity"],
        redis_url=valkey_url,
        mqtt_host=broker.host,
        mqtt_port=broker.port,
        identity_admin_password=ADMIN_PASSWORD,
        identity_secret="a secret for tests, 24 characters",
        identity_broker_admin_username=username,
        identity_broker_admin_password=password,
        internal_key=INTERNAL_KEY,
        identity_mqtt_public_port=broker.port,
        identity_mqtt_tls_port=broker.tls_port,
        identity_mqtt_ca_file=broker.ca_file,
        identity_argon2_memory_kib=8 * 1024,
        identity_argon2_passes=1,
    )


@pytest.fixture(scope="session")
def started_database(postgres_server, valkey_server, mosquitto_broker) -> dict[str, str]:
    """A database as identity's first start leaves it: every test gets a copy of its own."""
    database: dict[str, str] = postgres_server.new_database()
    settings = make_settings(database, valkey_server.new_database(), mosquitto_broker)

    async def start() -> None:
        await identity.migrate(settings)
        parts = identity.make_parts(settings)
        await identity.prepare(parts)
        await identity.close_parts(parts)

    asyncio.run(start())
    return database


@pytest.fixture
def postgres_database(postgres_server, started_database) -> Iterator[dict[str, str]]:
    """The role URLs of this test's own database, after identity's first start."""
    urls = postgres_server.new_database(started_database)
    yield urls
    postgres_server.forget_database(urls)


@pytest.fixture
def identity_settings(postgres_database, valkey_server, mosquitto_broker) -> IdentitySettings:
    """Settings over a database after the first start."""
    return make_settings(postgres_database, valkey_server.new_database(), mosquitto_broker)


@pytest.fixture
async def emqx_peer() -> AsyncIterator[EmqxPeer]:
    async with serving_emqx() as peer:
        yield peer


@pytest.fixture
def emqx_settings(postgres_database, valkey_server, mosquitto_broker, emqx_peer) -> IdentitySettings:
    """Settings over a database after the first start, with EMQX as the broker."""
    settings = make_settings(postgres_database, valkey_server.new_database(), mosquitto_broker)
    given: dict[str, Any] = {name: getattr(settings, name) for name in settings.model_fields_set}
    passwords = {
        f"identity_emqx_{name}_password": f"the password of svc-{name}, long"
        for name in ("ingest", "sync", "commands", "alerts")
    }
    given |= {
        "identity_broker": "emqx",
        "identity_broker_admin_password": None,
        "identity_emqx_url": emqx_peer.url,
        "identity_emqx_api_key": f"{API_KEY}:{API_SECRET}:administrator",
        "identity_emqx_secret": BROKER_SECRET,
    }
    return IdentitySettings(**(given | passwords))


@pytest.fixture
async def unstarted_settings(postgres_server, valkey_server, mosquitto_broker) -> AsyncIterator[IdentitySettings]:
    """Settings over a migrated database before the first start."""
    urls = postgres_server.new_database()
    settings = make_settings(urls, valkey_server.new_database(), mosquitto_broker)
    await identity.migrate(settings)
    yield settings
    postgres_server.forget_database(urls)


@pytest.fixture
async def service(identity_settings) -> AsyncIterator[Service]:
    """Identity after its first start."""
    parts = identity.make_parts(identity_settings)
    transport = httpx.ASGITransport(identity.make_app(parts))
    async with (
        working(parts.broker.worker()),
        httpx.AsyncClient(transport=transport, base_url="http://identity.test") as http,
    ):
        yield Service(parts, http)
    await identity.close_parts(parts)


@pytest.fixture
async def admin(service) -> Person:
    return await service.sign_in()


@pytest.fixture
def enrol(service, admin):
    """Enrol a desktop with a code of the admin's, who owns it; returns it, or the refusal's code and field."""

    async def enrol_one(kind: str = "workstation", owner: Person = admin, device_id: str | None = None, **changes: Any):
        code = await owner.call("POST", "/api/devices/enrolment-codes", {"kind": kind, "id": device_id}, status=201)
        signs, seals = SigningKey.generate(), SealKey.generate()
        body = {"code": code["code"], "sign_jwk": signs.public_jwk(), "seal_key": seals.public_key, **changes}
        answer = await service.http.post("/api/devices/enroll", json=body)
        if answer.status_code != 200:
            return answer.json()["code"], answer.json().get("field")
        return DesktopPeer(service.http, answer.json(), signs, seals)

    return enrol_one


@pytest.fixture
async def desk(enrol) -> DesktopPeer:
    """The admin's workstation."""
    return await enrol()


@pytest.fixture
async def reader(service, postgres_database):
    """A connection as another service."""
    connection = await asyncpg.connect(postgres_database["pulse_gateway"])
    yield connection
    await connection.close()


@pytest.fixture
def row_of(reader):
    """Return a synced row as sync reads it; None when there is none."""

    async def read(entity: str, row_id: str) -> dict[str, Any] | None:
        found = await reader.fetchrow("select * from identity.synced_row where entity = $1 and id = $2", entity, row_id)
        if found is None:
            return None
        return {**found, "fields": json.loads(found["fields"]), "revoked": json.loads(found["revoked"])}

    return read


@pytest.fixture
def changes(service):
    """Return what was told on `pulse:changes` since the last time."""
    seen = 0

    async def read() -> list[RowChanged]:
        nonlocal seen
        query = sa.select(outbox.c.id, outbox.c.entry).where(outbox.c.stream == CHANGES_STREAM, outbox.c.id > seen)
        async with service.parts.database.read() as session:
            rows = (await session.execute(query.order_by(outbox.c.id))).all()
        seen = rows[-1].id if rows else seen
        return [RowChanged.model_validate_json(row.entry) for row in rows]

    return read


@pytest.fixture
def mqtt_session(mosquitto_broker):
    """Connect to the broker as a device; returns an async context manager."""

    def connect(device_id: str, api_key: str, *, client_id: str | None = None, on_message=lambda _message: None):
        endpoint = MqttEndpoint(mosquitto_broker.host, mosquitto_broker.port, device_id, api_key)
        return MqttSession.connect(endpoint, client_id=client_id or device_id, on_message=on_message)

    return connect
