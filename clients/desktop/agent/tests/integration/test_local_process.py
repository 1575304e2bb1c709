"""A real `pulse-agent run` that nobody enrolled: a window does it, and the same process delivers."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pulse_chassis.mqtt import MqttEndpoint
from pulse_contracts.local_address import local_address
from pulse_contracts.local_enrolment import Step, StepState
from pulse_contracts.local_protocol import EventName
from pulse_contracts.local_status import Connection, Mode

CODE = "ABCD-1234"


@pytest.fixture
def enrolment_server(device: MqttEndpoint) -> Iterator[str]:
    """What an agent asks a server before and when it enrols."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = self.path == "/api/openapi.json"
            self._answer({"openapi": "3.1.0", "info": {"title": "PrecisionPulse gateway", "version": "9.9"}}, is_known)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            mqtt = {"host": device.host, "port": device.port, "tls_port": None, "ca_pem": None}
            given = {"device_id": device.username, "name": "Pump 1", "api_key": device.password, "mqtt": mqtt}
            self._answer(given, body["code"] == CODE)

        def _answer(self, fields: dict[str, Any], is_good: bool) -> None:
            self.send_response(200 if is_good else 403)
            self.end_headers()
            self.wfile.write(json.dumps(fields if is_good else {"detail": "the code is used up or unknown"}).encode())

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "pulse_agent", "run", "--data", str(tmp_path), "--await-enrolment"]
    with (tmp_path / "log").open("wb") as log:
        started = subprocess.Popen([*command, "--source", "simulated", "--interval", "0.1"], stderr=log)
    yield started
    started.kill()
    started.wait()


def states(report: Any) -> dict[Step, StepState]:
    return {step.step: step.state for step in report.steps}


async def test_a_window_enrols_the_machine_and_the_same_process_delivers(
    enrolment_server: str, process: subprocess.Popen[bytes], server: Any, window_peer: Any, tmp_path: Path,
    eventually: Any,
) -> None:  # fmt: skip
    async with window_peer(tmp_path) as window:
        assert window.welcome.mode is Mode.UNENROLLED
        assert (await window.error("sign_in", username="anna", password="x")).code == "not_enrolled"
        nobody = await window.call("enrol.check", url="http://127.0.0.1:1")
        assert (nobody.is_ok, nobody.steps[0].code) == (False, "nothing_listens")
        assert nobody.steps[0].advice
        assert states(nobody)[Step.SERVER] is StepState.SKIPPED
        found = await window.call("enrol.check", url=enrolment_server)
        assert (found.is_ok, found.steps[2].facts["version"]) == (True, "9.9")
        assert states(found)[Step.TLS] is StepState.WARNING
        refused = await window.call("enrol.enrol", url=enrolment_server, code="WRONG-CODE", use_keyring=False)
        assert (refused.is_ok, refused.steps[4].code) == (False, "code_refused")
        assert not (tmp_path / "device.json").exists()
        done = await window.call("enrol.enrol", url=enrolment_server, code=CODE, use_keyring=False)
        assert (done.is_ok, done.device.name, states(done)[Step.BROKER]) == (True, "Pump 1", StepState.OK)
        assert window.told(EventName.STEP)[-1].report.step is Step.BROKER
        await window.until(lambda: window.is_closed, "the restart")
        assert window.refused.code == "stopping"
    async with window_peer(tmp_path) as window:
        assert (window.welcome.mode, window.welcome.pid) == (Mode.ENROLLED, process.pid)
        await eventually(lambda: len(server.rows) >= 5, 60, "readings at the server")
        await window.until(
            lambda: any(
                told.connection.state in (Connection.ONLINE, Connection.DRAINING)
                for told in window.told(EventName.STATE)
            ),
            "online",
        )
        assert (await window.error("sign_in", username="anna", password="x")).code == "no_sync"
        process.send_signal(signal.SIGTERM)
        await window.until(lambda: window.is_closed, "the end")
        assert window.refused.code == "stopping"
    assert await asyncio.to_thread(process.wait, 60) == 0
    assert not Path(local_address(tmp_path)).exists()
    assert (tmp_path / "api-key").stat().st_mode & 0o777 == 0o600
    assert CODE not in (tmp_path / "log").read_text()
