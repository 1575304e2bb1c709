"""What the supervisor and the tests need to know of any server, and one server under our own eyes.

A server's own module prepares its files and says what to run; it never starts anything that outlives the call.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Protocol

from pulse_local.errors import NotReadyError
from pulse_local.processes import ProcessSpec, start, stop, tail


class Server(Protocol):
    """One server: idempotent preparation, the process to run, a cheap readiness check that never raises."""

    @property
    def name(self) -> str:
        """Its name in logs and messages."""
        ...

    def prepare(self) -> None:
        """Make or refresh what it needs on disk."""
        ...

    def spec(self) -> ProcessSpec:
        """Say what to run."""
        ...

    def is_ready(self) -> bool:
        """Say whether it answers."""
        ...


def not_ready(name: str, why: str, log: Path) -> NotReadyError:
    """Return the error for a part that did not come up, with the end of its log."""
    return NotReadyError("not_ready", f"{name} {why}. The end of {log}:\n{tail(log)}", "See the log for the cause.")


class RunningServer:
    """A server started, stopped and killed by hand, without a supervisor: for tests and short tools."""

    def __init__(self, server: Server, log: Path) -> None:
        self.server = server
        self.log = log
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; 0 when it is not running."""
        return self._child.pid if self._child and self._child.poll() is None else 0

    def start(self, deadline: float = 30.0) -> None:
        """Prepare, start and wait until ready; raises NotReadyError after `deadline` seconds."""
        self.server.prepare()
        self._child = start(self.server.spec(), self.log)
        end = time.monotonic() + deadline
        while not self.server.is_ready():
            if self._child.poll() is not None:
                raise not_ready(self.server.name, f"ended with code {self._child.returncode}", self.log)
            if time.monotonic() > end:
                self.kill()
                raise not_ready(self.server.name, f"was not ready within {deadline:.0f} s", self.log)
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it in its own orderly way."""
        if self._child is not None:
            stop(self._child, self.server.spec())
            self._child = None

    def kill(self) -> None:
        """Kill it as a crash would (SIGKILL) and wait until it is gone."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None
