"""The commands service over a real PostgreSQL, Valkey and Mosquitto.

The tables are of the services' own migrations; for identity stand its signing key and a server with it, for ingest the
rows that it would write of who is there.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from pulse_chassis.mqtt import MqttEndpoint
from pulse_chassis.run import run_workers
from pulse_chassis.signatures import SigningKey, TrustedKeys
from pulse_chassis.streams import StreamWriter, connect_redis
from pulse_commands import app
from pulse_commands.settings import CommandsSettings
from pulse_contracts.permissions import BUILT_IN_ROLES
from pulse_contracts.streams import DEVICES_STREAM, STREAM_MAXLEN
from pulse_local.ports import free_ports
from pulse_local.testing import Servers
from pulse_local.testing_identity import User

DEVICE_PASSWORD = "a device's key, for tests"
DEADLINE = 30.0


@dataclass
class Running:
    """A service that runs in this process."""

    parts: app.Parts
    url: str

    def counted(self, name: Any) -> float:
        return self.parts.count.value(name)


@dataclass
class World:
    """The data of identity, ingest and commands, devices on the broker, and services over them."""

    urls: dict[str, str]
    redis_url: str
    identity_url: str
    broker: Any
    directory: Path
    superuser_url: str
    peer_class: type[Any]
    commands_key: SigningKey
    until: Callable[..., Awaitable[Any]]
    db: asyncpg.Connection
    redis: Redis
    http: httpx.AsyncClient
    port: int = field(default_factory=lambda: free_ports(1)[0])
    accounts: list[str] = field(default_factory=list)
    peers: list[Any] = field(default_factory=list)
    worker: str = field(default_factory=lambda: uuid4().hex[:8])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def twin(self) -> World:
        """The same world, for another replica of the service: a port and a worker's name of its own."""
        return replace(self, port=free_ports(1)[0], worker=f"{self.worker}-twin")

    async def reconnect(self) -> None:
        """Connect to the database again, after it was away."""
        self.db = await asyncpg.connect(self.superuser_url)

    def environment(self, **more: str) -> dict[str, str]:
        username, password = self.broker.svc_commands
        own = {
            "PULSE_DATABASE_URL": self.urls["pulse_commands"],
            "PULSE_REDIS_URL": self.redis_url,
            "PULSE_IDENTITY_URL": self.identity_url,
            "PULSE_MQTT_HOST": self.broker.host,
            "PULSE_MQTT_PORT": str(self.broker.port),
            "PULSE_MQTT_USERNAME": username,
            "PULSE_MQTT_PASSWORD": password,
            "PULSE_HTTP_PORT": str(self.port),
            "PULSE_COMMANDS_SIGNING_KEY": json.dumps(self.commands_key.private_jwk()),
            "PULSE_COMMANDS_WORKER_ID": self.worker,
            # A durable session outlives its worker, and would be given its share of other tests' reports.
            "PULSE_COMMANDS_SESSION": "ephemeral",
            "PULSE_COMMANDS_POLL_SECONDS": "0.2",
            "PULSE_COMMANDS_RETRY_SECONDS": "0.5",
            "PULSE_COMMANDS_LONGEST_RETRY_SECONDS": "1.5",
            "PULSE_COMMANDS_UNKNOWN_RETRY_SECONDS": "1",
        }
        return own | more

    def settings(self, **more: Any) -> CommandsSettings:
        fields = {name.removeprefix("PULSE_").lower(): value for name, value in self.environment().items()}
        return CommandsSettings(**(fields | more))

    @asynccontextmanager
    async def service(self, **more: Any) -> AsyncIterator[Running]:
        """Run the service in this process; stop it as SIGTERM would."""
        stop = asyncio.Event()
        async with app.open_parts(self.settings(**more)) as parts:
            running = asyncio.create_task(run_workers(app.make_workers(parts), stop=stop))
            try:
                await self.ready(running)
                yield Running(parts, self.url)
            finally:
                stop.set()
                await running

    @contextmanager
    def process(self, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run the service as a process of its own; kill it at the end."""
        log = (self.directory / "commands.log").open("ab")
        environment = {**os.environ, **self.environment(**more)}
        serving = subprocess.Popen(
            [sys.executable, "-m", "pulse_commands", "serve"], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield serving
        finally:
            serving.kill()
            serving.wait()
            log.close()

    async def ready(self, running: asyncio.Task[None] | None = None) -> None:
        """Wait until the service can work."""

        async def is_ready() -> bool:
            if running is not None and running.done():
                running.result()
            with suppress(httpx.TransportError):
                return (await self.http.get(f"{self.url}/readyz")).status_code == 200
            return False

        await self.until(is_ready, what="the service gets ready")

    async def user(self, *roles: str) -> User:
        """Add somebody with these roles; an operator without any."""
        names = roles or ("operator",)
        held = {str(p) for role in names for p in BUILT_IN_ROLES.get(role, ())}
        user = User(uuid4(), f"user-{uuid4().hex[:8]}", names, tuple(sorted(held)))
        await self.db.execute(
            "insert into identity.users (id, username, username_key, password_hash, is_active, version, created_at,"
            " updated_at) values ($1, $2, $2, '', true, 1, now(), now())",
            user.id,
            user.username,
        )
        for role in names:
            await self.db.execute(
                "insert into identity.user_roles select $1, id from identity.roles where name = $2", user.id, role
            )
        return user

    async def device(
        self,
        device_id: str | None = None,
        owner: User | None = None,
        *,
        groups: tuple[str, ...] = (),
        on_broker: bool = False,
    ) -> str:
        """Register a device."""
        name = device_id or f"D-{uuid4().hex[:8]}"
        await self.db.execute(
            "insert into identity.devices (id, name, kind, owner_id, is_active, groups, metadata, version, created_at,"
            " updated_at) values ($1, $1, 'simulated', $2, true, $3, '{}', 1, now(), now())",
            name,
            owner.id if owner else None,
            list(groups),
        )
        if on_broker:
            await asyncio.to_thread(self.broker.add_device, name, DEVICE_PASSWORD)
            self.accounts.append(name)
        return name

    async def share(self, device_id: str, user: User, level: str) -> None:
        await self.db.execute(
            "insert into identity.device_shares (id, device_id, user_id, level, created_at)"
            " values ($1, $2, $3, $4, now())",
            uuid4(),
            device_id,
            user.id,
            level,
        )

    async def peer(self, owner: User | None = None, *, connects: bool = True, **fields: Any) -> Any:
        """Add a device with a program on it; it is there at once unless it does not connect yet."""
        groups = fields.pop("groups", ())
        device_id = await self.device(fields.pop("device_id", None), owner, groups=groups, on_broker=True)
        endpoint = MqttEndpoint(self.broker.host, self.broker.port, device_id, DEVICE_PASSWORD)
        peer = self.peer_class(device_id, endpoint, TrustedKeys([self.commands_key.public_jwk()]), **fields)
        self.peers.append(peer)
        if connects:
            await peer.connect()
            await self.online(device_id)
        return peer

    async def online(self, device_id: str, *, is_told: bool = True) -> None:
        """Have a device be there, as ingest would write and tell."""
        await self.db.execute(
            "insert into telemetry.presence (client_id, status, since, last_seen) values ($1, 'ONLINE', now(), now())"
            " on conflict (client_id) do update set status = 'ONLINE', since = now(), last_seen = now()",
            device_id,
        )
        if is_told:
            event = {"device_id": device_id, "status": {"status": "ONLINE", "since": time.time_ns() // 1_000_000}}
            await StreamWriter(self.redis, DEVICES_STREAM, STREAM_MAXLEN[DEVICES_STREAM]).append(
                json.dumps(event).encode()
            )

    async def offline(self, device_id: str) -> None:
        await self.db.execute(
            "update telemetry.presence set status = 'OFFLINE', since = now() where client_id = $1", device_id
        )

    async def ask(self, user: User | None, method: str, path: str, json: Any = None, **headers: str) -> httpx.Response:
        """Send a request as somebody."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        bearer = user.bearer if user is not None else {}
        return await self.http.request(method, f"{self.url}{path}", json=json, headers={**bearer, **named})

    async def send(self, user: User, *device_ids: str, name: str = "PING", **more: Any) -> list[dict[str, Any]]:
        """Send a command; return the commands that were made."""
        headers = more.pop("headers", {})
        body = {"name": name, **more} | ({"device_ids": list(device_ids)} if device_ids else {})
        answer = await self.ask(user, "POST", "/api/commands", body, **headers)
        assert answer.status_code == 202, answer.text
        commands: list[dict[str, Any]] = answer.json()["commands"]
        return commands

    async def state(self, command_id: UUID | str) -> str:
        return str(await self.db.fetchval("select state from commands.command where id = $1", UUID(str(command_id))))

    async def expect_state(self, command_id: UUID | str, *states: str, seconds: float = DEADLINE) -> str:
        async def reached() -> str | None:
            state = await self.state(command_id)
            return state if state in states else None

        return str(await self.until(reached, seconds=seconds, what=f"{command_id} gets to {states}"))

    async def steps(self, command_id: UUID | str) -> list[str]:
        rows = await self.db.fetch(
            "select state from commands.command_event where command_id = $1 order by seq", UUID(str(command_id))
        )
        return [row["state"] for row in rows]


@pytest.fixture
def tools(peer_class: type[Any], commands_key: SigningKey, wait_until: Callable[..., Any]) -> dict[str, Any]:
    return {"peer_class": peer_class, "commands_key": commands_key, "until": wait_until}


@pytest.fixture
async def world(
    migrated: dict[str, str], servers: Servers, identity_url: str, tmp_path: Path, tools: dict[str, Any]
) -> AsyncIterator[World]:
    """An empty system."""
    superuser_url = servers.postgres.superuser_url(migrated["pulse_commands"])
    db = await asyncpg.connect(superuser_url)
    await db.execute(
        "truncate identity.users, identity.devices, telemetry.presence, commands.batch, commands.command,"
        " commands.device_counter, commands.capability, commands.refusal, commands.outbox cascade"
    )
    redis_url = servers.valkey.new_database()
    redis = connect_redis(redis_url)
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        world = World(
            urls=migrated,
            redis_url=redis_url,
            identity_url=identity_url,
            broker=servers.broker,
            directory=tmp_path,
            superuser_url=superuser_url,
            db=db,
            redis=redis,
            http=http,
            **tools,
        )
        yield world
        for peer in world.peers:
            await peer.disconnect()
    for device_id in world.accounts:
        await asyncio.to_thread(servers.broker.remove_device, device_id)
    await redis.aclose()
    await world.db.close()
