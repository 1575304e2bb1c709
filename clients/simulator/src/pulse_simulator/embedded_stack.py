"""An embedded stack of one's own, started and stopped by the command line that operators use: for benchmarks and tests.

Everything is asked from outside: `stack.json` for addresses, `run/state.json` for processes, SQL and MQTT for the rest.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from pulse_chassis.mqtt import InboundMessage, MqttEndpoint, MqttSession
from pulse_contracts.ids import ClientId
from pulse_contracts.presence import Hello
from pulse_contracts.topics import ack, heartbeat
from pulse_simulator.gateway_session import GatewaySession

_WELCOME_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.1


class EmbeddedStackError(Exception):
    """The stack did not start, stop or answer; the message says what it said."""


@dataclass(frozen=True, slots=True)
class EmbeddedStack:
    """A running stack, as its `stack.json` describes it."""

    description: dict[str, Any]
    data: Path

    @property
    def gateway_url(self) -> str:
        """Where the one door is."""
        return str(self.description["gateway_url"])

    @property
    def mqtt_host(self) -> str:
        """The broker's host."""
        return str(self.description["mqtt"]["host"])

    @property
    def mqtt_port(self) -> int:
        """The broker's plain port."""
        return int(self.description["mqtt"]["port"])

    @property
    def database_url(self) -> str:
        """The database, as the stack's owner sees it."""
        return str(self.description["database_url"])

    def service(self, name: str) -> dict[str, Any]:
        """Return url and pid of a service as it was started first."""
        found: dict[str, Any] = self.description["services"][name]
        return found

    def parts(self) -> dict[str, dict[str, Any]]:
        """Return every server and service as the supervisor sees it now: `state`, `pid` and more."""
        state = json.loads((self.data / "run" / "state.json").read_text(encoding="utf-8"))
        parts: dict[str, dict[str, Any]] = state["parts"]
        return parts

    def pid(self, part: str) -> int | None:
        """Return the process of a server or service now; None while there is none."""
        found: int | None = self.parts()[part]["pid"]
        return found

    async def running_pid(self, part: str, seconds: float = 60.0) -> int:
        """Return the process of a part, as soon as it has one. Raises EmbeddedStackError."""
        try:
            async with asyncio.timeout(seconds):
                while (pid := self.pid(part)) is None:
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as error:
            raise EmbeddedStackError(f"{part} did not run within {seconds:g} s") from error
        return pid

    async def kill(self, part: str) -> None:
        """Kill a server or service as a crash would; one that is being started anew, as soon as it runs."""
        os.kill(await self.running_pid(part), signal.SIGKILL)

    async def fetch(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """Ask the database as the stack's owner. Raises asyncpg's errors and OSError."""
        connection = await asyncpg.connect(self.database_url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
            return rows
        finally:
            await connection.close()

    def admin(self) -> GatewaySession:
        """Return the administrator's session with the gateway, to be used as an async context manager."""
        account = self.description["admin"]
        return GatewaySession(self.gateway_url, account["username"], account["password"])

    async def say_hello(self, client_id: str, key: str, *, first: int = 1) -> int:
        """Say hello as a client with a new outbox; return the epoch it was given. Raises EmbeddedStackError."""
        welcomed: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        def on_message(message: InboundMessage) -> None:
            session.ack(message)
            body = json.loads(message.payload)
            if body.get("type") == "welcome" and not welcomed.done():
                welcomed.set_result(body)

        endpoint = MqttEndpoint(self.mqtt_host, self.mqtt_port, client_id, key)
        session = await MqttSession.connect(endpoint, client_id=client_id, on_message=on_message)
        try:
            await session.subscribe([(ack(ClientId(client_id)), 1)])
            hello = Hello(
                type="hello",
                v=1,
                client_id=client_id,
                epoch=0,
                next=first,
                oldest_unacked=first,
                count=0,
                instance="simulated",
                version="0",
            )
            await session.publish(heartbeat(ClientId(client_id)), hello.model_dump_json().encode(), qos=1)
            body = await asyncio.wait_for(welcomed, _WELCOME_SECONDS)
        except TimeoutError as error:
            raise EmbeddedStackError(f"no welcome for {client_id} within {_WELCOME_SECONDS:g} s") from error
        finally:
            await session.disconnect()
        return int(body["epoch"])


async def register_devices(session: GatewaySession, ids: list[str]) -> dict[str, str]:
    """Register devices and return id → API key. Raises GatewayError."""
    answer = await session.request("POST", "/api/devices/batch", json={"devices": [{"id": i} for i in ids]})
    return {device["id"]: device["api_key"] for device in answer["devices"]}


@asynccontextmanager
async def running_stack(data: Path, **environment: str) -> AsyncIterator[EmbeddedStack]:
    """Start a stack on a directory, and stop it at the end; what it wrote stays. Raises EmbeddedStackError."""
    try:
        await run_pulse("up", "--detach", "--data", str(data), **environment)
    except (EmbeddedStackError, asyncio.CancelledError):
        with suppress(EmbeddedStackError):  # why it did not start is the news
            await run_pulse("down", "--data", str(data))
        raise
    try:
        yield EmbeddedStack(json.loads((data / "stack.json").read_text(encoding="utf-8")), data)
    finally:
        await run_pulse("down", "--data", str(data))


async def run_pulse(*arguments: str, **environment: str) -> str:
    """Run the command line `pulse` to its end and return what it printed. Raises EmbeddedStackError unless it exits with 0.

    It comes to its end also when we are cancelled or Ctrl-C is pressed: half a start would be a stack that nobody stops.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pulse_local",
        *arguments,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    saying = asyncio.create_task(process.communicate())
    try:
        out, _ = await asyncio.shield(saying)
    except asyncio.CancelledError:
        await saying
        raise
    said = out.decode(errors="replace")
    if process.returncode != 0:
        raise EmbeddedStackError(f"pulse {' '.join(arguments)} exited with {process.returncode}:\n{said}")
    return said
