"""What the agent's tests share: small server sides that speak the ack protocol, and sync's."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pulse_agent.domain.ranges import RangeSet
from pulse_agent.replica.identity import DesktopIdentity
from pulse_agent.replica.replica import Replica
from pulse_chassis.clock import ManualClock
from pulse_chassis.mqtt import InboundMessage, MqttEndpoint, MqttSession
from pulse_chassis.sealing import SealKey
from pulse_chassis.signatures import SigningKey
from pulse_contracts.acks import Ack, Credit, Welcome
from pulse_contracts.ids import ClientId
from pulse_contracts.presence import Heartbeat, Hello
from pulse_contracts.telemetry import BufferRun, LossDeclaration
from pulse_contracts.topics import ack as ack_topic

from .sync_peer import ADMINS, ANNA, BOB, READERS, SyncPeer
from .window_peer import WindowPeer


@dataclass
class AckServer:
    """Stores by sequence in memory, checks every message against the contract, and acks as a test tells it to.

    `rows` is the table (deduplicated, as the real one), `duplicates` counts rows that came more than once.
    """

    endpoint: MqttEndpoint
    client_id: str
    epoch: int = 0
    received: dict[int, RangeSet] = field(default_factory=dict)
    rows: dict[int, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    lost: RangeSet = field(default_factory=RangeSet)
    duplicates: int = 0
    hellos: list[Hello] = field(default_factory=list)
    heartbeats: list[Heartbeat] = field(default_factory=list)
    messages: list[tuple[str, int]] = field(default_factory=list)
    live_rows: set[int] = field(default_factory=set)
    credit: Credit = field(default_factory=lambda: Credit(rows_s=1_000_000, window=16))
    ack_plan: Callable[[bytes], list[bytes]] = field(default=lambda payload: [payload])
    welcome_plan: Callable[[bytes], list[bytes]] = field(default=lambda payload: [payload])
    is_acking: bool = True
    loses_live: bool = False
    refuses: dict[int, str] = field(default_factory=dict)
    head_override: tuple[int, int] | None = None
    owner: str = ""
    session: MqttSession | None = None
    faults: list[str] = field(default_factory=list)
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def start(self) -> None:
        self.session = await MqttSession.connect(
            self.endpoint, client_id=f"test-ingest-{secrets.token_hex(3)}", on_message=self._receive
        )
        topics = [f"telemetry/{self.client_id}/live", f"telemetry/{self.client_id}/buffer"]
        await self.session.subscribe([*((t, 1) for t in topics), (f"heartbeat/{self.client_id}", 1)])

    async def stop(self) -> None:
        if self.session is not None:
            await self.session.disconnect()
            self.session = None
        for task in list(self._tasks):
            with suppress(Exception):
                await task

    @property
    def ledger(self) -> RangeSet:
        return self.received.setdefault(self.epoch, RangeSet())

    def _receive(self, message: InboundMessage) -> None:
        assert self.session is not None
        self.session.ack(message)
        kind = message.topic.rsplit("/", 1)[-1]
        self.messages.append((kind, len(message.payload)))
        fields = json.loads(message.payload)
        if message.topic.startswith("heartbeat/"):
            self._take_heartbeat(fields)
        elif kind == "live" and self.loses_live:
            return
        elif "lost" in fields:
            self._take_loss(LossDeclaration.model_validate(fields))
        else:
            self._take_run(BufferRun.model_validate(fields), kind)

    def _take_heartbeat(self, fields: dict[str, Any]) -> None:
        if fields["type"] == "hello":
            hello = Hello.model_validate(fields)
            self.hellos.append(hello)
            self._welcome(hello)
        else:
            self.heartbeats.append(Heartbeat.model_validate(fields))

    def _welcome(self, hello: Hello) -> None:
        known = self.received.get(hello.epoch)
        highest = max((high for _, high in known), default=0) if known is not None else 0
        is_stranger = bool(self.owner) and self.owner != hello.instance and hello.epoch == self.epoch
        if known is None or hello.epoch == 0 or hello.next <= highest or (is_stranger and self.is_owner_live()):
            self.epoch = max(self.received, default=0) + 1
            self.received[self.epoch] = RangeSet([(1, hello.oldest_unacked - 1)])
        self.owner = hello.instance
        ledger = self.ledger
        top = max((high for _, high in ledger), default=0)
        head = self.head_override or ((top, self.rows[top][0]) if top in self.rows else None)
        ranges = [(max(low, hello.oldest_unacked), high) for low, high in ledger if high >= hello.oldest_unacked]
        welcome = Welcome(
            epoch=self.epoch,
            cum=self.cum(),
            received=ranges,
            head=head,
            credit=self.credit,
            server_time=_now_ms(),
            id=hello.id,
        )
        for payload in self.welcome_plan(welcome.model_dump_json().encode()):
            self._publish(payload)

    def is_owner_live(self) -> bool:
        return False

    def cum(self) -> int:
        first = self.ledger.first()
        return first[1] if first is not None and first[0] == 1 else 0

    def _take_run(self, run: BufferRun, kind: str) -> None:
        assert len(run.rows) <= 500
        if run.epoch not in self.received:
            self._publish(
                Ack(epoch=run.epoch, credit=self.credit, server_time=_now_ms(), unknown_epoch=True)
                .model_dump_json()
                .encode()
            )
            return
        rejected: list[tuple[int | None, str, str]] = []
        for number, (recorded_at, metrics) in enumerate(run.rows, run.first):
            if number in self.refuses:
                rejected.append((number, "bad_value", self.refuses[number]))
                continue
            if number in self.rows:
                self.duplicates += 1
                if self.rows[number] != (recorded_at, metrics):
                    self.faults.append(f"sequence {number} holds two readings")
            self.rows[number] = (recorded_at, dict(metrics))
            if kind == "live":
                self.live_rows.add(number)
        last = run.first + len(run.rows) - 1
        self.received[run.epoch].add(run.first, last)
        self._ack(run.epoch, [(run.first, last)], rejected)

    def _take_loss(self, declaration: LossDeclaration) -> None:
        for low, high, _ in declaration.lost:
            self.lost.add(low, high)
            self.received[declaration.epoch].add(low, high)
        self._ack(declaration.epoch, [(low, high) for low, high, _ in declaration.lost], [])

    def _ack(self, epoch: int, ok: list[tuple[int, int]], rejected: list[tuple[int | None, str, str]]) -> None:
        if not self.is_acking:
            return
        ack = Ack(epoch=epoch, cum=self.cum(), ok=ok, rej=rejected, credit=self.credit, server_time=_now_ms())
        for payload in self.ack_plan(ack.model_dump_json().encode()):
            self._publish(payload)

    def _publish(self, payload: bytes) -> None:
        async def send() -> None:
            if self.session is not None:
                with suppress(Exception):
                    await self.session.publish(ack_topic(self.client_id), payload, 1)  # type: ignore[arg-type]

        task = asyncio.get_running_loop().create_task(send())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _now_ms() -> int:
    return int(time.time() * 1000)


async def eventually(condition: Callable[[], object], seconds: float = 15.0, what: str = "the condition") -> None:
    """Wait until `condition` is true; fail with `what` after the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds} s: {what}"
        await asyncio.sleep(0.01)


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., Any]:
    return eventually


