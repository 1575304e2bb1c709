"""A stack of stand-in services in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

_SCRIPT = Path(__file__).with_name("stand_in_stack.py")


def eventually(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Return the first true value of `condition`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(min(0.05, seconds))


class StandInStack:
    """One data directory and the supervisors started on it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.supervisor: subprocess.Popen[bytes] | None = None

    def launch(self, *arguments: str) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data / "output").open("ab") as output:
            self.supervisor = subprocess.Popen(
                [sys.executable, str(_SCRIPT), "--data", str(self.data), *arguments],
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONPATH": str(_SCRIPT.parent)},
            )

    def up(self, *arguments: str) -> dict[str, Any]:
        self.launch(*arguments)
        eventually(lambda: self.state().get("phase") == "ready" or self.ended(), 40)
        assert not self.ended(), self.output()
        return self.stack()

    def ended(self) -> bool:
        return self.supervisor is not None and self.supervisor.poll() is not None

    def stack(self) -> dict[str, Any]:
        return dict(json.loads((self.data / "stack.json").read_text()))

    def state(self) -> dict[str, Any]:
        with suppress(FileNotFoundError):
            state = dict(json.loads((self.data / "run" / "state.json").read_text()))
            if self.supervisor is not None and state["supervisor_pid"] == self.supervisor.pid:
                return state
        return {}

    def part(self, name: str) -> dict[str, Any]:
        return dict(self.state()["parts"][name])

    def pids(self) -> list[int]:
        return [part["pid"] for part in self.state()["parts"].values() if part["pid"]]

    def output(self) -> str:
        return (self.data / "output").read_text()

    def down(self) -> int:
        assert self.supervisor is not None
        self.supervisor.send_signal(signal.SIGTERM)
        return self.supervisor.wait(30)

    def clean(self) -> None:
        if self.supervisor is not None and not self.ended():
            self.supervisor.kill()
            self.supervisor.wait()
        for process in psutil.process_iter(["cmdline"]):
            if any(str(self.data) in word for word in process.info["cmdline"] or ()):
                with suppress(psutil.NoSuchProcess):
                    process.kill()


@pytest.fixture
def make_stack() -> Iterator[Callable[[str], StandInStack]]:
    with tempfile.TemporaryDirectory(prefix="pulse-up-", ignore_cleanup_errors=True) as base:
        Path(base).chmod(0o755)
        made: list[StandInStack] = []

        def make(name: str) -> StandInStack:
            made.append(StandInStack(Path(base) / name / ".pulse"))
            return made[-1]

        yield make
        for stack in made:
            stack.clean()


@pytest.fixture
def stack(make_stack: Callable[[str], StandInStack]) -> StandInStack:
    return make_stack("one")


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    return eventually
