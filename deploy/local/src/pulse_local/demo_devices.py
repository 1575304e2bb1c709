"""What `pulse demo` feeds the stack with: this machine's own readings through a real agent, and three simulated devices.

Each is a process like any other client's, started by the supervisor once the stack is ready. The agent enrols once
with a code made through the REST API and is the same device at every later demo on the same data directory.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from pathlib import Path

from pulse_local.api_client import ApiClient
from pulse_local.data_directory import DataDirectory
from pulse_local.errors import NotReadyError
from pulse_local.processes import ProcessMark, ProcessSpec
from pulse_local.stack_file import StackFile
from pulse_local.supervisor.child import Blueprint

SIMULATED = 3
_LONGER_THAN_ANY_DEMO = "720h"
_ENROL_SECONDS = 60.0


def agent_blueprint(directory: DataDirectory, stack: StackFile) -> Blueprint:
    """Return the host agent: enrolled when it is first prepared, ready when it says that it is connected."""
    home = directory.demo / "agent"
    return Blueprint(
        name="agent",
        prepare=lambda: _enrol_once(home, stack),
        spec=lambda: ProcessSpec(
            name="agent",
            argv=(sys.executable, "-m", "pulse_agent", "run", "--data", str(home)),
            directory=directory.root,
            environment={"PYTHONUNBUFFERED": "1"},
        ),
        is_ready=lambda: _is_connected(home / "state.json"),
    )


def devices_blueprint(directory: DataDirectory) -> Blueprint:
    """Return the simulated devices, all in one process."""
    arguments = (
        *("--devices", str(SIMULATED), "--rate", "1", "--prefix", "demo"),
        *("--duration", _LONGER_THAN_ANY_DEMO, "--drain-timeout", "5s"),
        *("--data", str(directory.demo / "simulator"), "--stack", str(directory.stack_file)),
    )
    return Blueprint(
        name="devices",
        spec=lambda: ProcessSpec(
            name="devices",
            argv=(sys.executable, "-m", "pulse_local", "simulate", *arguments),
            directory=directory.root,
            environment={"PYTHONUNBUFFERED": "1"},
        ),
        is_ready=lambda: True,
    )


def _enrol_once(home: Path, stack: StackFile) -> None:
    if _is_enrolled_with(home / "device.json", stack):
        return
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    host = platform.node() or "this machine"
    with ApiClient(stack) as api:
        code = api.enrolment_code(_as_device_id(host), host, "workstation")["code"]
    command = [sys.executable, "-m", "pulse_agent", "enroll", stack.gateway_url, code, "--no-keyring"]
    done = subprocess.run(  # noqa: S603 - our own arguments
        [*command, "--data", str(home)], capture_output=True, text=True, check=False, timeout=_ENROL_SECONDS
    )
    if done.returncode != 0:
        raise NotReadyError("agent_enrolment", f"The agent could not enrol: {(done.stderr or done.stdout).strip()}")


def _is_enrolled_with(device_file: Path, stack: StackFile) -> bool:
    """Say whether the agent knows where this stack's broker is: enrolling again mends a port that had to change."""
    try:
        return bool(json.loads(device_file.read_text(encoding="utf-8"))["tls_port"] == stack.mqtt.tls_port)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _as_device_id(host: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.:-]", "-", host)[:64].lstrip("_.:-") or "this-machine"


def agent_device_id(directory: DataDirectory) -> str:
    """Return the id that the agent was enrolled as."""
    return str(json.loads((directory.demo / "agent" / "device.json").read_text(encoding="utf-8"))["device_id"])


def _is_connected(state_file: Path) -> bool:
    """Read what the agent says of itself; what an earlier, killed one said does not count."""
    try:
        state = json.loads(state_file.read_text(encoding="utf-8"))
        return bool(state["connections"]) and ProcessMark.of(int(state["pid"])) is not None
    except (OSError, ValueError, KeyError, TypeError):
        return False
