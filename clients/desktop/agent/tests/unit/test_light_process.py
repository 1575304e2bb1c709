"""What a running agent carries: nothing that only a terminal, an enrolment or a keyring needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pulse_agent.command_line.process import MODULE

HEAVY = {"typer", "click", "rich", "pygments", "keyring", "pydantic_settings", "uvloop", "greenlet", "sqlalchemy"}


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, set[str], str]:
    """Exit code, packages of which modules were imported, and last line of an agent that is not enrolled."""
    environment = os.environ | {"PULSE_AGENT_DATA": str(tmp_path_factory.mktemp("data"))}
    command = [sys.executable, "-X", "importtime", "-m", MODULE]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    lines = done.stderr.splitlines()
    names = [line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")]
    # A package whose import was turned away is named, too, but none of its modules.
    return done.returncode, {name.partition(".")[0] for name in names if "." in name}, lines[-1]


def test_a_running_agent_imports_nothing_heavy(imported: tuple[int, set[str], str]) -> None:
    assert imported[1] & HEAVY == set()
    assert {"pulse_agent", "pydantic", "mqtt5"} <= imported[1]


def test_it_says_what_is_wrong_as_the_command_line_does(imported: tuple[int, set[str], str], tmp_path: Path) -> None:
    assert imported[0] == 3
    assert imported[2].startswith("pulse-agent: this machine is not enrolled")
    environment = os.environ | {"PULSE_AGENT_DATA": str(tmp_path), "PULSE_AGENT_INTERVAL": "often"}
    wrong = subprocess.run([sys.executable, "-m", MODULE], capture_output=True, text=True, env=environment, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("pulse-agent: option interval: ")
