"""A backup of a stack at work, and the stack that is made of it: what is there, who gets in, what is missing and said."""

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from pulse_contracts.streams import AUDIT_STREAM, ENTRY_FIELD
from pulse_local.backup import streams
from pulse_local.backup.make import UNFINISHED
from pulse_local.servers.postgres import binaries

_CHART = Path(__file__).parents[3] / "k8s" / "precisionpulse"
Pulse = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pulse-backup-", ignore_cleanup_errors=True) as base:
        Path(base).chmod(0o755)
        yield Path(base)


@pytest.fixture
def pulse(place: Path) -> Iterator[Pulse]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pulse_local", *arguments],
            env={**os.environ, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    yield run
    for stack in place.glob("*/stack.json"):
        run("down", "--data", str(stack.parent))


class Operator:
    """Somebody who is signed in at a stack."""

    def __init__(self, data: Path) -> None:
        self.stack = json.loads((data / "stack.json").read_text())
        token = httpx.post(f"{self.stack['gateway_url']}/api/auth/login", json=self.stack["admin"]).json()
        self._headers = {"Authorization": f"Bearer {token['access_token']}"}

    def get(self, path: str, **asked: Any) -> Any:
        answer = httpx.get(f"{self.stack['gateway_url']}{path}", params=asked, headers=self._headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def numbered(self, device_id: str) -> dict[str, Any]:
        """Return how complete the newest numbering of a device's readings is."""
        return dict(self.get(f"/api/telemetry/completeness/{device_id}")["epochs"][0])


def _simulate(pulse: Pulse, data: Path, fleet: Path, *more: str) -> None:
    agents = ("--agents", "2", "--rate", "20", "--duration", "2s", "--data", str(fleet))
    done = pulse("simulate", *agents, "--stack", str(data / "stack.json"), *more)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_stack_made_of_a_backup_has_every_reading_of_before_and_names_those_of_after(
    place: Path, pulse: Pulse
) -> None:
    data, fleet, kept = place / "first", place / "fleet", place / "backups"
    assert pulse("up", "--detach", "--data", str(data)).returncode == 0
    key = pulse("devices", "add", "sensor-1", "--data", str(data)).stdout.strip()
    _simulate(pulse, data, fleet)
    before = Operator(data)
    agents = sorted(device["id"] for device in before.get("/api/devices")["items"] if device["id"] != "sensor-1")
    known = {agent: before.numbered(agent) for agent in agents}
    assert [epoch["missing"] for epoch in known.values()] == [0, 0]

    made = pulse("backup", str(kept), "--data", str(data))
    assert made.returncode == 0, made.stderr
    backup = Path(made.stdout.strip())
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    _simulate(pulse, data, fleet, "--reuse")  # acknowledged, deleted by the agents, and in no backup
    assert pulse("down", "--data", str(data)).returncode == 0

    second = place / "second"
    restored = pulse("restore", str(backup), "--data", str(second))
    assert restored.returncode == 0, restored.stderr
    up = pulse("up", "--detach", "--data", str(second))
    assert up.returncode == 0, up.stderr
    after = Operator(second)
    assert {agent: after.numbered(agent) for agent in agents} == known
    assert (second / "mosquitto/tls/ca.crt").read_bytes() == (data / "mosquitto/tls/ca.crt").read_bytes()
    reading = {"client_id": "sensor-1", "metrics": {"temperature": 21.5}}
    sent = httpx.post(f"{after.stack['gateway_url']}/api/telemetry", json=reading, headers={"X-API-Key": key})
    assert sent.is_success, sent.text

    _simulate(pulse, second, fleet, "--reuse")  # the broker knows their keys, ingest their epochs
    for agent in agents:
        epoch = after.numbered(agent)
        # What was acknowledged after the backup is said to be missing, beginning right behind what is here.
        ((first, last),) = epoch["missing_ranges"]
        assert (first, epoch["missing"]) == (known[agent]["highest"] + 1, last - first + 1)
        assert epoch["received"] == epoch["highest"] - epoch["missing"] > known[agent]["received"]
    verified = pulse("audit", "verify", "--data", str(second))
    assert verified.returncode == 0, verified.stderr


def test_a_damaged_backup_and_a_directory_in_use_are_refused(place: Path, pulse: Pulse) -> None:
    assert pulse("backup", str(place / "kept"), "--data", str(place / "nothing")).returncode == 3
    refused = pulse("restore", str(place), "--data", str(place / "new"))
    assert (refused.returncode, "is no backup" in refused.stderr) == (12, True)
    backup = place / "pulse-20260101T000000Z"
    (backup / "files").mkdir(parents=True)
    (backup / "files" / "a").write_text("one")
    entry = {"path": "files/a", "bytes": 3, "sha256": "00"}
    manifest = {"format": 1, "made_at": "2026-01-01T00:00:00Z", "postgresql": "18", "files": [entry]}
    (backup / "manifest.json").write_text(json.dumps(manifest))
    refused = pulse("restore", str(backup), "--data", str(place / "new"))
    assert (refused.returncode, "files/a was changed since" in refused.stderr) == (12, True)
    (backup / "files" / "b").write_text("two")
    refused = pulse("restore", str(backup), "--data", str(place / "new"))
    assert "files/b does not belong to it" in refused.stderr
    refused = pulse("restore", str(backup), "--data", str(backup))
    assert (refused.returncode, "is not empty" in refused.stderr) == (12, True)
    (backup / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))
    assert "has format 99" in pulse("restore", str(backup), "--data", str(place / "new")).stderr
    assert not (place / "new").exists()
    assert not list(place.glob(f"**/*{UNFINISHED}"))


def test_what_no_reader_acknowledged_yet_is_saved_and_nothing_else(valkey_server: Any, tmp_path: Path) -> None:
    with redis.Redis.from_url(valkey_server.new_database()) as client:
        ids = [client.xadd(AUDIT_STREAM, {ENTRY_FIELD: json.dumps(number)}) for number in range(5)]
        client.xgroup_create(AUDIT_STREAM, "reader", id="0")
        client.xreadgroup("reader", "one", {AUDIT_STREAM: ">"}, count=3)
        client.xack(AUDIT_STREAM, "reader", ids[0], ids[2])
        after = streams.positions(client)
        client.xack(AUDIT_STREAM, "reader", ids[1])  # while the database is read: saved all the same
        client.xadd("pulse:telemetry", {ENTRY_FIELD: "in the database already"})
        assert streams.save(client, after, tmp_path / "entries") == 4
    with redis.Redis.from_url(valkey_server.new_database()) as client:
        assert streams.load(client, tmp_path / "entries", "epoch") == 4
        entries: Any = client.xrange(AUDIT_STREAM)
        assert [json.loads(fields[ENTRY_FIELD.encode()]) for _, fields in entries] == [1, 2, 3, 4]
        assert client.get(f"{AUDIT_STREAM}:epoch") == b"epoch"


def test_the_charts_script_dumps_what_the_operators_role_may_read(postgres_server: Any, tmp_path: Path) -> None:
    urls = postgres_server.new_database()
    (tmp_path / "url").write_text(urls["pulse_admin"])
    kept = tmp_path / "kept"
    for name in ("pulse-20200101T000000Z", "pulse-20200102T000000Z", "pulse-20200103T000000Z.unfinished"):
        (kept / name).mkdir(parents=True)
    done = subprocess.run(
        ["sh", str(_CHART / "files" / "backup.sh")],
        env={
            "PATH": f"{binaries()}:{os.environ['PATH']}",
            "BACKUP_DIRECTORY": str(kept),
            "BACKUP_KEEP": "2",
            "BACKUP_DATABASE_URL_FILE": str(tmp_path / "url"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    old, new = sorted(path.name for path in kept.iterdir())
    assert (old, (kept / new / "toc.dat").exists()) == ("pulse-20200102T000000Z", True)
    listed = subprocess.run(
        [str(binaries() / "pg_restore"), "--list", str(kept / new)], capture_output=True, text=True, check=True
    )
    assert "SCHEMA - telemetry" in listed.stdout
