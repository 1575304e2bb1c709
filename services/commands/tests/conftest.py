"""The commands service over a real PostgreSQL, Valkey and Mosquitto, and a device that verifies and answers.

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
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from pulse_chassis.bearer import generate_signing_key, issue_access_token, public_jwk
from pulse_chassis.database import upgrade
from pulse_chassis.mqtt import InboundMessage, MqttEndpoint, MqttError, MqttSession
from pulse_chassis.run import run_workers
from pulse_chassis.signatures import SignatureError, SigningKey, TrustedKeys
from pulse_chassis.streams import StreamWriter, connect_redis
from pulse_commands import app
from pulse_commands.settings import CommandsSettings
from pulse_contracts.commands import COMMAND_TYPE, MAX_COMMAND_BYTES, Command
from pulse_contracts.permissions import BUILT_IN_ROLES, Permission
from pulse_contracts.streams import DEVICES_STREAM, STREAM_MAXLEN
from pulse_local.ports import free_ports

SERVICES = Path(__file__).resolve().parents[2]
TOKEN_KEY = generate_signing_key("test-key")
COMMANDS_KEY = SigningKey.generate("commands-test")
DEVICE_PASSWORD = "a device's key, for tests"
DEADLINE = 30.0


async def until(condition: Callable[[], Awaitable[Any] | Any], *, seconds: float = DEADLINE, what: str = "") -> Any:
    """Wait for a condition by asking it again and again; return what it gave."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        found = await found if isinstance(found, Awaitable) else found
        if found:
            return found
        assert time.monotonic() < end, f"did not come true in {seconds} s: {what or condition}"
        await asyncio.sleep(0.02)


@dataclass(frozen=True)
class User:
    """Somebody, with the token that identity would have given."""

    id: UUID
    username: str
    roles: tuple[str, ...]
    permissions: tuple[str, ...]

    @property
    def bearer(self) -> dict[str, str]:
        token = issue_access_token(
            TOKEN_KEY,
            user_id=self.id,
            username=self.username,
            roles=list(self.roles),
            permissions=list(self.permissions),
            session_id=uuid4(),
            now=datetime.now(UTC),
        )
        return {"Authorization": f"Bearer {token}"}


@dataclass(eq=False)
class Peer:
    """A device as the agent will be: verifies, executes a command once, answers a known one with what it knows.

    `executed` counts executions by jti for ever, across connections. `script` says which states it reports of a command.
    """

    device_id: str
    endpoint: MqttEndpoint
    keys: TrustedKeys
    script: Callable[[Command], list[dict[str, Any]]] = lambda _command: [
        {"state": "received"},
        {"state": "started"},
        {"state": "succeeded", "result": {"ok": True}},
    ]
    executed: Counter[UUID] = field(default_factory=Counter)
    order: list[UUID] = field(default_factory=list)
    got: list[bytes] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    is_mute: bool = False
    _known: dict[UUID, list[dict[str, Any]]] = field(default_factory=dict)
    _session: MqttSession | None = None
    _sending: set[asyncio.Task[None]] = field(default_factory=set)

    async def connect(self, *, session_expiry: int = 0) -> None:
        """Connect and listen."""
        session = await MqttSession.connect(
            self.endpoint,
            client_id=self.device_id,
            clean_start=session_expiry == 0,
            session_expiry=session_expiry,
            on_message=self._on_message,
        )
        self._session = session
        await session.subscribe([(f"command/{self.device_id}", 2)])

    async def disconnect(self) -> None:
        if self._session is not None:
            await self._session.disconnect()

    async def stay_connected(self) -> None:
        """Connect again and again until cancelled, as an agent does."""
        while True:
            with suppress(MqttError):
                await self.connect()
                assert self._session is not None
                await self._session.wait_closed()
            await asyncio.sleep(0.05)

    async def say(self, payload: dict[str, Any] | bytes, *, qos: int = 1) -> int:
        """Publish on the status topic."""
        assert self._session is not None
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return await self._session.publish(f"command/{self.device_id}/status", body, qos)

    async def report(self, jti: UUID | str, state: str, **more: Any) -> int:
        return await self.say({"type": "status", "jti": str(jti), "state": state, "at": now_ms(), **more})

    async def declare(self, *specs: dict[str, Any]) -> int:
        return await self.say({"type": "capabilities", "commands": list(specs), "at": now_ms()})

    def _on_message(self, message: InboundMessage) -> None:
        self.got.append(message.payload)
        assert not message.retain
        try:
            signed = self.keys.open(message.payload, COMMAND_TYPE, max_chars=MAX_COMMAND_BYTES)
            command = Command.model_validate_json(signed)
        except SignatureError as error:
            self.refused.append(error.code)
        else:
            assert (command.aud, command.topic) == (self.device_id, message.topic)
            reports = self._known.get(command.jti)
            if reports is None:
                reports = self._known[command.jti] = self._execute(command)
            else:
                reports = reports[-1:]
            if not self.is_mute:
                self._start(self._answer(command.jti, reports))
        assert self._session is not None
        self._session.ack(message)

    def _execute(self, command: Command) -> list[dict[str, Any]]:
        if command.exp <= time.time():
            return [{"state": "expired"}]
        self.executed[command.jti] += 1
        self.order.append(command.jti)
        return self.script(command)

    async def _answer(self, jti: UUID, reports: list[dict[str, Any]]) -> None:
        with suppress(MqttError):
            for report in reports:
                await self.report(jti, **report)

    def _start(self, answering: Any) -> None:
        task = asyncio.create_task(answering)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


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
    db: asyncpg.Connection
    redis: Redis
    http: httpx.AsyncClient
    port: int = field(default_factory=lambda: free_ports(1)[0])
    accounts: list[str] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
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
            "PULSE_COMMANDS_SIGNING_KEY": json.dumps(COMMANDS_KEY.private_jwk()),
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

        await until(is_ready, what="the service gets ready")

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

    async def peer(self, owner: User | None = None, *, connects: bool = True, **fields: Any) -> Peer:
        """Add a device with a program on it; it is there at once unless it does not connect yet."""
        groups = fields.pop("groups", ())
        device_id = await self.device(fields.pop("device_id", None), owner, groups=groups, on_broker=True)
        endpoint = MqttEndpoint(self.broker.host, self.broker.port, device_id, DEVICE_PASSWORD)
        peer = Peer(device_id, endpoint, TrustedKeys([COMMANDS_KEY.public_jwk()]), **fields)
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
            event = {"device_id": device_id, "status": {"status": "ONLINE", "since": now_ms()}}
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

    async def until_state(self, command_id: UUID | str, *states: str, seconds: float = DEADLINE) -> str:
        async def reached() -> str | None:
            state = await self.state(command_id)
            return state if state in states else None

        return str(await until(reached, seconds=seconds, what=f"{command_id} gets to {states}"))

    async def steps(self, command_id: UUID | str) -> list[str]:
        rows = await self.db.fetch(
            "select state from commands.command_event where command_id = $1 order by seq", UUID(str(command_id))
        )
        return [row["state"] for row in rows]


