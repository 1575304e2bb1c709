"""Windows over the real socket: an agent without a network, its replica filled once by sync's side in this process."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from pulse_agent.app import Agent
from pulse_agent.configuration.device import EnrolledDevice
from pulse_agent.configuration.knobs import AgentKnobs
from pulse_agent.configuration.live import LiveConfiguration
from pulse_agent.configuration.options import AgentOptions
from pulse_agent.delivery.server_time import ServerTime
from pulse_agent.domain.reading import Reading
from pulse_agent.local_protocol.observations import Observations
from pulse_agent.local_protocol.parts import DeskParts
from pulse_agent.local_protocol.server import LocalServer
from pulse_agent.local_protocol.serving import agent_hall
from pulse_agent.local_protocol.transport import peer_uid
from pulse_agent.outbox.rows import Rejection
from pulse_agent.replica.live import LiveReplica
from pulse_agent.replica.replica import Replica
from pulse_agent.settings import AgentSettings
from pulse_chassis.clock import SystemClock
from pulse_contracts.ids import ClientId
from pulse_contracts.local_address import MAX_REQUEST_BYTES, MAX_WINDOWS, local_address
from pulse_contracts.local_protocol import MAX_OPEN_REQUESTS, Entity, EventName, NoticeKind
from pulse_contracts.local_status import Connection, Mode

ANNA, BOB = str(UUID(int=1)), str(UUID(int=2))
READERS = str(UUID(int=12))
PASSWORDS = {"anna": "correct horse 1", "bob": "correct horse 2"}
EVERYTHING = [
    "config:read", "config:write", "devices:write", "roles:read", "roles:write", "sync:read", "sync:resolve",
    "system:read", "telemetry:read", "users:read", "users:write", "commands:send",
]  # fmt: skip


class Running:
    """One agent in this process, with its door."""

    def __init__(self, window: Any, data: Path, agent: Agent, live: LiveReplica, restarts: list[bool]) -> None:
        self._window = window
        self.data = data
        self.agent = agent
        self.live = live
        self.restarts = restarts

    def window(self) -> Any:
        return self._window(self.data)

    async def sync(self, peer: Any, talk: Callable[..., None]) -> None:
        """Let the replica and sync's side speak until nothing is due."""

        def work(replica: Replica) -> None:
            replica.connected()
            talk(replica, peer)
            replica.disconnected()

        await self.live.ask(work)


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


@pytest.fixture
async def running(
    window_peer: Any, sync_peer: Any, replica: Replica, talk: Callable[..., None], tmp_path: Path, clock: SystemClock
) -> AsyncIterator[Running]:
    sync_peer.put("roles", str(UUID(int=11)), name="admin", description="", is_built_in=True, permissions=EVERYTHING)
    sync_peer.put("users", ANNA, username="anna", email="anna@example.org", is_active=True, roles=[str(UUID(int=11))])
    replica.request_sync()
    talk(replica, sync_peer)
    identity = replace(sync_peer.identity, sync_keys=sync_peer.keys())
    device = EnrolledDevice("D-1", "Desk 1", "https://pulse.example.org", "pulse.example.org", None, 8883, None, "file")
    options = AgentOptions(data=tmp_path)
    restarts: list[bool] = []

    async def restart() -> None:
        restarts.append(True)

    observations = Observations()
    settings = AgentSettings(tmp_path / "outbox.db", ClientId("D-1"))
    async with LiveReplica(tmp_path / "replica.db", identity, clock) as live, Agent(settings, clock=clock) as agent:
        observations.watch(agent, clock)
        knobs = AgentKnobs(agent, options, make=lambda *_: pytest.fail("no source is made"), set_level=lambda _: None)
        configuration = LiveConfiguration(knobs.knobs(), lambda _: [], live.effective)
        live.on_config(configuration.changed)
        parts = DeskParts(
            agent, device, tmp_path, clock, ServerTime(clock), configuration, live, "", observations,
            list, restart, clock.now().timestamp(),
        )  # fmt: skip
        stop = asyncio.Event()
        door = LocalServer(local_address(tmp_path), partial(agent_hall, parts), clock)
        serving = asyncio.create_task(door.run(stop))
        try:
            yield Running(window_peer, tmp_path, agent, live, restarts)
        finally:
            stop.set()
            await serving


async def signed_in(window: Any, name: str = "anna") -> Any:
    await window.call("sign_in", username=name, password=PASSWORDS[name])
    return window


# -- the door -----------------------------------------------------------------------------------------------------------


