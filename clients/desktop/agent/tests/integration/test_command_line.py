"""The real command: enrol over HTTP, run against the real broker, status meanwhile and afterwards, one at a time."""

from __future__ import annotations

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

CODE = "ABCD-1234"


@pytest.fixture
def enrolment_server(device: MqttEndpoint) -> Iterator[str]:
    """The one route that enrolment needs, with the answers of the contract."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != "/api/devices/enroll" or body["code"] != CODE:
                answer, status = {"title": "Forbidden", "detail": "the code is used up or unknown"}, 403
            else:
                mqtt = {"host": device.host, "port": device.port, "tls_port": None, "ca_pem": None}
                answer = {"device_id": device.username, "name": "Pump 1", "api_key": device.password, "mqtt": mqtt}
                status = 201
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def agent(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pulse_agent", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_run_without_enrolment_says_so(tmp_path: Path) -> None:
    done = agent("run", "--data", tmp_path)
    assert done.returncode == 3
    assert "not enrolled" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_code_is_refused_in_words(enrolment_server: str, tmp_path: Path) -> None:
    done = agent("enroll", enrolment_server, "WRONG-CODE", "--data", tmp_path, "--no-keyring")
    assert done.returncode == 1
    assert "used up or unknown" in done.stderr
    assert not (tmp_path / "device.json").exists()


def test_an_unreachable_server_is_said_in_words(tmp_path: Path) -> None:
    done = agent("enroll", "http://127.0.0.1:1", CODE, "--data", tmp_path)
    assert done.returncode == 1
    assert "was not reached" in done.stderr


async def test_enroll_run_status_and_stop(
    enrolment_server: str, server: Any, device: MqttEndpoint, tmp_path: Path, eventually: Any
) -> None:
    import asyncio

    done = await asyncio.to_thread(agent, "enroll", enrolment_server, CODE, "--data", tmp_path, "--no-keyring")
    assert done.returncode == 0, done.stderr
    assert "a file that only you may read" in done.stdout
    assert (tmp_path / "api-key").stat().st_mode & 0o777 == 0o600
    assert str(device.password) not in done.stdout + (tmp_path / "device.json").read_text()

    command = [sys.executable, "-m", "pulse_agent", "run", "--data", str(tmp_path)]
    command += ["--source", "host", "--source", "simulated", "--source", "lines:socket=lines.sock", "--interval", "0.1"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    try:
        await eventually(lambda: len(server.rows) >= 20, 30, "readings")
        reader, writer = await asyncio.open_unix_connection(tmp_path / "lines.sock")
        writer.write(b'torque=12.5 running=true\n{"metrics": {"note": "ok"}, "timestamp": 1760000000000}\nnonsense\n')
        assert (await reader.readline(), await reader.readline()) == (b"ok\n", b"ok\n")
        assert (await reader.readline()).startswith(b"error")
        writer.close()
        await writer.wait_closed()
        await eventually(lambda: any("torque" in metrics for _, metrics in server.rows.values()), what="the line")

        second = await asyncio.to_thread(agent, "run", "--data", tmp_path)
        assert second.returncode == 4
        assert "another agent is running" in second.stderr
        status = json.loads((await asyncio.to_thread(agent, "status", "--data", tmp_path, "--json")).stdout)
        assert status["running"] is True
        assert status["state"] in ("Online", "Draining")
        assert "cpu_percent" in status["outbox"]["latest"]
        assert status["sync"] == {"note": "this device enrolled without keys for sync: enrol it again to take part"}
    finally:
        process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(process.wait, 20)
    assert code == 0
    assert str(device.password) not in (tmp_path / "log").read_text()
    keys = {key for _, metrics in server.rows.values() for key in metrics}
    assert {"cpu_percent", "memory_percent", "disk_percent", "load_1m", "uptime_s", "temperature", "is_running"} <= keys

    status_text = (await asyncio.to_thread(agent, "status", "--data", tmp_path)).stdout
    assert "not running" in status_text
    exported = await asyncio.to_thread(agent, "export-quarantine", tmp_path / "q.jsonl", "--data", tmp_path)
    assert exported.returncode == 0
    assert (tmp_path / "q.jsonl").read_text() == ""
