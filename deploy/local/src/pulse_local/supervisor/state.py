"""What the supervisor knows of its parts, as others may read it: `run/state.json`.

Written whole after every change, so that `pulse status` needs no connection to the supervisor, and the next `pulse up`
finds the processes a killed supervisor left behind.
"""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from pulse_local.private_files import write_private
from pulse_local.processes import ProcessMark


class PartState(StrEnum):
    """Where one part is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    NOT_READY = "not ready"
    """It was ready and lives, but says that it lacks something: only `pulse status` asks."""
    RESTARTING = "restarting"
    CRASH_LOOP = "crash loop"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Phase(StrEnum):
    """Where the whole stack is."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class Part(BaseModel):
    """One part: a server, a service, a device of the demo. Times in epoch seconds."""

    name: str
    state: PartState = PartState.WAITING
    pid: int | None = None
    started: float | None = None
    ready_since: float | None = None
    restarts: int = 0
    last_exit: int | None = None
    detail: str = ""
    url: str | None = None
    stop_signal: int = 15

    def mark(self) -> ProcessMark | None:
        """Return what recognises its process."""
        return ProcessMark(self.pid, self.started) if self.pid and self.started else None


class Failure(BaseModel):
    """Why the stack could not start."""

    code: str
    message: str
    hint: str
    exit_code: int


class StackState(BaseModel):
    """The whole stack."""

    supervisor_pid: int
    supervisor_started: float
    phase: Phase = Phase.STARTING
    step: str = ""
    failure: Failure | None = None
    notes: list[str] = Field(default_factory=list)
    parts: dict[str, Part] = Field(default_factory=dict)
    written: float = 0.0

    def write(self, path: Path) -> None:
        """Replace the file."""
        self.written = time.time()
        write_private(path, self.model_dump_json(indent=1))

    @classmethod
    def read(cls, path: Path) -> StackState | None:
        """Read the file; None when there is none that can be understood."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def supervisor(self) -> ProcessMark:
        """Return what recognises the supervisor's process."""
        return ProcessMark(self.supervisor_pid, self.supervisor_started)