async def test_a_window_is_welcomed_and_told_how_the_agent_is_doing(running: Running) -> None:
    async with running.window() as window:
        assert window.welcome is not None
        assert (window.welcome.version, window.welcome.mode) == (1, Mode.ENROLLED)
        assert "users.list" in window.welcome.methods
        await window.until(lambda: window.told(EventName.STATE), "the state")
        status = await window.call("status")
        assert status.connection.state is Connection.DISCONNECTED
        assert (status.device.name, status.device.broker_port, status.device.is_tls) == ("Desk 1", 8883, True)
        assert (status.sync.is_taking_part, status.sync.pending) == (True, 0)
        assert status.sync.lease_until_ms > status.now_ms
    folder = Path(local_address(running.data)).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert Path(local_address(running.data)).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"type":"hello","versions":[7],"window":{"name":"t","version":"1"}}\n', "version_not_supported"),
        (b'{"type":"request","id":1,"method":"status"}\n', "no_hello"),
        (b"nonsense\n", "bad_frame"),
        (b"[" * (MAX_REQUEST_BYTES + 10), "line_too_long"),
    ],
)
async def test_who_speaks_otherwise_is_told_why_and_let_go(running: Running, line: bytes, code: str) -> None:
    window = running.window()
    await window.connect()
    window.send(line)
    window.read()
    await window.until(lambda: window.is_closed, "the end")
    assert window.refused is not None
    assert (window.refused.code, window.refused.versions) == (code, [1])
    await window.close()


async def test_only_so_many_windows_are_open_and_each_is_counted_out(running: Running) -> None:
    windows = [await running.window().__aenter__() for _ in range(MAX_WINDOWS)]
    async with running.window() as late:
        assert late.refused is not None
        assert late.refused.code == "too_many_windows"
    await windows.pop().close()
    found = False
    while not found:
        async with running.window() as next_one:
            found = next_one.welcome is not None
    for window in windows:
        await window.close()


