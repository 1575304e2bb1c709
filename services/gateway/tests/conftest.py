"""A gateway over a real PostgreSQL and a real Valkey, and clients that speak to it over real sockets.

The tables are of the services' own migrations; for identity stand its signing key and a server with it.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from pulse_chassis.bearer import issue_access_token
from pulse_chassis.database import upgrade
from pulse_chassis.run import run_workers
from pulse_chassis.streams import StreamWriter, connect_redis
from pulse_contracts.frames import SUBPROTOCOL
from pulse_contracts.permissions import BUILT_IN_ROLES, Permission
from pulse_contracts.streams import ACCESS_STREAM, DEVICES_STREAM, STREAM_MAXLEN, TELEMETRY_STREAM
from pulse_gateway.app import Gateway, compose_gateway
from pulse_gateway.settings import GatewaySettings
from pulse_gateway.use_cases.desk import SocketLimits
from pulse_local.ports import free_ports
from pulse_local.testing_identity import TOKEN_KEY

SERVICES = Path(__file__).resolve().parents[2]
DEADLINE = 60.0
ROLL_UP = """
insert into telemetry.rollup_{unit}
select series_id, date_trunc('{unit}', recorded_at, 'UTC'), count(*), count(x), sum(x), min(x), max(x),
    min(recorded_at) filter (where x is not null),
    (array_agg(x order by recorded_at, seq) filter (where x is not null))[1],
    max(recorded_at) filter (where x is not null),
    (array_agg(x order by recorded_at desc, seq desc) filter (where x is not null))[1],
    max(recorded_at) filter (where text is not null),
    (array_agg(text order by recorded_at desc, seq desc) filter (where text is not null))[1]
from (select *, coalesce(value, flag::int::float8) as x from telemetry.sample) as d group by 1, 2
"""


@dataclass(frozen=True)
class User:
    """Somebody, with the token that identity would have given."""

    id: UUID
    username: str
    roles: list[str]
    session_id: UUID

    def token(self, *, seconds: float = 600, key: dict[str, str] = TOKEN_KEY) -> str:
        permissions = sorted({str(p) for role in self.roles for p in BUILT_IN_ROLES.get(role, ())})
        return issue_access_token(
            key,
            user_id=self.id,
            username=self.username,
            roles=self.roles,
            permissions=permissions,
            session_id=self.session_id,
            now=datetime.now(UTC) - timedelta(seconds=max(0, -seconds) + 1),
            lifetime=timedelta(seconds=abs(seconds) + 1 if seconds > 0 else 1),
        )

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token()}"}


async def until(condition: Callable[[], Any], *, seconds: float = DEADLINE) -> Any:
    """Wait for a condition by asking it again and again."""
    end = time.monotonic() + seconds
    while True:
        with suppress(LookupError):  # what is looked into has not come yet
            if value := condition():
                return value
        assert time.monotonic() < end, "the condition did not come true in time"
        await asyncio.sleep(0.005)


class Client:
    """One socket. Everything that comes is kept in `frames`, in order."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[dict[str, Any]] = []
        self.messages = 0
        self._ids = 0
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for text in self.socket:
                parsed = json.loads(text)
                self.messages += 1
                self.frames += parsed if isinstance(parsed, list) else [parsed]

    def pause_reading(self) -> None:
        self._reading.cancel()

    def resume_reading(self) -> None:
        self._reading = asyncio.create_task(self._read())

    async def send(self, **frame: Any) -> int:
        self._ids += 1
        await self.socket.send(json.dumps({"id": self._ids, **frame}))
        return self._ids

    async def ask(self, **frame: Any) -> dict[str, Any]:
        """Send a request and return its one answer."""
        request = await self.send(**frame)
        return await self.one(lambda f: f.get("id") == request)

    async def one(self, wanted: Callable[[dict[str, Any]], bool], *, seconds: float = DEADLINE) -> dict[str, Any]:
        """Return the first frame that is wanted."""

        def found() -> dict[str, Any] | None:
            is_over = self._reading.done()
            frame = next((f for f in self.frames if wanted(f)), None)
            assert frame is not None or not is_over, f"the socket ended without it: {self.frames[-3:]}"
            return frame

        frame = await until(found, seconds=seconds)
        assert isinstance(frame, dict)
        return frame

    def of(self, kind: str, sub: str | None = None) -> list[dict[str, Any]]:
        return [f for f in self.frames if f["type"] == kind and (sub is None or f.get("sub") == sub)]

    async def auth(self, user: User, *, features: list[str] | None = None) -> dict[str, Any]:
        info = {"name": "test", "version": "1"}
        return await self.ask(type="auth", token=user.token(), client=info, features=features or [])

    async def subscribe(self, topic: str, sub: str = "s", **fields: Any) -> dict[str, Any]:
        return await self.ask(type="subscribe", topic=topic, sub=sub, **fields)

    def rows(self, sub: str = "s") -> list[list[Any]]:
        """Return every row that came for a subscription."""
        return [row for f in self.frames if f.get("sub") == sub for row in f.get("rows") or []]

    def state(self, sub: str = "s") -> dict[str, Any]:
        """The state that a client has after applying snapshots and changes."""
        state: dict[str, Any] = {}
        for frame in self.frames:
            if frame.get("sub") != sub:
                continue
            if frame["type"] == "snapshot" and frame["page"] == 0:
                state = {}
            state |= frame.get("set") or {}
            for key in frame.get("del") or []:
                state.pop(key, None)
        return state

    async def closed(self, *, seconds: float = DEADLINE) -> tuple[int | None, dict[str, Any]]:
        """Wait for the end; return the close code and the bye."""
        async with asyncio.timeout(seconds):
            await self.socket.wait_closed()
        await asyncio.wait({self._reading})
        byes = self.of("bye")
        return self.socket.close_code, byes[-1] if byes else {}


