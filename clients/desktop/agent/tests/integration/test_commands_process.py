"""A real `pulse-agent run` that is told what to do: killed while it does it, started anew by command, with plug-ins."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pulse_agent.configuration.desktop_keys import DesktopKeys
from pulse_agent.configuration.device import EnrolledDevice, save_device
from pulse_agent.configuration.key_store import Secret, save_secrets
from pulse_agent.configuration.server_keys import ServerKeys, save_server_keys
from pulse_chassis.mqtt import MqttEndpoint
from pulse_contracts.sync import ServiceKeys
from pulse_contracts.verifiers import VERIFIER_KEY_BYTES

COMMANDS = 100
KILLS = 6
PLUGIN = Path(__file__).with_name("append_plugin.py")
ENTRY_POINTS = "[pulse_agent.commands]\nappend = append_plugin:create\nbroken = append_plugin:create_broken\n"

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(peer: Any, device: MqttEndpoint, tmp_path: Path) -> Iterator[Start]:
    """Starts the enrolled agent of `tmp_path`, with the plug-in installed; what still runs at the end is killed."""
    metadata = tmp_path / "plugins" / "append_plugin-1.0.dist-info"
    metadata.mkdir(parents=True)
    shutil.copy(PLUGIN, metadata.parent)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: append-plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    data, name = tmp_path / "data", str(device.username)
    keys = DesktopKeys()
    secrets = {
        Secret.API_KEY: str(device.password),
        Secret.DESKTOP_KEYS: keys.as_secret(base64.b64encode(bytes(VERIFIER_KEY_BYTES)).decode()),
    }
    store = save_secrets(data, name, secrets, allow_keyring=False)
    save_server_keys(data, ServerKeys(commands=ServiceKeys(keys=[peer.key.public_jwk()])))
    enrolled = EnrolledDevice(name, "Pump", "http://127.0.0.1:1", device.host, device.port, None, None, store.value)
    save_device(data, replace(enrolled, password_key=keys.seal_key.public_key))
    environment = os.environ | {"PYTHONPATH": str(metadata.parent)}
    started: list[subprocess.Popen[bytes]] = []

    def run(*options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pulse_agent", "run", "--data", str(data), *options]
        with (tmp_path / "log").open("ab") as log:
            started.append(subprocess.Popen(command, stderr=log, env=environment))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


async def test_of_a_hundred_commands_none_is_done_twice_however_often_the_agent_is_killed(
    peer: Any, start: Start, tmp_path: Path
) -> None:
    chance = random.Random(11)
    kills = set(chance.sample(range(COMMANDS), KILLS))
    process = start()
    await peer.until(lambda: peer.capabilities, "capabilities", 60)
    sent: list[str] = []
    for n in range(COMMANDS):
        jti = await peer.send("APPEND", {"n": n})
        sent.append(jti)
        if n in kills:
            await asyncio.sleep(chance.random() * 0.06)  # anywhere between its coming and its end
            process.send_signal(signal.SIGKILL)
            process.wait()
            process = start()
        await peer.finish(jti, 60)
    done = Counter(map(int, (tmp_path / "data" / "appended.txt").read_text().split()))
    states = Counter(peer.last(jti).state for jti in sent)
    assert max(done.values()) == 1
    for n, jti in enumerate(sent):
        assert done[n] == 1 or peer.last(jti).state == "unknown"
    assert set(states) <= {"succeeded", "unknown"}
    assert states["unknown"] <= KILLS
    assert peer.refusals == []


async def test_the_agent_starts_itself_anew_when_told_and_says_that_it_did(
    peer: Any, start: Start, tmp_path: Path
) -> None:
    process = start("--disable-command", "RELOAD")
    await peer.until(lambda: peer.capabilities, "capabilities", 60)
    assert [spec.name for spec in peer.capabilities[0].commands] == ["APPEND"]
    ping = await peer.run("PING")
    assert (ping.state, ping.result["state"]) == ("succeeded", "Online")
    disabled = await peer.run("RELOAD")
    assert disabled.error.code == "disabled"
    jti = await peer.send("RESTART_AGENT")
    after = await peer.send("APPEND", {"n": 1})
    await peer.until(lambda: peer.has_ended(jti) and peer.has_ended(after), "restarted", 60)
    assert peer.last(jti).state == "succeeded"
    assert peer.last(after).state == "succeeded"
    assert len(peer.capabilities) == 2
    again = await peer.run("PING")
    assert again.result["uptime_s"] < ping.result["uptime_s"] + 60
    assert process.poll() is None, "the process kept its id"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert (tmp_path / "log").read_text().count("process_started") == 2


async def test_an_interval_that_is_commanded_changes_the_readings_at_once_and_stays_after_a_restart(
    peer: Any, server: Any, start: Start, tmp_path: Path
) -> None:
    sources = ("--source", "host", "--source", "simulated:interval=3600")
    process = start(*sources)
    await peer.until(lambda: peer.capabilities, "capabilities", 60)
    changed = await peer.run("CHANGE_INTERVAL", {"interval_ms": 100})
    assert (changed.state, changed.result) == ("succeeded", {"key": "telemetry.interval_ms", "value": 100})
    await peer.until(lambda: is_fast(server), "readings at 10 Hz")
    assert len(readings_of(server, "pressure")) == 1, "the other source was not touched"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    last = max(server.rows)
    process = start(*sources)
    await peer.until(
        lambda: is_fast(server, last), "readings at 10 Hz after a restart, nobody having said it again", 60
    )
    wrong = await peer.run("UPDATE_CONFIG", {"key": "telemetry.interval_ms", "value_json": "1"})
    assert (wrong.state, wrong.error.code) == ("failed", "bad_value")
    assert readings_of(server, "pressure")[2:] == []


def readings_of(server: Any, metric: str, after: int = 0) -> list[int]:
    """Return when the readings that have `metric` were recorded, in microseconds, in order."""
    return [at for number, (at, metrics) in sorted(server.rows.items()) if number > after and metric in metrics]


def is_fast(server: Any, after: int = 0) -> bool:
    moments = readings_of(server, "cpu_percent", after)[-10:]
    return len(moments) == 10 and moments[-1] - moments[0] < 5_000_000
