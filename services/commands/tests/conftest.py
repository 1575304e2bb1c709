"""What tests of commands share: a device that verifies and answers, a database with everybody's tables, waiting."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from pulse_chassis.database import upgrade
from pulse_chassis.mqtt import InboundMessage, MqttEndpoint, MqttError, MqttSession
from pulse_chassis.signatures import SignatureError, SigningKey, TrustedKeys
from pulse_contracts.commands import COMMAND_TYPE, MAX_COMMAND_BYTES, Command
from pulse_contracts.permissions import BUILT_IN_ROLES, Permission

SERVICES = Path(__file__).resolve().parents[2]
COMMANDS_KEY = SigningKey.generate("commands-test")
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
    clock_behind: float = 0.0
    """Seconds by which the device's clock is late: it then takes what has expired for good."""
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
        if command.exp <= time.time() - self.clock_behind:
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
def peer_class() -> type[Peer]:
    return Peer