@dataclass
class World:
    """The data of identity and ingest, and the gateways over it."""

    urls: dict[str, str]
    redis_url: str
    identity_url: str
    db: asyncpg.Connection
    redis: Redis

    async def user(self, *roles: str) -> User:
        user = User(uuid4(), f"user-{uuid4().hex[:8]}", list(roles) or ["operator"], uuid4())
        await self.db.execute(
            "insert into identity.users (id, username, username_key, password_hash, is_active, version, created_at,"
            " updated_at) values ($1, $2, $2, '', true, 1, now(), now())",
            user.id,
            user.username,
        )
        for role in user.roles:
            await self.grant(user, role)
        return user

    async def grant(self, user: User, role: str) -> None:
        role_id = await self.db.fetchval("select id from identity.roles where name = $1", role)
        await self.db.execute("insert into identity.user_roles values ($1, $2)", user.id, role_id)

    async def device(self, device_id: str, owner: User | None = None, *, groups: tuple[str, ...] = ()) -> str:
        await self.db.execute(
            "insert into identity.devices (id, name, kind, owner_id, is_active, groups, metadata, version, created_at,"
            " updated_at) values ($1, $1, 'simulated', $2, true, $3, '{}', 1, now(), now())",
            device_id,
            owner.id if owner else None,
            list(groups),
        )
        return device_id

    async def registered(self, device_id: str) -> None:
        """Announce a device as it is registered now."""
        row = await self.db.fetchrow(
            "select name, owner_id::text, is_active, kind, groups from identity.device_registry where device_id = $1",
            device_id,
        )
        await self.write(DEVICES_STREAM, {"device_id": device_id, "registration": dict(row)})

    async def share(self, device_id: str, user: User) -> None:
        await self.db.execute(
            "insert into identity.device_shares (id, device_id, user_id, level, created_at)"
            " values ($1, $2, $3, 'read', now())",
            uuid4(),
            device_id,
            user.id,
        )
        await self.write(ACCESS_STREAM, {"kind": "share", "user_id": str(user.id), "device_id": device_id})

    async def unshare(self, device_id: str, user: User) -> None:
        await self.db.execute("delete from identity.device_shares where device_id = $1", device_id)
        await self.write(ACCESS_STREAM, {"kind": "share", "user_id": str(user.id), "device_id": device_id})

    async def end_session(self, user: User) -> None:
        ids = {"user_id": str(user.id), "session_id": str(user.session_id)}
        await self.write(ACCESS_STREAM, {"kind": "session_revoked", **ids})

    async def status(self, device_id: str, **fields: Any) -> str:
        return await self.write(DEVICES_STREAM, {"device_id": device_id, "status": fields})

    async def announce(self, *readings: tuple[str, dict[str, Any]], ts: int | None = None, **more: Any) -> str:
        """Announce readings as ingest does after a commit."""
        now = int(time.time() * 1000)
        rows = [[device_id, ts or now, "good", metrics] for device_id, metrics in readings]
        return await self.write(TELEMETRY_STREAM, {"v": 1, "at": now, "rows": rows, **more})

    async def write(self, stream: str, event: dict[str, Any]) -> str:
        return await StreamWriter(self.redis, stream, STREAM_MAXLEN[stream]).append(json.dumps(event).encode())

    async def store(self, device_id: str, metric: str, *values: float, start_ms: int) -> None:
        """Put samples, one a second, and the latest value into the tables of ingest."""
        series = await self.db.fetchval(
            "insert into telemetry.series (client_id, metric_key) values ($1, $2)"
            " on conflict (client_id, metric_key) do update set metric_key = excluded.metric_key returning id",
            device_id,
            metric,
        )
        times = [datetime.fromtimestamp(start_ms / 1000 + n, UTC) for n in range(len(values))]
        samples = [(at, n, value, series) for n, (at, value) in enumerate(zip(times, values, strict=True), start=1)]
        await self.db.executemany(
            "insert into telemetry.sample (recorded_at, received_at, seq, value, series_id, epoch, suspect)"
            " values ($1, $1, $2, $3, $4, 1, false)",
            samples,
        )
        await self.db.execute(
            "insert into telemetry.latest (series_id, seq, order_at, recorded_at, received_at, value, suspect)"
            " values ($1, $2, $3, $3, $3, $4, false) on conflict (series_id) do update set value = excluded.value,"
            " recorded_at = excluded.recorded_at, received_at = excluded.received_at, order_at = excluded.order_at",
            series,
            len(values),
            times[-1],
            values[-1],
        )

    async def roll_up(self) -> None:
        """Make the minutes and hours of all samples, as ingest keeps them."""
        await self.db.execute("truncate telemetry.rollup_minute, telemetry.rollup_hour")
        await self.db.execute(ROLL_UP.format(unit="minute"))
        await self.db.execute(ROLL_UP.format(unit="hour"))

    def settings(self, **fields: Any) -> GatewaySettings:
        (port,) = free_ports(1)
        return GatewaySettings(
            database_url=SecretStr(self.urls["pulse_gateway"]),
            redis_url=SecretStr(self.redis_url),
            http_port=port,
            identity_url=self.identity_url,
            **fields,
        )

    @asynccontextmanager
    async def gateway(self, limits: SocketLimits | None = None, **fields: Any) -> AsyncIterator["Running"]:
        """Run a gateway in this process until the block ends."""
        settings = self.settings(**fields)
        stop = asyncio.Event()
        async with compose_gateway(settings, limits) as gateway:
            running = asyncio.create_task(run_workers(gateway.workers, stop=stop))
            try:
                this = Running(gateway, f"127.0.0.1:{settings.http_port}", stop, running)
                await this.wait_ready()
                yield this
            finally:
                stop.set()
                await running


