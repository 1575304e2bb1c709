"""A stack of its own for a benchmark, started and stopped by the command line that operators use."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulse_bench.errors import BenchError
from pulse_bench.native import Account
from pulse_chassis.mqtt import InboundMessage, MqttEndpoint, MqttSession
from pulse_contracts.ids import ClientId
from pulse_contracts.presence import Hello
from pulse_contracts.topics import ack, heartbeat
from pulse_simulator.gateway_session import GatewayError, GatewaySession


@dataclass(frozen=True, slots=True)
class Stack:
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
        """Return url and pid of a service."""
        found: dict[str, Any] = self.description["services"][name]
        return found


@asynccontextmanager
async def fresh_stack(**environment: str) -> AsyncIterator[Stack]:
    """Start a stack with an empty data directory, and remove both at the end.

    Raises:
        BenchError: it did not come up; the message is what `pulse up` said.
    """
    data = Path(tempfile.mkdtemp(prefix="pulse-bench-"))
    try:
        await _pulse("up", "--detach", "--data", str(data), **environment)
        try:
            yield Stack(json.loads((data / "stack.json").read_text(encoding="utf-8")), data)
        finally:
            await _pulse("down", "--data", str(data))
    finally:
        shutil.rmtree(data, ignore_errors=True)


async def _pulse(*arguments: str, **environment: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pulse_local",
        *arguments,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    if process.returncode != 0:
        raise BenchError(f"pulse {arguments[0]} failed:\n{out.decode(errors='replace')}")


def sign_in(stack: Stack) -> GatewaySession:
    """Return the admin's session with the gateway, to be used as an async context manager."""
    account = stack.description["admin"]
    return GatewaySession(stack.gateway_url, account["username"], account["password"])


async def register(session: GatewaySession, ids: list[str]) -> dict[str, str]:
    """Register devices and return id → API key.

    Raises:
        BenchError: the gateway refused.
    """
    try:
        answer = await session.request("POST", "/api/devices/batch", json={"devices": [{"id": i} for i in ids]})
    except GatewayError as error:
        raise BenchError(f"the devices could not be registered: {error}") from error
    return {device["id"]: device["api_key"] for device in answer["devices"]}


async def say_hello(stack: Stack, client_id: str, password: str) -> Account:
    """Say hello as a client with a new outbox, and return the account with the epoch it was given.

    Raises:
        BenchError: no welcome came within 30 s.
    """
    welcomed: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def on_message(message: InboundMessage) -> None:
        session.ack(message)
        body = json.loads(message.payload)
        if body.get("type") == "welcome" and not welcomed.done():
            welcomed.set_result(body)

    endpoint = MqttEndpoint(stack.mqtt_host, stack.mqtt_port, client_id, password)
    session = await MqttSession.connect(endpoint, client_id=client_id, on_message=on_message)
    try:
        await session.subscribe([(ack(ClientId(client_id)), 1)])
        hello = Hello(
            type="hello",
            v=1,
            client_id=client_id,
            epoch=0,
            next=1,
            oldest_unacked=1,
            count=0,
            instance="bench",
            version="bench",
        )
        await session.publish(heartbeat(ClientId(client_id)), hello.model_dump_json().encode(), qos=1)
        try:
            body = await asyncio.wait_for(welcomed, 30)
        except TimeoutError as error:
            raise BenchError(f"no welcome for {client_id} within 30 s") from error
    finally:
        await session.disconnect()
    return Account(client_id, password, int(body["epoch"]), 1)
