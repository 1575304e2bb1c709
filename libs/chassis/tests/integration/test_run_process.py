"""Real processes, real signals, real exit codes."""

import json
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PRELUDE = """
import asyncio, os, sys, time
from contextlib import asynccontextmanager
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from pulse_chassis.health import HealthRegistry
from pulse_chassis.http import create_app
from pulse_chassis.run import Worker, run_process
from pulse_chassis.serve import http_worker

async def steady(stop):
    await stop.wait()

def app():
    return create_app(service="probe", title="Probe", version="1", health=HealthRegistry(),
                      metrics_registry=CollectorRegistry(), authority=None)

def say(text):
    print(text, flush=True)
"""


class Child:
    """A process under test; its stderr is the log, its stdout what the script says."""

    def __init__(self, script: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.log: list[dict[str, Any]] = []

    def wait_for_event(self, event: str) -> dict[str, Any]:
        """Read the log up to an event."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(json.loads(line))
            if self.log[-1]["event"] == event:
                return self.log[-1]
        raise AssertionError([event, self.log, self.process.stdout and self.process.stdout.read()])

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def finish(self, seconds: float = 15) -> tuple[int, str]:
        """Return the exit code and what was said; the rest of the log is kept."""
        out, err = self.process.communicate(timeout=seconds)
        self.log += [json.loads(line) for line in err.splitlines()]
        return self.process.returncode, out


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[[str], Child]]:
    children: list[Child] = []

    def start(body: str) -> Child:
        script = tmp_path / f"child{len(children)}.py"
        script.write_text(PRELUDE + textwrap.dedent(body))
        children.append(Child(script))
        return children[-1]

    yield start
    for child in children:
        child.process.kill()
        child.process.communicate()


def _get(port: int, path: str) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return int(answer.status)


def test_a_dead_worker_takes_the_process_down_with_1(spawn: Callable[[str], Child]) -> None:
    child = spawn("""
        async def dies(stop):
            await asyncio.sleep(0.05)
            raise ValueError("boom")

        @asynccontextmanager
        async def compose():
            try:
                yield [http_worker(app(), host="127.0.0.1", port=0), Worker("steady", steady), Worker("mortal", dies)]
            finally:
                say("closed")

        run_process(compose, service="probe")
    """)
    code, out = child.finish()
    assert code == 1
    assert out == "closed\n"
    (death,) = [line for line in child.log if line["event"] == "worker_died"]
    assert death["worker"] == "mortal"
    assert "boom" in death["exception"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_with_health_up_and_exits_0(spawn: Callable[[str], Child], number: signal.Signals) -> None:
    child = spawn("""
        async def works(stop):
            await stop.wait()
            say("draining")
            await gate.wait()
            say("drained")

        gate = asyncio.Event()
        web = app()

        @web.get("/open-gate")
        async def open_gate() -> str:
            gate.set()
            return "ok"

        @asynccontextmanager
        async def compose():
            yield [http_worker(web, host="127.0.0.1", port=0), Worker("works", works)]
            say("closed")

        run_process(compose, service="probe")
    """)
    port = int(child.wait_for_event("http_listening")["port"])
    assert _get(port, "/health") == 200
    child.signal(number)
    child.wait_for_event("stopping")
    assert child.process.stdout is not None
    assert child.process.stdout.readline() == "draining\n"
    for _ in range(3):
        assert _get(port, "/health") == 200
    assert child.process.poll() is None
    _get(port, "/open-gate")
    code, out = child.finish()
    assert (code, out) == (0, "drained\nclosed\n")
    assert child.log[-1]["event"] == "process_stopped"


STUCK = """
    async def stuck(stop):
        await stop.wait()
        say("stuck")
        await asyncio.Event().wait()

    @asynccontextmanager
    async def compose():
        yield [Worker("stuck", stuck)]

    run_process(compose, service="probe", drain_seconds={seconds})
"""


def test_a_second_signal_aborts_with_1(spawn: Callable[[str], Child]) -> None:
    child = spawn(STUCK.format(seconds=60))
    child.wait_for_event("process_started")
    child.signal()
    child.wait_for_event("stopping")
    started = time.monotonic()
    child.signal()
    code, _ = child.finish()
    assert code == 1
    assert time.monotonic() - started < 5
    assert child.log[-1] | {"timestamp": ""} == child.log[-1] | {"timestamp": "", "reason": "second signal"}


def test_the_drain_deadline_aborts_with_1(spawn: Callable[[str], Child]) -> None:
    child = spawn(STUCK.format(seconds=0.2))
    child.wait_for_event("process_started")
    child.signal()
    code, _ = child.finish()
    assert code == 1
    assert (child.log[-1]["reason"], child.log[-1]["workers"]) == ("drain deadline", ["stuck"])


def test_a_blocked_event_loop_is_left_by_force(spawn: Callable[[str], Child]) -> None:
    child = spawn("""
        async def blocks(stop):
            await stop.wait()
            say("blocking")
            time.sleep(60)

        @asynccontextmanager
        async def compose():
            yield [Worker("blocks", blocks)]

        run_process(compose, service="probe", drain_seconds=0.2)
    """)
    child.wait_for_event("process_started")
    child.signal()
    code, out = child.finish()
    assert (code, out) == (1, "blocking\n")
    assert child.log[-1]["reason"] == "did not stop in time"


def test_a_task_that_swallows_its_cancellation_cannot_keep_a_failed_process(spawn: Callable[[str], Child]) -> None:
    child = spawn("""
        async def immortal():
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    pass

        async def dies(stop):
            dies.task = asyncio.create_task(immortal())
            await asyncio.sleep(0)

        @asynccontextmanager
        async def compose():
            yield [Worker("dies", dies)]

        run_process(compose, service="probe")
    """)
    assert child.finish()[0] == 1


def test_what_was_composed_cannot_hold_up_the_restart_of_a_dead_process(spawn: Callable[[str], Child]) -> None:
    child = spawn("""
        async def dies(stop):
            await asyncio.sleep(0)

        @asynccontextmanager
        async def compose():
            try:
                yield [Worker("dies", dies)]
            finally:
                say("closing")
                await asyncio.Event().wait()

        run_process(compose, service="probe")
    """)
    assert child.finish() == (1, "closing\n")


def test_a_composition_that_fails_exits_with_1_and_its_traceback(spawn: Callable[[str], Child]) -> None:
    child = spawn("""
        @asynccontextmanager
        async def compose():
            raise RuntimeError("no database")
            yield []

        run_process(compose, service="probe")
    """)
    assert child.finish()[0] == 1
    assert child.log[-1]["event"] == "process_failed"
    assert "Traceback" in child.log[-1]["exception"]


def test_missing_settings_are_said_without_a_traceback(
    spawn: Callable[[str], Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PULSE_DATABASE_URL", raising=False)
    child = spawn("""
        from pulse_chassis.settings import ServiceSettings

        @asynccontextmanager
        async def compose():
            ServiceSettings()
            yield []

        run_process(compose, service="probe")
    """)
    assert child.finish()[0] == 1
    assert "PULSE_DATABASE_URL: is not set" in child.log[-1]["reason"]
    assert "exception" not in child.log[-1]


def test_a_signal_while_composing_exits_0(spawn: Callable[[str], Child]) -> None:
    child = spawn("""
        @asynccontextmanager
        async def compose():
            say("composing")
            await asyncio.Event().wait()
            yield []

        run_process(compose, service="probe")
    """)
    assert child.process.stdout is not None
    assert child.process.stdout.readline() == "composing\n"
    child.signal()
    assert child.finish()[0] == 0


def test_a_port_that_is_taken_is_a_dead_worker(spawn: Callable[[str], Child]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        child = spawn(f"""
            @asynccontextmanager
            async def compose():
                yield [http_worker(app(), host="127.0.0.1", port={taken.getsockname()[1]}), Worker("steady", steady)]

            run_process(compose, service="probe")
        """)
        assert child.finish()[0] == 1
    (death,) = [line for line in child.log if line["event"] == "worker_died"]
    assert death["worker"] == "http"
    assert "Address already in use" in death["exception"]


def test_an_open_websocket_does_not_hold_up_the_end(spawn: Callable[[str], Child]) -> None:
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    child = spawn("""
        from fastapi import WebSocket
        web = app()

        @web.websocket("/ws")
        async def socket(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.send_text("hello")
            await websocket.receive_text()

        @asynccontextmanager
        async def compose():
            yield [http_worker(web, host="127.0.0.1", port=0), Worker("steady", steady)]

        run_process(compose, service="probe")
    """)
    port = int(child.wait_for_event("http_listening")["port"])
    with connect(f"ws://127.0.0.1:{port}/ws", compression=None) as websocket:
        assert websocket.recv() == "hello"
        child.signal()
        with pytest.raises(ConnectionClosed) as caught:
            websocket.recv(timeout=10)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1012
    assert child.finish()[0] == 0