@asynccontextmanager
async def open_socket(
    address: str, user: User | None = None, *, features: list[str] | None = None, **options: Any
) -> AsyncIterator[Client]:
    options.setdefault("subprotocols", [SUBPROTOCOL])
    query = options.pop("query", "")
    async with connect(f"ws://{address}/ws/live{query}", proxy=None, **options) as socket:
        client = Client(socket)
        if user is not None:
            ready = await client.auth(user, features=features)
            assert ready["type"] == "ready", ready
        yield client


@dataclass
class Running:
    """A gateway that runs."""

    gateway: Gateway
    address: str
    stop: asyncio.Event
    task: asyncio.Task[None]

    async def wait_ready(self) -> None:
        async with httpx.AsyncClient() as http, asyncio.timeout(DEADLINE):
            while not self.task.done():
                with suppress(httpx.TransportError):
                    if (await http.get(f"http://{self.address}/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def socket(
        self, user: User | None = None, *, features: list[str] | None = None, **options: Any
    ) -> AsyncIterator[Client]:
        """Open a socket; with a user, authenticate."""
        async with open_socket(self.address, user, features=features, **options) as client:
            yield client

    @asynccontextmanager
    async def http(self, user: User | None = None) -> AsyncIterator[httpx.AsyncClient]:
        headers = user.bearer if user is not None else {}
        async with httpx.AsyncClient(base_url=f"http://{self.address}", headers=headers) as client:
            yield client


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    return until


@pytest.fixture
def socket_to() -> Callable[..., Any]:
    return open_socket


@pytest.fixture(scope="session")
def migrated(postgres_server: Any) -> dict[str, str]:
    """A database with the tables and views of all services, for all tests of the session."""
    urls: dict[str, str] = postgres_server.new_database()

    async def migrate() -> None:
        for service in ("identity", "ingest", "sync", "commands", "alerts", "gateway"):
            scripts = SERVICES / service / "src" / f"pulse_{service}" / "storage" / "migrations"
            await upgrade(urls[f"pulse_{service}"], scripts, "telemetry" if service == "ingest" else service)
        db = await asyncpg.connect(postgres_server.superuser_url(urls["pulse_gateway"]))
        await db.executemany(
            "insert into identity.permissions values ($1, '') on conflict do nothing", [(str(p),) for p in Permission]
        )
        for role, permissions in BUILT_IN_ROLES.items():
            role_id = uuid4()
            await db.execute("insert into identity.roles values ($1, $2, $2, '', true, 1, now(), now())", role_id, role)
            await db.executemany(
                "insert into identity.role_permissions values ($1, $2)", [(role_id, str(p)) for p in permissions]
            )
        await db.close()

    asyncio.run(migrate())
    return urls


@pytest.fixture
async def world(
    migrated: dict[str, str], postgres_server: Any, valkey_server: Any, identity_url: str
) -> AsyncIterator[World]:
    """An empty system."""
    db = await asyncpg.connect(postgres_server.superuser_url(migrated["pulse_gateway"]))
    await db.execute(
        "truncate identity.users, identity.devices, telemetry.series, telemetry.sample, telemetry.latest,"
        " telemetry.presence, telemetry.stream, sync.desktop, sync.config_entry, gateway.dashboard, gateway.preferences,"
        " gateway.outbox, telemetry.rollup_minute, telemetry.rollup_hour, telemetry.rollup_mark,"
        " telemetry.rollup_hour_mark, telemetry.series_floor cascade"
    )
    redis_url = valkey_server.new_database()
    redis = connect_redis(redis_url)
    yield World(migrated, redis_url, identity_url, db, redis)
    await redis.aclose()
    await db.close()
