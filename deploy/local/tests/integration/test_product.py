"""The command line with the real services: what an operator does on the first day."""

import csv
import json
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

Pulse = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def data() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pulse-product-", ignore_cleanup_errors=True) as base:
        Path(base).chmod(0o755)
        yield Path(base) / ".pulse"


@pytest.fixture
def pulse(data: Path) -> Iterator[Pulse]:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pulse_local", *arguments],
            env={**os.environ, "PULSE_DATA": str(data), "COLUMNS": "200", **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    yield run
    run("down")


def _processes_of(data: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(str(data) in word for word in words):
            found.append(" ".join(words))
    return found


def test_the_demo_shows_this_machines_own_readings_and_leaves_nothing_running(data: Path, pulse: Pulse) -> None:
    done = pulse("demo", "--seconds", "15")
    assert done.returncode == 0, done.stderr
    assert re.search(r"cpu [\d.]+ %, memory [\d.]+ %, disk [\d.]+ %", done.stdout), done.stdout
    assert re.search(r"devices online 4 of 4", done.stdout), done.stdout
    password = json.loads((data / "secrets" / "stack-secrets.json").read_text())["admin_password"]
    assert password in done.stdout
    assert _processes_of(data) == []
    assert not (data / "stack.json").exists()


def test_the_first_day_of_an_operator(data: Path, pulse: Pulse, wait_until: Callable[..., Any]) -> None:
    up = pulse("up", "--detach", PULSE_ADMIN_PASSWORD="chosen by the operator")
    assert up.returncode == 0, up.stderr
    assert "chosen by the operator" in up.stdout
    assert stat.S_IMODE((data / "stack.json").stat().st_mode) == 0o600
    stack = json.loads((data / "stack.json").read_text())
    assert stack["admin"] == {"username": "admin", "password": "chosen by the operator"}

    key = pulse("devices", "add", "sensor-1", "--name", "Sensor").stdout.strip()
    assert len(key) >= 22
    again = pulse("devices", "add", "sensor-1")
    assert again.returncode == 1
    assert "Traceback" not in again.stderr
    renewed = pulse("devices", "key", "sensor-1").stdout.strip()
    assert renewed != key
    assert "sensor-1" in pulse("devices", "list").stdout
    many = data.parent / "many.csv"
    many.write_text("id,kind\nsensor-2,generic\nsensor-1,generic\nsensor-3,NOT A KIND\n")
    refused = pulse("devices", "import", str(many))
    assert (refused.returncode, "row 3.kind" in refused.stderr) == (1, True)
    many.write_text("id\nsensor-2\nsensor-3\n")
    made = list(csv.DictReader(pulse("devices", "import", str(many)).stdout.splitlines()))
    assert [(row["id"], row["status"]) for row in made] == [("sensor-2", "registered"), ("sensor-3", "registered")]
    assert len(pulse("devices", "enroll-code").stdout.strip()) >= 8

    def send(api_key: str) -> httpx.Response:
        reading = {"client_id": "sensor-1", "metrics": {"temperature": 21.5}}
        return httpx.post(f"{stack['gateway_url']}/api/telemetry", json=reading, headers={"X-API-Key": api_key})

    assert send(key).status_code == 401
    assert send(renewed).is_success

    made = pulse("admin", "reset-password").stdout.strip()
    assert len(made) >= 16
    told = json.loads((data / "stack.json").read_text())["admin"]
    assert told == {"username": "admin", "password": made}
    assert json.loads((data / "secrets" / "stack-secrets.json").read_text())["admin_password"] == made
    assert stat.S_IMODE((data / "stack.json").stat().st_mode) == 0o600
    assert httpx.post(f"{stack['gateway_url']}/api/auth/login", json=told).is_success
    assert httpx.post(f"{stack['gateway_url']}/api/auth/login", json=stack["admin"]).status_code == 401
    assert "sensor-1" in pulse("devices", "list").stdout
    refused = pulse("admin", "reset-password", "nobody")
    assert (refused.returncode, "no user 'nobody'" in refused.stderr) == (1, True)

    os.kill(stack["services"]["ingest"]["pid"], signal.SIGKILL)
    wait_until(
        lambda: json.loads((data / "stack.json").read_text())["services"]["ingest"] != stack["services"]["ingest"]
    )
    wait_until(lambda: pulse("status").returncode == 0)
    assert json.loads((data / "stack.json").read_text())["admin"] == told
    parts = json.loads(pulse("status", "--json").stdout)["parts"]
    assert parts["ingest"]["restarts"] == 1
    logs = {log.name: log.read_text() for log in (data / "logs").iterdir()}
    assert [name for name, text in logs.items() if "chosen by the operator" in text or renewed in text] == []
    assert pulse("logs", "ingest", "-n", "1").stdout.strip() in logs["ingest.log"]

    second = pulse("up")
    assert second.returncode == 0
    assert "already runs" in second.stdout
    assert pulse("down").returncode == 0
    assert _processes_of(data) == []
    assert pulse("status").returncode == 3
