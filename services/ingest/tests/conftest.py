"""Fixtures shared by ingest's tests."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import asyncpg
import httpx
import pytest

from pulse_chassis.run import run_workers
from pulse_ingest import app
from pulse_ingest.settings import IngestSettings

IDENTITY = """
create table identity.stub_device (device_id text primary key, is_active bool not null default true, owner_id uuid,
    api_key text not null);
create table identity.stub_access (user_id uuid, device_id text, level text);
create view identity.device_registry as select device_id, device_id as name, owner_id, is_active, 'test' as kind,
    '{}'::text[] as groups, '{}'::jsonb as metadata, now() as created_at from identity.stub_device;
create view identity.device_key as select device_id, left(api_key, 12) as key_prefix,
    sha256(api_key::bytea) as key_sha256, null::timestamptz as expires_at from identity.stub_device where is_active;
create view identity.device_access as select * from identity.stub_access;
grant select on identity.device_registry, identity.device_key, identity.device_access to pulse_published;
"""

Condition = Callable[[], Awaitable[Any]]


async def eventually(condition: Condition, *, seconds: float = 60.0, what: str = "") -> Any:
    """Wait until the condition gives something true and return that; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        result = await condition()
        if result:
            return result
        if time.monotonic() > deadline:
            pytest.fail(f"did not happen within {seconds} s: {what or condition}, last {result!r}")
        await asyncio.sleep(0.02)


@pytest.fixture(name="eventually")
def _eventually() -> Callable[..., Awaitable[Any]]:
    return eventually