@pytest.fixture
def window_peer() -> type[WindowPeer]:
    """A window of the agent in a folder: `async with window_peer(folder) as window`."""
    return WindowPeer


@pytest.fixture
def device(mosquitto_broker: Any) -> MqttEndpoint:
    """A device of its own at the real broker."""
    name, password = f"agent-{secrets.token_hex(4)}", secrets.token_hex(8)
    mosquitto_broker.add_device(name, password)
    return MqttEndpoint(mosquitto_broker.host, mosquitto_broker.port, name, password)


@pytest.fixture
async def server(mosquitto_broker: Any, device: MqttEndpoint) -> AsyncIterator[AckServer]:
    """The server side for `device`, connected with the ingest account."""
    name, password = mosquitto_broker.svc_ingest
    server = AckServer(MqttEndpoint(mosquitto_broker.host, mosquitto_broker.port, name, password), str(device.username))
    await server.start()
    yield server
    await server.stop()
    assert server.faults == []


@pytest.fixture
def outbox_path(tmp_path: Path) -> Path:
    return tmp_path / "agent" / "outbox.db"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def identity() -> DesktopIdentity:
    """The keys of a desktop that has just enrolled and knows nobody's keys."""
    return DesktopIdentity(
        ClientId("D-1"),
        SigningKey.generate(),
        SealKey.generate(),
        secrets.token_bytes(32),
        SealKey.generate().public_key,
    )


@pytest.fixture
def sync_peer(identity: DesktopIdentity, clock: ManualClock) -> SyncPeer:
    """Sync, with three permissions, two roles and two users in scope."""
    peer = SyncPeer(identity.device_id, identity, clock)
    for name in ("users:read", "users:write", "config:write", "roles:write"):
        peer.put("permissions", name, description=name)
    everything = ["config:write", "roles:write", "users:read", "users:write"]
    peer.put("roles", ADMINS, name="admin", description="", is_built_in=True, permissions=everything)
    peer.put("roles", READERS, name="reader", description="", is_built_in=False, permissions=["users:read"])
    peer.set_password(ANNA, "correct horse 1")
    peer.set_password(BOB, "correct horse 2")
    peer.put("users", ANNA, username="anna", email="anna@example.org", is_active=True, roles=[ADMINS])
    peer.put("users", BOB, username="bob", email=None, is_active=True, roles=[READERS])
    return peer


def talk(replica: Replica, peer: SyncPeer, turns: int = 200) -> None:
    """Let both speak until nothing is due."""
    for _ in range(turns):
        messages = replica.outgoing()
        if not messages:
            return
        for message in messages:
            for answer in peer.answer(message):
                replica.receive(f"sync/{peer.device_id}/down", answer)
    raise AssertionError("they never came to rest")


@pytest.fixture(name="talk")
def talk_fixture() -> Callable[..., None]:
    return talk


@pytest.fixture
def replica(tmp_path: Path, sync_peer: SyncPeer, clock: ManualClock) -> Iterator[Replica]:
    """A replica that has just synced and is connected."""
    replica = Replica(tmp_path / "replica.db", replace(sync_peer.identity, sync_keys=sync_peer.keys()), clock)
    replica.connected()
    talk(replica, sync_peer)
    yield replica
    replica.close()
