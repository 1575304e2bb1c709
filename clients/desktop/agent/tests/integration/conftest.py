"""The commands service as an agent sees it: signs commands for one device, publishes them, and collects the reports."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from pulse_chassis.mqtt import InboundMessage, MqttEndpoint, MqttSession, NotConnectedError
from pulse_chassis.signatures import SigningKey
from pulse_contracts.commands import (
    COMMAND_TYPE,
    ENDED,
    REPORT,
    CapabilityReport,
    CommandState,
    RefusalReport,
    StatusReport,
)

PATIENCE_SECONDS = 30.0
AGAIN_SECONDS = 1.0


@dataclass
class CommandsPeer:
    """`statuses` by jti in the order of arrival. Publishing again until answered is `finish`."""

    endpoint: MqttEndpoint
    client_id: str
    key: SigningKey = field(default_factory=SigningKey.generate)
    statuses: dict[str, list[StatusReport]] = field(default_factory=dict)
    refusals: list[RefusalReport] = field(default_factory=list)
    capabilities: list[CapabilityReport] = field(default_factory=list)
    tokens: dict[str, bytes] = field(default_factory=dict)
    session: MqttSession | None = None
    _counter: int = field(default_factory=lambda: int(time.time() * 1000))
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        self.session = await MqttSession.connect(
            self.endpoint, client_id=f"test-commands-{uuid.uuid4().hex[:6]}", on_message=self._receive
        )
        await self.session.subscribe([(f"command/{self.client_id}/status", 1)])

    async def stop(self) -> None:
        if self.session is not None:
            await self.session.disconnect()
            self.session = None

    def _receive(self, message: InboundMessage) -> None:
        assert self.session is not None
        self.session.ack(message)
        match REPORT.validate_json(message.payload):
            case StatusReport() as status:
                self.statuses.setdefault(str(status.jti), []).append(status)
            case RefusalReport() as refusal:
                self.refusals.append(refusal)
            case CapabilityReport() as capabilities:
                self.capabilities.append(capabilities)
        self._news.set()

    # -- sending ----------------------------------------------------------------------------------------------------

    def sign(self, name: str, args: dict[str, Any] | None = None, **changes: Any) -> tuple[str, bytes]:
        """Return a command's jti and token; `changes` are of its payload, `key` and `token_type` of its signature."""
        self._counter += 1
        key, token_type = changes.pop("key", self.key), changes.pop("token_type", COMMAND_TYPE)
        now = int(time.time())
        fields = {
            "v": 1, "iss": "commands", "aud": self.client_id, "topic": f"command/{self.client_id}",
            "jti": str(uuid.uuid4()), "cnt": self._counter, "iat": now, "exp": now + 300, "name": name,
            "args": args or {}, "actor": str(uuid.UUID(int=1)), **changes,
        }  # fmt: skip
        token = key.sign(json.dumps(fields).encode(), token_type).encode()
        self.tokens[str(fields["jti"])] = token
        return str(fields["jti"]), token

    async def publish(self, payload: bytes, *, retain: bool = False) -> None:
        assert self.session is not None
        await self.session.publish(f"command/{self.client_id}", payload, 2, retain)

    async def send(self, name: str, args: dict[str, Any] | None = None, **changes: Any) -> str:
        jti, token = self.sign(name, args, **changes)
        await self.publish(token)
        return jti

    # -- waiting ----------------------------------------------------------------------------------------------------

    def last(self, jti: str) -> StatusReport | None:
        return self.statuses[jti][-1] if jti in self.statuses else None

    def states(self, jti: str) -> list[str]:
        return [status.state for status in self.statuses.get(jti, [])]

    def has_ended(self, jti: str) -> bool:
        last = self.last(jti)
        return last is not None and CommandState(last.state) in ENDED

    async def until(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not in {seconds} s: {what}; refused: {self.refusals}"
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await self._news.wait()

    async def finish(self, jti: str, seconds: float = PATIENCE_SECONDS) -> StatusReport:
        """Wait for the end of a command, publishing it again meanwhile as the service does; return the last status."""
        deadline = time.monotonic() + seconds
        while not self.has_ended(jti):
            assert time.monotonic() < deadline, f"{jti} is {self.states(jti)}; refused: {self.refusals}"
            with suppress(AssertionError):
                await self.until(lambda: self.has_ended(jti), "end", AGAIN_SECONDS)
                break
            with suppress(NotConnectedError):
                await self.publish(self.tokens[jti])
        last = self.last(jti)
        assert last is not None
        return last

    async def run(self, name: str, args: dict[str, Any] | None = None, **changes: Any) -> StatusReport:
        """Send a command and return how it ended."""
        return await self.finish(await self.send(name, args, **changes))


@pytest.fixture
async def peer(mosquitto_broker: Any, device: MqttEndpoint, server: Any) -> AsyncIterator[CommandsPeer]:
    """The commands service for `device`; `server` says the time."""
    name, password = mosquitto_broker.svc_commands
    peer = CommandsPeer(
        MqttEndpoint(mosquitto_broker.host, mosquitto_broker.port, name, password), str(device.username)
    )
    await peer.start()
    yield peer
    await peer.stop()