@dataclass
class World:
    """The servers of one test, and its devices."""

    urls: dict[str, str]
    redis_url: str
    broker: Any
    directory: Path
    keys: dict[str, str] = field(default_factory=dict)
    accounts: list[str] = field(default_factory=list)
    overrides: dict[str, Any] = field(default_factory=dict)

    def environment(self, worker: str = "1", port: int = 0, **more: str) -> dict[str, str]:
        username, password = self.broker.svc_ingest
        own = {
            "PULSE_DATABASE_URL": self.urls["pulse_ingest"],
            "PULSE_REDIS_URL": self.redis_url,
            "PULSE_MQTT_HOST": self.broker.host,
            "PULSE_MQTT_PORT": str(self.broker.port),
            "PULSE_MQTT_USERNAME": username,
            "PULSE_MQTT_PASSWORD": password,
            "PULSE_HTTP_PORT": str(port),
            "PULSE_INGEST_WORKER_ID": f"{self.directory.name}-{worker}",
            # A durable session outlives its worker, and the broker would give it its share of other tests' messages.
            "PULSE_INGEST_SESSION": "ephemeral",
        }
        return own | {key.upper(): str(value) for key, value in self.overrides.items()} | more

    def settings(self, worker: str = "1", **more: Any) -> IngestSettings:
        names = {
            key.removeprefix("PULSE_").lower(): value
            for key, value in self.environment(worker).items()
            if key.startswith("PULSE_")
        }
        return IngestSettings(**(names | more))

    async def connect(self, role: str = "pulse_ingest") -> asyncpg.Connection:
        return await asyncpg.connect(self.urls[role])

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        connection = await self.connect()
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        rows = await self.fetch(query, *arguments)
        return rows[0][0] if rows else None

    async def end_session(self, worker: str = "1") -> None:
        """Make the broker forget the durable session of a worker."""
        username, password = self.broker.svc_ingest
        async with aiomqtt.Client(
            self.broker.host,
            self.broker.port,
            username=username,
            password=password,
            identifier=f"ingest-{self.directory.name}-{worker}",
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=True,
        ):
            pass

    async def add_device(self, device_id: str, *, on_broker: bool = True, registered: bool = True) -> str:
        key = "pk_" + hashlib.sha256(device_id.encode()).hexdigest()[:32]
        self.keys[device_id] = key
        if on_broker:
            await asyncio.to_thread(self.broker.add_device, device_id, key)
            self.accounts.append(device_id)
        if registered:
            identity = await self.connect("pulse_identity")
            await identity.execute("insert into identity.stub_device values ($1, true, null, $2)", device_id, key)
            await identity.close()
        return key

    @contextlib.asynccontextmanager
    async def client(self, device_id: str, **more: Any) -> AsyncIterator[aiomqtt.Client]:
        options = {"identifier": device_id, "protocol": aiomqtt.ProtocolVersion.V5} | more
        async with aiomqtt.Client(
            self.broker.host, self.broker.port, username=device_id, password=self.keys[device_id], **options
        ) as client:
            yield client

    @contextlib.asynccontextmanager
    async def ingest(self, worker: str = "1", **more: Any) -> AsyncIterator[app.Ingest]:
        """Run ingest in this process; stop it as SIGTERM would."""
        settings = self.settings(worker, **more)
        stop = asyncio.Event()
        async with app.compose_ingest(settings) as ingest:
            running = asyncio.create_task(run_workers(ingest.workers, stop=stop))
            try:
                await eventually(lambda: _is_connected(ingest, running), what="ingest connects")
                yield ingest
            finally:
                stop.set()
                await running

    @contextlib.contextmanager
    def ingest_process(self, port: int, worker: str = "1", **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run ingest as a process of its own."""
        environment = {**os.environ, **self.environment(worker, port), **more}
        log = (self.directory / f"ingest-{worker}-{time.monotonic_ns()}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "pulse_ingest", "serve"], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            log.close()


async def _is_connected(ingest: app.Ingest, running: asyncio.Task[None]) -> bool:
    if running.done():
        await running
    return ingest.link.connected_at is not None


@pytest.fixture
def identity_schema() -> str:
    """What stands for identity's published views."""
    return IDENTITY


@pytest.fixture(scope="session")
def migrated_database(postgres_server: Any) -> dict[str, str]:
    """A database with ingest's schema and what stands for identity's: every test gets a copy of its own."""
    urls: dict[str, str] = postgres_server.new_database()

    async def migrate() -> None:
        identity = await asyncpg.connect(urls["pulse_identity"])
        await identity.execute(IDENTITY)
        await identity.close()
        await app.migrate(IngestSettings(database_url=urls["pulse_ingest"], redis_url="redis://unused"))

    asyncio.run(migrate())
    return urls


@pytest.fixture
def postgres_database(postgres_server: Any, migrated_database: dict[str, str]) -> Iterator[dict[str, str]]:
    """The role URLs of this test's own database, migrated."""
    urls = postgres_server.new_database(migrated_database)
    yield urls
    postgres_server.forget_database(urls)


@pytest.fixture
async def world(
    postgres_database: dict[str, str], valkey_database: str, mosquitto_broker: Any, tmp_path: Path
) -> AsyncIterator[World]:
    world = World(postgres_database, valkey_database, mosquitto_broker, tmp_path)
    yield world
    for device_id in world.accounts:
        await asyncio.to_thread(mosquitto_broker.remove_device, device_id)


@dataclass
class Agent:
    """A client that says hello and sends compact runs, and hears its acks."""

    client: aiomqtt.Client
    device_id: str
    epoch: int = 0
    heard: list[dict[str, Any]] = field(default_factory=list)

    async def listen(self) -> None:
        await self.client.subscribe(f"ack/{self.device_id}", qos=1)

    async def next_message(self, *, seconds: float = 10.0) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            async for message in self.client.messages:
                heard = json.loads(message.payload)
                self.heard.append(heard)
                return heard
        raise AssertionError

    async def next_ack(self, *, seconds: float = 10.0) -> dict[str, Any]:
        while True:
            heard = await self.next_message(seconds=seconds)
            if "type" not in heard:
                return heard

    async def ack_until(self, cum: int, *, seconds: float = 20.0) -> dict[str, Any]:
        while True:
            ack = await self.next_ack(seconds=seconds)
            if ack["cum"] >= cum:
                return ack

    async def hello(
        self,
        *,
        instance: str = "one",
        next_: int = 1,
        oldest: int | None = None,
        epoch: int | None = None,
        number: int | None = None,
    ) -> dict[str, Any]:
        said: dict[str, Any] = {
            "type": "hello",
            "v": 1,
            "client_id": self.device_id,
            "epoch": self.epoch if epoch is None else epoch,
            "next": next_,
            "oldest_unacked": oldest or next_,
            "count": next_ - (oldest or next_),
            "instance": instance,
            "version": "test",
        }
        if number is not None:
            said["id"] = number
        await self.client.publish(f"heartbeat/{self.device_id}", json.dumps(said), qos=1)
        while True:
            heard = await self.next_message()
            if heard.get("type") == "welcome":
                self.epoch = heard["epoch"]
                return heard

    async def run(self, first: int, rows: list[Any], *, channel: str = "buffer", epoch: int | None = None) -> None:
        said = {"v": 1, "epoch": epoch or self.epoch, "first": first, "rows": rows}
        await self.client.publish(
            f"telemetry/{self.device_id}/{channel}", json.dumps(said), qos=1 if channel == "buffer" else 0
        )


@pytest.fixture(name="agent_of")
def _agent() -> type[Agent]:
    return Agent


@pytest.fixture
def now_us() -> Callable[[], int]:
    return lambda: time.time_ns() // 1000


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client
