"""The real command and the real broker, with sync's side in this process: enrol with keys, sync, edit from elsewhere."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner, Result

from pulse_agent.__main__ import app
from pulse_agent.app import Agent
from pulse_agent.configuration.desktop_keys import load_identity
from pulse_agent.configuration.device import load_device
from pulse_agent.domain.reading import Reading
from pulse_agent.replica.identity import DesktopIdentity
from pulse_agent.replica.live import LiveReplica
from pulse_agent.settings import AgentSettings
from pulse_chassis.clock import SystemClock
from pulse_chassis.mqtt import InboundMessage, MqttEndpoint, MqttSession
from pulse_chassis.sealing import SealKey
from pulse_contracts.configuration import ConfigScope, config_id
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import sync_down, sync_up, sync_update

Wait = Callable[..., Any]
ANNA, BOB = str(UUID(int=1)), str(UUID(int=2))
READERS = str(UUID(int=12))


@dataclass
class Hub:
    """The peer on the broker, with the account of the sync service."""

    peer: Any
    session: MqttSession

    async def poke(self, entity: str = "users") -> None:
        await self.session.publish(sync_update(entity), b'{"v": 1, "cursor": %d}' % self.peer.cursor, 1)

    async def send(self, payload: bytes, retain: bool = False) -> None:
        await self.session.publish(sync_down(self.peer.device_id), payload, 1, retain=retain)


@asynccontextmanager
async def hub_of(broker: Any, peer: Any) -> AsyncIterator[Hub]:
    tasks: set[asyncio.Task[Any]] = set()

    def receive(message: InboundMessage) -> None:
        session.ack(message)
        for answer in peer.answer(message.payload):
            task = asyncio.get_running_loop().create_task(
                session.publish(sync_down(ClientId(peer.device_id)), answer, 1)
            )
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    endpoint = MqttEndpoint(broker.host, broker.port, *broker.svc_sync)
    session = await MqttSession.connect(endpoint, client_id=f"t-{secrets.token_hex(3)}", on_message=receive)
    await session.subscribe([(sync_up(ClientId(peer.device_id)), 1)])
    async with session:
        yield Hub(peer, session)


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


@pytest.fixture
def identity(device: MqttEndpoint, identity: DesktopIdentity) -> DesktopIdentity:
    return replace(identity, device_id=ClientId(str(device.username)))


@asynccontextmanager
async def running(
    device: MqttEndpoint, path: Path, identity: DesktopIdentity
) -> AsyncIterator[tuple[Agent, LiveReplica]]:
    stop = asyncio.Event()
    async with LiveReplica(path.with_name("replica.db"), identity, SystemClock()) as replica:
        settings = AgentSettings(path, ClientId(str(device.username)), device, live_patience=0.5)
        async with Agent(settings, downlinks=[replica]) as agent:
            tasks = [asyncio.create_task(agent.run(stop)), asyncio.create_task(replica.run(stop))]
            try:
                yield agent, replica
            finally:
                stop.set()
                await asyncio.gather(*tasks)


async def test_an_agent_syncs_over_the_broker_and_a_poke_is_heard_at_once(
    device: MqttEndpoint, server: Any, mosquitto_broker: Any, sync_peer: Any, outbox_path: Path, eventually: Wait
) -> None:
    identity = replace(sync_peer.identity, sync_keys=sync_peer.keys())
    interval = config_id(ConfigScope.ALL, "", "telemetry.interval_ms")
    async with hub_of(mosquitto_broker, sync_peer) as hub, running(device, outbox_path, identity) as (agent, replica):
        await eventually(lambda: sync_peer.reports, 30, "the first report")
        heard: list[Any] = []
        replica.on_config(lambda: heard.append(replica.effective()))
        sync_peer.put("config", interval, value=1234)
        await hub.poke("config")
        await eventually(lambda: heard, 30, "the new configuration")
        assert [(entry.key, entry.value) for entry in heard[-1]] == [("telemetry.interval_ms", 1234)]
        await replica.edit_config("telemetry.interval_ms", 500, UUID(ANNA))
        assert [entry.value for entry in replica.effective()] == [500]
        await eventually(lambda: len(sync_peer.rows("config")) == 2, 30, "the edit at the server")
        await hub.poke("config")
        found = await replica.compare_all()
        assert found["differed"] == []
        await agent.put(Reading(1_760_000_000_000_000, {"n": 1}, "test"))
        await eventually(lambda: agent.outbox.stats.rows == 0, 30, "delivered")


async def test_forged_and_retained_messages_change_nothing_and_hold_nothing_up(
    device: MqttEndpoint, server: Any, mosquitto_broker: Any, sync_peer: Any, outbox_path: Path, eventually: Wait
) -> None:
    identity = replace(sync_peer.identity, sync_keys=sync_peer.keys())
    async with hub_of(mosquitto_broker, sync_peer) as hub, running(device, outbox_path, identity) as (agent, _):
        await eventually(lambda: sync_peer.reports, 30, "the first report")
        before = len(sync_peer.pulls)
        page = sync_peer.page_for(sync_peer.pulls[-1])
        stranger = type(sync_peer.signing_key).generate(sync_peer.signing_key.key_id)
        for payload in (b"nonsense", b"\x01" + b"x" * 500, sync_peer.down(page), sync_peer.down(page, key=stranger)):
            await hub.send(payload)
        await hub.session.publish(sync_update("users"), b"not json", 1)
        sync_peer.put("users", BOB, username="bobby", email=None, is_active=True, roles=[READERS])
        await hub.poke()
        await eventually(lambda: sync_peer.reports[-1].cursor == sync_peer.cursor, 30, "in step again")
        assert len(sync_peer.pulls) > before
        await agent.put(Reading(1_760_000_000_000_000, {"n": 1}, "test"))
        await eventually(lambda: agent.outbox.stats.rows == 0, 30, "delivered")
        assert agent.status().counts.connections == 1


async def test_a_replica_that_is_damaged_while_it_runs_is_set_aside_and_pulled_again(
    device: MqttEndpoint, server: Any, mosquitto_broker: Any, sync_peer: Any, outbox_path: Path, eventually: Wait
) -> None:
    identity = replace(sync_peer.identity, sync_keys=sync_peer.keys())
    async with hub_of(mosquitto_broker, sync_peer), running(device, outbox_path, identity) as (agent, replica):
        await eventually(lambda: sync_peer.reports, 30, "the first report")
        await asyncio.get_running_loop().run_in_executor(replica._disk, _damage, replica)
        asked = len(sync_peer.pulls)
        await eventually(lambda: list(outbox_path.parent.glob("replica.db.damaged-*")), 60, "set aside")
        await eventually(lambda: len(sync_peer.pulls) > asked, 60, "pulled again")
        await agent.put(Reading(1_760_000_000_000_000, {"n": 1}, "test"))
        await eventually(lambda: agent.outbox.stats.rows == 0, 30, "delivered")


def _damage(replica: LiveReplica) -> None:
    assert replica._replica is not None
    replica._replica.database.scrub()
    path = replica._path
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    replica._replica.database.connection.execute("PRAGMA shrink_memory")


@pytest.fixture
def enrolment_server(device: MqttEndpoint, sync_peer: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Enrolment with keys for sync; the keys of the services are there once `seen["is_up"]` is set."""
    seen: dict[str, Any] = {"is_up": False}
    box = SealKey.generate()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.update(sign_jwk=body["sign_jwk"], seal_key=body["seal_key"], box=box)
            mqtt = {"host": device.host, "port": device.port, "tls_port": None, "ca_pem": None}
            keys = {
                "verifier_key": base64.b64encode(sync_peer.identity.verifier_key).decode(),
                "password_key": box.public_key,
            }
            self._answer(
                {"device_id": device.username, "name": "Desk 1", "api_key": device.password, "mqtt": mqtt, **keys}, 201
            )

        def do_GET(self) -> None:
            if seen["is_up"] and self.path in ("/api/sync/keys", "/api/commands/keys"):
                self._answer(sync_peer.keys().model_dump(mode="json"), 200)
            else:
                self._answer({"title": "Unavailable"}, 503)

        def _answer(self, fields: dict[str, Any], status: int) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(fields).encode())

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()
    thread.join()


