"""Fixtures of the chassis's tests: waiting without sleeping, an app to ask, a broker that follows a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import mqtt5
import pytest
import structlog

from pulse_chassis.mqtt import InboundMessage, MqttEndpoint, MqttSession

Condition = Callable[[], bool]


@pytest.fixture(autouse=True)
def plain_logs() -> None:
    """Log one short line each: rich tracebacks take seconds."""
    structlog.configure(processors=[structlog.processors.KeyValueRenderer()])


@pytest.fixture
def eventually() -> Callable[..., Awaitable[None]]:
    """Wait until a condition holds, or fail at a deadline."""

    async def wait(condition: Condition, seconds: float = 5.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.005)

    return wait


class ScriptedPeer:
    """The broker's side of one connection, packet by packet."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = b""

    async def receive(self) -> Any:
        """Return the next packet of the client."""
        async with asyncio.timeout(5):
            while True:
                with suppress(IndexError):
                    packet, size = mqtt5.read(memoryview(self._buffer))
                    self._buffer = self._buffer[size:]
                    return packet
                data = await self._reader.read(65536)
                if not data:
                    raise ConnectionResetError
                self._buffer += data

    async def receive_raw(self) -> bytes:
        """Return what comes in one read; nothing when the client closed."""
        async with asyncio.timeout(5):
            return await self._reader.read(1 << 20)

    def send(self, *packets: Any) -> None:
        """Send packets (or bytes) in one write."""
        self._writer.write(b"".join(p if isinstance(p, bytes) else p.write() for p in packets))

    def close(self) -> None:
        """Close the socket."""
        self._writer.close()


class ScriptedBroker:
    """Accepts connections; the test plays the broker by hand."""

    def __init__(self) -> None:
        self.port = 0
        self._peers: asyncio.Queue[ScriptedPeer] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []

    async def accept(self) -> ScriptedPeer:
        """Return the next connection, before its CONNECT was read."""
        async with asyncio.timeout(5):
            return await self._peers.get()

    async def greet(self, **connack: Any) -> ScriptedPeer:
        """Accept, read CONNECT, answer CONNACK."""
        peer = await self.accept()
        assert isinstance(await peer.receive(), mqtt5.ConnectPacket)
        peer.send(mqtt5.ConnAckPacket(**connack))
        return peer

    async def on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Queue a new connection for `accept`."""
        self._writers.append(writer)
        await self._peers.put(ScriptedPeer(reader, writer))

    async def close(self) -> None:
        """Close every connection."""
        for writer in self._writers:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def _listening() -> AsyncIterator[ScriptedBroker]:
    broker = ScriptedBroker()
    server = await asyncio.start_server(broker.on_connection, "127.0.0.1", 0)
    broker.port = server.sockets[0].getsockname()[1]
    yield broker
    server.close()
    await broker.close()


@pytest.fixture
async def scripted_broker() -> AsyncIterator[ScriptedBroker]:
    """A listening socket that does what the test says."""
    async with _listening() as broker:
        yield broker


class MqttClient:
    """A session with the messages it got."""

    def __init__(self, port: int) -> None:
        self.endpoint = MqttEndpoint("127.0.0.1", port, "user", "secret")
        self.got: list[InboundMessage] = []
        self.session: MqttSession | None = None

    async def connect(self, **options: Any) -> MqttSession:
        """Connect as `c`."""
        merged: dict[str, Any] = {"client_id": "c", "on_message": self.got.append} | options
        self.session = await MqttSession.connect(self.endpoint, **merged)
        return self.session

    async def start(
        self, broker: ScriptedBroker, connack: dict[str, Any] | None = None, **options: Any
    ) -> tuple[MqttSession, ScriptedPeer]:
        """Connect; return the session and the broker's side."""
        peer, session = await asyncio.gather(broker.greet(**(connack or {})), self.connect(**options))
        return session, peer


@pytest.fixture
async def mqtt_client(scripted_broker: ScriptedBroker) -> AsyncIterator[MqttClient]:
    """A client of the scripted broker."""
    made = MqttClient(scripted_broker.port)
    yield made
    if made.session is not None:
        await made.session.close()
