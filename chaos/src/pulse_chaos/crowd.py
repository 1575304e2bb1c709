"""The crowd: simulated agents and plain devices in a process of their own (`pulse simulate`), which can be killed and stopped.

What it writes is the oracle: every reading before it was handed over, and after it was durably accepted.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pulse_simulator.embedded_stack import EmbeddedStack
from pulse_simulator.oracle import OracleRecord

AGENTS: Final = 4
DEVICES: Final = 2
RATE_HZ: Final = 5
_KILLED_AFTER: Final = 15.0
_POLL: Final = 0.1


@dataclass(slots=True)
class Crowd:
    """One run's devices. `port` is where their broker seems to be: the proxy's."""

    stack: EmbeddedStack
    folder: Path
    prefix: str
    port: int
    drain_seconds: float
    environment: dict[str, str] = field(default_factory=dict)
    oracle: Path = field(init=False)
    process: subprocess.Popen[bytes] | None = None
    agents: int = AGENTS
    devices: int = DEVICES
    rate_hz: float = RATE_HZ
    is_witnessed: bool = True
    """Whether there is an oracle: without, what it measured is only counted."""
    _is_registered: bool = False
    _counted: int = field(default=0, init=False)
    _counted_bytes: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # Beside the folder, so that a disk that is full or was set back takes nothing of what was witnessed.
        self.oracle = self.folder.parent / f"{self.folder.name}.oracle"
        self.oracle.touch()

    @property
    def agent_ids(self) -> list[str]:
        """Names of the agents."""
        return [f"{self.prefix}-agent-{number:04d}" for number in range(1, self.agents + 1)]

    def start(self) -> None:
        """Run it, until it is told to finish."""
        command = [
            *(sys.executable, "-m", "pulse_local", "simulate", "--stack", str(self.stack.data / "stack.json")),
            *("--data", str(self.folder / "data"), "--json", "--prefix", self.prefix),
            *(("--oracle", str(self.oracle)) if self.is_witnessed else ()),
            *("--agents", str(self.agents), "--devices", str(self.devices), "--rate", f"{self.rate_hz:g}"),
            *("--duration", "2h"),
            *("--drain-timeout", f"{self.drain_seconds}s", "--mqtt", f"127.0.0.1:{self.port}"),
            "--reuse" if self._is_registered else "--register",
        ]
        self._is_registered = True
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                command,
                stdout=log,
                stderr=log,
                env=os.environ | {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1"} | self.environment,
            )

    def kill(self) -> None:
        """Kill it as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it lives."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def end_generation(self) -> None:
        """Let it measure no more, and deliver what is left."""
        self.signal(signal.SIGTERM)

    async def until_drained(self) -> bool:
        """Wait until it ended by itself; say whether nothing was left."""
        if self.process is None:
            return False
        # Polled, not waited for in a thread: a thread would keep this program from ending when it is told to.
        deadline = time.monotonic() + self.drain_seconds + _KILLED_AFTER
        while (code := self.process.poll()) is None:
            if time.monotonic() > deadline:
                self.kill()
                return False
            await asyncio.sleep(_POLL)
        return code == 0

    def copy_outboxes(self, to: Path) -> None:
        """Copy what is on the agents' disk; only while it does not run."""
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.folder / "data", to)

    def restore_outboxes(self, copy: Path) -> None:
        """Set the agents' disk back to a copy; only while it does not run."""
        shutil.rmtree(self.folder / "data")
        shutil.copytree(copy, self.folder / "data")

    def outboxes(self) -> list[Path]:
        """Return the agents' databases."""
        return [self.folder / "data" / agent / "outbox.db" for agent in self.agent_ids]

    def accepted(self) -> int:
        """Return how many readings of agents were accepted so far."""
        mark = f"\nC {self.prefix}-agent-".encode()
        with self.oracle.open("rb") as lines:
            lines.seek(self._counted_bytes)
            new = lines.read()
        # Up to the last whole line: what follows is counted with the next look, from its line's beginning.
        whole = new[: new.rfind(b"\n") + 1]
        self._counted += (b"\n" + whole).count(mark)
        self._counted_bytes += len(whole)
        return self._counted

    def log(self) -> str:
        """Return what it printed."""
        return (self.folder.parent / f"{self.folder.name}.log").read_text(encoding="utf-8", errors="replace")

    def record(self) -> OracleRecord:
        """Return what the oracle says."""
        return OracleRecord.read([self.oracle])