def agent_command(*arguments: str | Path, lines: str = "") -> Result:
    # In this process, which saves a second a command; `run` is a process of its own, so the file is shared all the same.
    return CliRunner().invoke(app, [*map(str, arguments)], input=lines)


async def test_enroll_sync_sign_in_and_edit_beside_the_running_agent(
    enrolment_server: tuple[str, dict[str, Any]],
    server: Any,
    mosquitto_broker: Any,
    sync_peer: Any,
    tmp_path: Path,
    eventually: Wait,
) -> None:
    url, seen = enrolment_server

    async def agent(*arguments: str | Path, lines: str = "") -> Result:
        return await asyncio.to_thread(agent_command, *arguments, "--data", tmp_path, lines=lines)

    done = await agent("enroll", url, "ABCD-1234", "--no-keyring")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "desktop-keys").stat().st_mode & 0o777 == 0o600
    status = json.loads((await agent("status", "--json")).stdout)
    assert status["sync"] == {"note": "the keys of the server's sync were not fetched yet"}
    enrolled = load_identity(tmp_path, load_device(tmp_path))
    assert enrolled.signing_key.public_jwk() == seen["sign_jwk"]
    assert enrolled.verifier_key == sync_peer.identity.verifier_key
    sync_peer.identity = enrolled

    seen["is_up"] = True
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pulse_agent", "run", "--data", str(tmp_path), "--source", "simulated"], stderr=log
        )
    try:
        async with hub_of(mosquitto_broker, sync_peer) as hub:
            await eventually(lambda: sync_peer.reports, 60, "the first report")
            as_anna = ("--user", "anna", "--password-stdin")
            wrong = await agent("login", *as_anna, lines="wrong password\n")
            assert (wrong.exit_code, "wrong" in wrong.stderr) == (5, True)
            made = await agent("users", "create", "carol", "--role", "reader", *as_anna,
                               lines="correct horse 1\ncarols own secret\n")  # fmt: skip
            assert made.exit_code == 0, made.stderr
            await eventually(lambda: "carol" in str(sync_peer.rows("users")), 30, "the new user at the server")
            (operation,) = sync_peer.operations
            sealed = base64.b64decode(operation.fields["password"])
            assert seen["box"].open(sealed) == b"carols own secret"
            assert operation.fields["roles_added"] == [READERS]

            await agent("config", "set", "telemetry.interval_ms", "200", *as_anna, lines="correct horse 1\n")
            await eventually(
                lambda: any(made.error is None for report in sync_peer.reports for made in report.applied_config),
                30,
                "the interval in force",
            )
            sync_peer.put("users", BOB, username="bob", email="web@example.org", is_active=True, roles=[])
            lost = await agent("users", "edit", "bob", "--email", "d@example.org", *as_anna, lines="correct horse 1\n")
            assert lost.exit_code == 0, lost.stderr
            await hub.poke()
            shown = ""
            for _ in range(30):
                shown += (await agent("sync", "notices")).stdout
                if shown:
                    break
            assert "Your change of the user bob (email): somebody else changed it later" in shown
            assert (await agent("sync", "notices")).stdout == ""
            taken = await agent("users", "create", "CAROL", *as_anna, lines="correct horse 1\nlong enough\n")
            assert (taken.exit_code, "is taken" in taken.stderr) == (6, True)
            assert "running agent" in (await agent("sync", "now")).stdout
    finally:
        process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(process.wait, 20)
    assert code == 0
    listed = await agent("users", "list", "--json", *as_anna, lines="correct horse 1\n")
    assert {"anna", "bob", "carol"} == {user["username"] for user in json.loads(listed.stdout)}
    status = json.loads((await agent("status", "--json")).stdout)
    assert (status["sync"]["pending"], status["sync"]["keys_missing"]) == (0, [])
    assert status["sync"]["lease_days"] > 6
    everything = b"".join(
        path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "api-key"
    )
    assert b"carols own secret" not in everything
    assert b"correct horse 1" not in everything
