"""What the program is started with: its command line over the environment of the agent."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

DATA_VARIABLE: Final = "PULSE_AGENT_DATA"
COMMAND_VARIABLE: Final = "PULSE_DESKTOP_AGENT"
_RUN: Final = ("run", "--await-enrolment")


@dataclass(frozen=True, slots=True)
class Options:
    """`agent_command` starts the agent, without its folder; empty: this window starts none."""

    data: Path
    agent_command: tuple[str, ...]
    is_self_test: bool = False
    opens_another: bool = False


def window_version() -> str:
    """Return the version of this program."""
    try:
        return version("pulse-desktop")
    except PackageNotFoundError:  # a packaged build without metadata
        return "0"


def default_data() -> Path:
    """Return the agent's folder unless told otherwise; the agent has the same rule."""
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "PrecisionPulse" / "agent"
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "precisionpulse-agent"


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line; a wrong one ends the program with a sentence."""
    parser = argparse.ArgumentParser("pulse-desktop", description="The window of this computer's PrecisionPulse agent.")
    parser.add_argument("--data", type=Path, help=f"the agent's folder ({DATA_VARIABLE})")
    parser.add_argument("--no-agent", action="store_true", help="start no agent, only speak to one that runs")
    parser.add_argument("--new-window", action="store_true", help="open one more window where one is open already")
    parser.add_argument("--self-test", action="store_true", help="start, reach the agent, show the window, and end")
    parser.add_argument("--version", action="version", version=window_version())
    given = parser.parse_args(arguments)
    data = given.data or Path(os.environ[DATA_VARIABLE]) if DATA_VARIABLE in os.environ else given.data
    return Options(
        data=(data or default_data()).absolute(),
        agent_command=() if given.no_agent else agent_command(),
        is_self_test=given.self_test,
        opens_another=given.new_window,
    )


def agent_command() -> tuple[str, ...]:
    """Return how the agent is started: as told, the program beside this one, or the one on the path."""
    told = os.environ.get(COMMAND_VARIABLE)
    if told:
        return (*shlex.split(told, posix=os.name != "nt"), *_RUN)
    name = "pulse-agent.exe" if os.name == "nt" else "pulse-agent"
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name) or name
    return (found, *_RUN)


def own_command(data: Path) -> list[str]:
    """Return how this program is started over an agent's folder, for the autostart."""
    return _program() if data == default_data().absolute() else [*_program(), "--data", str(data)]


def _program() -> list[str]:
    if getattr(sys, "frozen", False):
        return [sys.executable]
    beside = Path(sys.executable).parent / ("pulse-desktop.exe" if os.name == "nt" else "pulse-desktop")
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "pulse_desktop"]
