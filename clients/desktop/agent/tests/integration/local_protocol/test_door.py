"""Who is let in at the real socket, who is turned away, and windows that misbehave."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pulse_agent.local_protocol.transport import peer_uid
from pulse_contracts.local_address import MAX_REQUEST_BYTES, MAX_WINDOWS, local_address
from pulse_contracts.local_protocol import MAX_OPEN_REQUESTS, EventName
from pulse_contracts.local_status import Connection, Mode

from .running import Running, reading, signed_in


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
