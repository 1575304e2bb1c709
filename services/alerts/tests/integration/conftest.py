"""A running alerts: real PostgreSQL, Valkey and Mosquitto, users and devices as identity publishes them, alarms by hand."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
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

from pulse_alerts import app
from pulse_alerts.settings import AlertsSettings
from pulse_chassis.clock import Clock
from pulse_chassis.run import run_workers
from pulse_chassis.sealing import SealKey
from pulse_chassis.streams import connect_redis
from pulse_contracts.permissions import BUILT_IN_ROLES
from pulse_local.ports import free_ports
from pulse_local.testing import Servers
from pulse_local.testing_identity import User

SEAL_KEY = SealKey.generate()
DEVICE_PASSWORD = "a device's key, for tests"
SCREENS = UUID("00000000-0000-4000-8000-00000000a1e7")
"""The channel for devices, which the migration makes."""


@dataclass(frozen=True)
class WrittenStep:
    """A step of an alarm that a test wrote."""

    alarm_id: UUID
    step_id: UUID
    device_id: str


@dataclass
class World:
    """The data of identity, ingest and alerts, devices on the broker, and services over them."""

    urls: dict[str, str]
    redis_url: str
    identity_url: str
    broker: Any
    directory: Path
    superuser_url: str
    until: Callable[..., Awaitable[Any]]
    db: asyncpg.Connection
    redis: Redis
    http: httpx.AsyncClient
    port: int = field(default_factory=lambda: free_ports(1)[0])
    accounts: list[str] = field(default_factory=list)
    worker: str = field(default_factory=lambda: uuid4().hex[:8])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def twin(self) -> World:
        """The same world, for another replica of the service: a port and a worker's name of its own."""
        return replace(self, port=free_ports(1)[0], worker=f"{self.worker}-twin")

    def environment(self, **more: str) -> dict[str, str]:
        username, password = self.broker.svc_alerts
        own = {
            "PULSE_DATABASE_URL": self.urls["pulse_alerts"],
            "PULSE_REDIS_URL": self.redis_url,
            "PULSE_IDENTITY_URL": self.identity_url,
            "PULSE_MQTT_HOST": self.broker.host,
            "PULSE_MQTT_PORT": str(self.broker.port),
            "PULSE_MQTT_USERNAME": username,
            "PULSE_MQTT_PASSWORD": password,
            "PULSE_HTTP_PORT": str(self.port),
            "PULSE_ALERTS_WORKER_ID": self.worker,
            "PULSE_ALERTS_SEAL_KEY": SEAL_KEY.private_key,
            "PULSE_ALERTS_WEBHOOK_NETWORKS": "127.0.0.0/8",
        }
        return own | more

    def settings(self, **more: Any) -> AlertsSettings:
        fields = {name.removeprefix("PULSE_").lower(): value for name, value in self.environment().items()}
        return AlertsSettings(**(fields | more))

    @asynccontextmanager
    async def service(self, *, clock: Clock | None = None, **more: Any) -> AsyncIterator[app.Parts]:
        """Run the service in this process; stop it as SIGTERM would."""
        stop = asyncio.Event()
        async with app.open_parts(self.settings(**more), clock) as parts:
            running = asyncio.create_task(run_workers(app.make_workers(parts), stop=stop))
            try:
                await self.ready(running)
                yield parts
            finally:
                stop.set()
                await running

    @contextmanager
    def process(self, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run the service as a process of its own; kill it at the end."""
        log = (self.directory / "alerts.log").open("ab")
        environment = {**os.environ, **self.environment(**more)}
        serving = subprocess.Popen(
            [sys.executable, "-m", "pulse_alerts", "serve"], env=environment, stdout=log, stderr=subprocess.STDOUT
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

        await self.until(is_ready, seconds=90, what="the service gets ready")

    async def user(self, *roles: str) -> User:
        """Add somebody with these roles; an admin without any."""
        names = roles or ("admin",)
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

    async def person_with(self, *permissions: str) -> User:
        """Add somebody with a role that allows exactly this."""
        role, name = uuid4(), f"role-{uuid4().hex[:8]}"
        await self.db.execute(
            "insert into identity.roles (id, name, name_key, description, is_built_in, version, created_at, updated_at)"
            " values ($1, $2, $2, '', false, 1, now(), now())",
            role,
            name,
        )
        await self.db.executemany(
            "insert into identity.role_permissions values ($1, $2)", [(role, one) for one in permissions]
        )
        return replace(await self.user(name), permissions=permissions)

    async def device(self, owner: User | None = None, *, groups: tuple[str, ...] = (), on_broker: bool = False) -> str:
        """Register a device."""
        name = f"D-{uuid4().hex[:8]}"
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

    async def raised(self, device_id: str | None = None, **fields: Any) -> WrittenStep:
        """Write an alarm that was raised, as the evaluator does; `at` and `noted_at` are now unless said otherwise."""
        at = fields.pop("at", datetime.now(UTC))
        device = device_id or await self.device()
        row = {
            "id": uuid4(), "rule_id": uuid4(), "rule_name": "Hot", "rule_kind": "threshold", "device_id": device,
            "metric": "temperature", "severity": "critical", "state": "active", "message": "temperature is 72.4",
            "value": json.dumps(72.4), "raised_at": at, "noticed_at": at, "updated_at": at, "is_late": False,
        } | fields  # fmt: skip
        names = ", ".join(row)
        places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        await self.db.execute(f"insert into alerts.alarm ({names}) values ({places})", *row.values())
        return await self._step(row["id"], device, "raised", at)

    async def cleared(self, raised: WrittenStep, at: datetime | None = None) -> WrittenStep:
        """Write that an alarm was cleared."""
        at = at or datetime.now(UTC)
        await self.db.execute(
            "update alerts.alarm set state = 'cleared', cleared_at = $2 where id = $1", raised.alarm_id, at
        )
        return await self._step(raised.alarm_id, raised.device_id, "cleared", at)

    async def _step(self, alarm_id: UUID, device_id: str, kind: str, at: datetime) -> WrittenStep:
        step = uuid4()
        state = "active" if kind == "raised" else "cleared"
        async with self.db.transaction():
            await self.db.execute(
                "insert into alerts.alarm_step (id, alarm_id, kind, at, noted_at, state) values ($1, $2, $3, $4, $4, $5)",
                step, alarm_id, kind, at, state,
            )  # fmt: skip
            await self.db.execute("insert into alerts.notification_due values ($1, $2, $3)", step, alarm_id, at)
        return WrittenStep(alarm_id, step, device_id)

    async def ask(self, user: User | None, method: str, path: str, json: Any = None, **headers: str) -> httpx.Response:
        """Send a request as somebody."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        bearer = user.bearer if user is not None else {}
        return await self.http.request(method, f"{self.url}{path}", json=json, headers={**bearer, **named})

    async def channel(self, user: User, **body: Any) -> dict[str, Any]:
        """Add a channel over HTTP."""
        answer = await self.ask(user, "POST", "/api/alert-channels", {"name": f"c-{uuid4().hex[:6]}", **body})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def expect_message(self, channel_id: str | UUID, state: str, **more: Any) -> asyncpg.Record:
        """Wait for the channel's newest message to be in a state."""

        async def reached() -> asyncpg.Record | None:
            row = await self.db.fetchrow(
                "select * from alerts.message where channel_id = $1 order by seq desc limit 1", UUID(str(channel_id))
            )
            return row if row is not None and row["state"] == state else None

        return await self.until(reached, what=f"the message of {channel_id} gets {state}", **more)


@pytest.fixture
async def world(
    migrated: dict[str, str],
    servers: Servers,
    identity_url: str,
    tmp_path: Path,
    wait_until: Callable[..., Awaitable[Any]],
) -> AsyncIterator[World]:
    """An empty system."""
    superuser_url = servers.postgres.superuser_url(migrated["pulse_alerts"])
    db = await asyncpg.connect(superuser_url)
    await db.execute(
        "truncate identity.users, identity.devices, telemetry.presence, alerts.rule, alerts.alarm, alerts.alarm_step,"
        " alerts.notification_due, alerts.device_state, alerts.late_span, alerts.delivery, alerts.message,"
        " alerts.device_topic, alerts.outbox, alerts.worker cascade"
    )
    await db.execute(
        "update alerts.ownership set owner = null, lease_until = null, stream_epoch = null, stream_position = null,"
        " received_through = null"
    )
    await db.execute("delete from alerts.channel where id <> $1", SCREENS)
    await db.execute(
        "update alerts.channel set name = 'Devices'' own screens', is_enabled = true, deleted_at = null, version = 1"
        " where id = $1",
        SCREENS,
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
            until=wait_until,
            db=db,
            redis=redis,
            http=http,
        )
        yield world
    for device_id in world.accounts:
        await asyncio.to_thread(servers.broker.remove_device, device_id)
    await redis.aclose()
    await world.db.close()