async def test_a_peer_of_another_user_is_turned_away() -> None:
    near, far = socket.socketpair()
    with near, far:
        assert peer_uid(near) == os.geteuid()
    if os.geteuid() != 0:
        return
    stranger = 65_534
    home = Path(tempfile.mkdtemp())  # not below pytest's folder, which only its owner may enter
    os.chown(home, stranger, stranger)
    program = (
        "import asyncio, os, sys\n"
        "from pulse_agent.local_protocol.transport import listen\n"
        f"os.setgid({stranger}); os.setuid({stranger})\n"
        "async def main():\n"
        "    def accept(reader, writer): writer.write(b'come in\\n'); writer.close()\n"
        "    await listen(sys.argv[1], accept)\n"
        "    own, _ = await asyncio.open_unix_connection(sys.argv[1])\n"
        "    print((await own.read()).decode(), end='', flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    address = local_address(home)
    with subprocess.Popen([sys.executable, "-c", program, address], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert await asyncio.to_thread(process.stdout.readline) == b"come in\n"
            reader, writer = await asyncio.open_unix_connection(address)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        finally:
            process.kill()
    shutil.rmtree(home)


# -- calls --------------------------------------------------------------------------------------------------------------


async def test_what_is_wrong_with_a_call_is_said_by_code_and_field(running: Running) -> None:
    async with running.window() as window:
        assert (await window.error("users.list")).code == "not_signed_in"
        window_call = await window.error("enrol.check", url="https://x")
        assert window_call.code == "already_enrolled"
        await signed_in(window, "bob")
        missing = await window.error("users.create", username="carl", password="long enough")
        assert (missing.code, "users:write" in missing.message) == ("permission_missing", True)
        wrong = await window.error("users.list", limit=501)
        assert (wrong.code, wrong.field) == ("bad_params", "limit")
        extra = await window.error("users.list", serach="x")
        assert (extra.code, extra.field) == ("bad_params", "serach")
        assert (await window.error("users.burn")).code == "unknown_method"
        assert (await window.call("whoami")).session.username == "bob"


async def test_signing_in_works_without_the_server_and_guessing_is_slowed_down(running: Running) -> None:
    async with running.window() as window:
        assert (await window.call("whoami")).session is None
        for _ in range(3):
            assert (await window.error("sign_in", username="anna", password="wrong")).code == "wrong_credentials"
        locked = await window.error("sign_in", username="anna", password="wrong")
        assert (locked.code, locked.retry_after) == ("locked_out", 1)
        session = await window.call("sign_in", username="BOB", password=PASSWORDS["bob"])
        assert (session.username, session.is_online, session.permissions) == ("bob", False, ["users:read"])
        assert session.lease_until_ms > time.time() * 1000
        async with running.window() as other:
            assert (await other.call("whoami")).session is None, "a session is bound to its connection"
        await window.call("sign_out")
        assert (await window.error("users.list")).code == "not_signed_in"


async def test_an_edit_is_marked_until_the_server_answers_and_other_windows_hear_of_it(
    running: Running, sync_peer: Any, talk: Callable[..., None]
) -> None:
    async with running.window() as first, running.window() as second:
        await signed_in(first)
        await signed_in(second, "bob")
        made = await first.call("users.create", username="carl", password="carls secret", roles=[READERS])
        await first.call("users.edit", id=BOB, email="bob@example.org")
        await first.call("users.set_password", id=BOB, password="bobs new secret")
        await second.until(
            lambda: any({Entity.USERS, Entity.PENDING} <= set(c.entities) for c in second.told(EventName.CHANGED)),
            "the news of the edit",
        )
        rows = {row.username: row for row in (await second.call("users.list")).rows}
        assert rows["anna"].pending is None
        assert (rows["carl"].id, rows["carl"].pending.is_new, rows["carl"].roles) == (made.id, True, [READERS])
        assert rows["bob"].pending.fields == ["email", "password"]
        assert [row.username for row in (await second.call("users.list", search="CAR")).rows] == ["carl"]
        assert (await second.error("sync.now")).code == "offline"
        waiting = await first.call("sync.pending")
        assert [(edit.name, edit.actor) for edit in waiting.rows] == [("carl", "anna"), ("bob", "anna")]
        assert "secret" not in str(waiting)
        assert {role.name: role.users for role in (await first.call("roles.list")).rows} == {"admin": 1, "reader": 2}
        taken = await first.error("users.create", username="CARL", password="long enough")
        assert (taken.code, taken.field) == ("username_taken", "username")
        await first.call("users.delete", id=made.id)
        await running.sync(sync_peer, talk)
        await first.until(lambda: any(s.sync.pending == 0 for s in first.told(EventName.STATE)[-1:]), "all answered")
        after = {row.username: row.pending for row in (await first.call("users.list")).rows}
        assert after == {"anna": None, "bob": None}


async def test_a_lost_edit_is_told_kept_and_can_be_made_again(
    running: Running, sync_peer: Any, talk: Callable[..., None]
) -> None:
    async with running.window() as window:
        await signed_in(window)
        await window.call("users.edit", id=BOB, email="here@example.org")
        sync_peer.put("users", BOB, username="bob", email="web@example.org", is_active=True, roles=[READERS])
        await running.sync(sync_peer, talk)
        await window.until(lambda: window.told(EventName.NOTICE), "the notice")
        notice = window.told(EventName.NOTICE)[0]
        assert (notice.kind, "the user bob (email)" in notice.sentence) == (NoticeKind.EDIT_UNDONE, True)
        assert [row.number for row in (await window.call("notices.list")).rows] == [notice.facts["number"]]
        kept = await window.call("conflicts.list", only_open=True)
        (row,) = kept.rows
        assert (kept.open, row.outcome, row.can_restore, row.actor) == (1, "conflict_lost", True, "anna")
        assert (row.here, row.server["email"]) == ({"email": "here@example.org"}, "web@example.org")
        assert (await window.error("conflicts.accept", number=4711)).code == "not_found"
        await window.call("conflicts.restore", number=row.number)
        assert (await window.error("conflicts.restore", number=row.number)).code == "already_decided"
        assert (await window.call("notices.list")).rows == []
        found = {user.id: user for user in (await window.call("users.list")).rows}[BOB]
        assert (found.email, found.pending.fields) == ("here@example.org", ["email"])
        await running.sync(sync_peer, talk)
        assert sync_peer.rows("users")[BOB]["email"] == "here@example.org"
        assert (await window.call("conflicts.list")).rows[-1].resolution == "restored"
        log = (await window.call("sync.log", limit=2)).rows
        assert log[0].number == log[1].number + 1


async def test_a_user_who_is_disabled_is_signed_out_of_an_open_window(running: Running) -> None:
    async with running.window() as admin, running.window() as window:
        await signed_in(admin)
        await signed_in(window, "bob")
        await admin.call("users.set_active", id=BOB, is_active=False)
        await window.until(lambda: window.told(EventName.SESSION), "the end of the session")
        ended = window.told(EventName.SESSION)[-1]
        assert (ended.session, ended.reason) == (None, "disabled")
        assert (await window.error("users.list")).code == "not_signed_in"


async def test_a_setting_is_in_force_at_once_and_only_for_who_may(running: Running) -> None:
    async with running.window() as window:
        await signed_in(window, "bob")
        read = await window.call("settings.read")
        assert (read.can_change, read.device.server_url) == (False, "https://pulse.example.org")
        denied = await window.error("settings.change", key="telemetry.interval_ms", value=250)
        assert denied.code == "permission_missing"
        await signed_in(window)
        wrong = await window.error("settings.change", key="telemetry.interval_ms", value=1)
        assert (wrong.code, wrong.field) == ("bad_value", "value")
        changed = await window.call("settings.change", key="outbox.max_bytes", value=2**21)
        assert (changed.value, changed.origin, changed.is_pending) == (2**21, "device", True)
        assert running.agent.outbox.quota.max_bytes == 2**21
        (entry,) = (await window.call("config.list")).rows
        assert (entry.key, entry.scope, entry.is_winner) == ("outbox.max_bytes", "device", True)
        reset = await window.call("settings.reset", key="outbox.max_bytes")
        assert (reset.origin, running.agent.outbox.quota.max_bytes) == ("default", 2**30)
        assert (await window.call("settings.reset", key="outbox.max_bytes")).origin == "default"
        assert (await window.error("settings.change", key="no.such", value=1)).code == "not_found"


# -- readings and what became of them -------------------------------------------------------------------------------------


def reading(number: int, **metrics: Any) -> Reading:
    return Reading(int(time.time() * 1_000_000) - (1_000 - number) * 1_000_000, {"n": number, **metrics}, "test")


async def test_values_come_as_they_are_stored_and_the_past_can_be_read_without_a_network(running: Running) -> None:
    await running.agent.put_many([reading(n) for n in range(100, 200)])
    async with running.window() as window:
        await signed_in(window)
        await running.agent.put(reading(999, note="now"))
        await window.until(lambda: window.told(EventName.READING), "the reading")
        assert window.told(EventName.READING)[-1].values["note"].value == "now"
        assert (await window.call("latest")).values["n"].value == 999
        recent = await window.call("recent", metric="n")
        assert [value for _, value in recent.samples] == [*range(101, 200), 999]
        await window.until(lambda: window.told(EventName.PROGRESS), "the count")
        assert (await window.call("status")).backlog.readings == 101
        assert (await window.call("status")).backlog.oldest_ms is not None
        async with running.window() as bob:
            await signed_in(bob, "bob")
            assert (await bob.error("latest")).code == "permission_missing"


async def test_what_was_set_aside_and_lost_is_listed_by_page_and_cleared(running: Running) -> None:
    await running.agent.put_many([reading(n) for n in range(6)])
    running.agent.outbox.reject([Rejection(n, "bad_value", "no") for n in (1, 2, 3)])
    async with running.window() as window:
        await signed_in(window)
        while (await window.call("status")).quarantined < 3:
            await running.agent.put(reading(7))
        first = await window.call("quarantine.list", limit=2)
        assert ([row.sequence for row in first.rows], first.total, first.next) == ([1, 2], 3, first.rows[1].number)
        rest = await window.call("quarantine.list", after=first.next)
        assert ([row.sequence for row in rest.rows], rest.next) == ([3], None)
        assert json.loads(rest.rows[0].metrics)["n"] == 2
        assert (await window.call("quarantine.clear", up_to=first.next)).count == 2
        assert (await window.call("quarantine.list")).total == 1
        assert (await window.call("losses.list")).total == 0


async def test_the_log_is_followed_and_holds_no_secret(running: Running) -> None:
    async with running.window() as window:
        await signed_in(window)
        tail = await window.call("logs.tail", follow=True)
        assert all("correct horse" not in str(record) for record in tail.records)
        await window.call("agent.restart")
        assert running.restarts == [True]
        await window.call("logs.tail", follow=False, limit=1)


# -- windows that misbehave ---------------------------------------------------------------------------------------------


async def test_a_window_that_dies_in_the_midst_of_a_call_changes_nothing_for_others(running: Running) -> None:
    async with running.window() as window:
        await signed_in(window)
        window.begin("users.create", username="dora", password="doras secret")
        await window.writer.drain()
        window.writer.transport.abort()
    async with running.window() as other:
        await signed_in(other)
        names: set[str] = set()
        while "dora" not in names:
            names = {row.username for row in (await other.call("users.list")).rows}
        assert (await running.agent.put(reading(1))).sequence == 1


async def test_a_window_that_reads_nothing_holds_nobody_up(running: Running) -> None:
    slow = running.window()
    await slow.connect()
    slow.send(b'{"type":"hello","versions":[1],"window":{"name":"slow","version":"1"}}\n')
    for number in range(1, 10 * MAX_OPEN_REQUESTS):
        slow.send({"type": "request", "id": number, "method": "status"})
    async with running.window() as window:
        await signed_in(window)
        for n in range(200):
            await running.agent.put(reading(n))
        await window.until(lambda: window.told(EventName.PROGRESS), "the count")
        assert (await window.call("status")).backlog.readings == 200
    await slow.close()
