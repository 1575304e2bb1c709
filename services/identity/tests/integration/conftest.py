"""A whole identity service in the test's own process: real PostgreSQL, Valkey and Mosquitto, HTTP without a socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest

from pulse_chassis.mqtt import MqttEndpoint, MqttSession
from pulse_chassis.run import Worker
from pulse_identity import app as identity
from pulse_identity.settings import IdentitySettings

ADMIN_PASSWORD = "correct horse battery"
DEADLINE = 10.0


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
        parts.hasher.close()
        await parts.redis.aclose()
        await parts.database.dispose()

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
    parts.hasher.close()
    await parts.redis.aclose()
    await parts.database.dispose()


@pytest.fixture
async def admin(service) -> Person:
    return await service.sign_in()


@pytest.fixture
def mqtt_session(mosquitto_broker):
    """Connect to the broker as a device; returns an async context manager."""

    def connect(device_id: str, api_key: str, *, client_id: str | None = None, on_message=lambda _message: None):
        endpoint = MqttEndpoint(mosquitto_broker.host, mosquitto_broker.port, device_id, api_key)
        return MqttSession.connect(endpoint, client_id=client_id or device_id, on_message=on_message)

    return connect