@pytest.fixture
def wait_until() -> Callable[..., Awaitable[Any]]:
    return until


@pytest.fixture
def commands_key() -> SigningKey:
    return COMMANDS_KEY


@pytest.fixture(scope="session")
def migrated(postgres_server: Any) -> dict[str, str]:
    """A database with the tables and views of the services concerned, for all tests of the session."""
    urls: dict[str, str] = postgres_server.new_database()

    async def migrate() -> None:
        for service, schema in (("identity", "identity"), ("ingest", "telemetry"), ("commands", "commands")):
            scripts = SERVICES / service / "src" / f"pulse_{service}" / "storage" / "migrations"
            await upgrade(urls[f"pulse_{service}"], scripts, schema)
        db = await asyncpg.connect(postgres_server.superuser_url(urls["pulse_commands"]))
        await db.executemany(
            "insert into identity.permissions values ($1, '') on conflict do nothing", [(str(p),) for p in Permission]
        )
        for role, permissions in BUILT_IN_ROLES.items():
            role_id = uuid4()
            await db.execute(
                "insert into identity.roles (id, name, name_key, description, is_built_in, version, created_at, updated_at)"
                " values ($1, $2, $2, '', true, 1, now(), now())",
                role_id,
                role,
            )
            await db.executemany(
                "insert into identity.role_permissions values ($1, $2)", [(role_id, str(p)) for p in permissions]
            )
        await db.close()

    asyncio.run(migrate())
    return urls


@pytest.fixture
async def identity_url() -> AsyncIterator[str]:
    """What the service needs of identity over HTTP: its public keys."""
    body = json.dumps({"keys": [public_jwk(TOKEN_KEY)]}).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            writer.write(head.encode() + b"connection: close\r\n\r\n" + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


@pytest.fixture
async def world(
    migrated: dict[str, str],
    postgres_server: Any,
    valkey_server: Any,
    mosquitto_broker: Any,
    identity_url: str,
    tmp_path: Path,
) -> AsyncIterator[World]:
    """An empty system."""
    superuser_url = postgres_server.superuser_url(migrated["pulse_commands"])
    db = await asyncpg.connect(superuser_url)
    await db.execute(
        "truncate identity.users, identity.devices, telemetry.presence, commands.batch, commands.command,"
        " commands.device_counter, commands.capability, commands.refusal, commands.outbox cascade"
    )
    redis_url = valkey_server.new_database()
    redis = connect_redis(redis_url)
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        world = World(migrated, redis_url, identity_url, mosquitto_broker, tmp_path, superuser_url, db, redis, http)
        yield world
        for peer in world.peers:
            await peer.disconnect()
    for device_id in world.accounts:
        await asyncio.to_thread(mosquitto_broker.remove_device, device_id)
    await redis.aclose()
    await world.db.close()
