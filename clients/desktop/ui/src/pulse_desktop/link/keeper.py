"""The agent's process: started when nobody answers on its socket, and again when it died, ever more slowly.

Guarantees: the agent outlives the window (a session of its own, no pipe to us); at most one process of ours runs; the
waits between starts double up to a minute, and are short again after it ran for one. Never does: end an agent.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pulse_contracts.local_address import MAX_OUTPUT_BYTES, OUTPUT_FILE, OUTPUT_FILE_BEFORE

FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 60.0
STEADY_SECONDS: Final = 60.0
"""An agent that ran so long was well: its next start does not wait."""
_TAIL_BYTES: Final = 2048
_FRAME: Final = " \t│╭╮╰╯─"
DETACHED: Final = 0x00000008 | 0x00000200
"""DETACHED_PROCESS and CREATE_NEW_PROCESS_GROUP, which only Windows' `subprocess` names."""

Monotonic = Callable[[], float]


class AgentKeeper:
    """Keeps one agent of `data` running. `command` without the folder; empty: agents are somebody else's to start."""

    def __init__(self, command: Sequence[str], data: Path, monotonic: Monotonic) -> None:
        self._command = list(command)
        self._data = data
        self._monotonic = monotonic
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._wait = 0.0
        self._may_start_at = 0.0
        self.exit_code: int | None = None
        self.starts = 0

    @property
    def is_running(self) -> bool:
        """Whether a process that we started runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def seconds_to_start(self) -> float | None:
        """How long until it may be started; None when we start none."""
        return max(0.0, self._may_start_at - self._monotonic()) if self._command else None

    def look(self) -> bool:
        """Note whether our process ended since; True when it did."""
        if self._process is None or self._process.poll() is None:
            return False
        self.exit_code = self._process.returncode
        self._process = None
        ran = self._monotonic() - self._started_at
        is_steady = ran >= STEADY_SECONDS
        self._wait = 0.0 if is_steady else min(LONGEST_WAIT_SECONDS, self._wait * 2 or FIRST_WAIT_SECONDS)
        self._may_start_at = self._monotonic() + self._wait
        return True

    def start_if_due(self) -> bool:
        """Start the agent unless one of ours runs or it is too early. Raises OSError when it cannot be started."""
        self.look()
        if not self._command or self.is_running or self._monotonic() < self._may_start_at:
            return False
        self._started_at = self._monotonic()
        try:
            self._process = self._popen()
        except OSError:
            self._wait = min(LONGEST_WAIT_SECONDS, self._wait * 2 or FIRST_WAIT_SECONDS)
            self._may_start_at = self._monotonic() + self._wait
            raise
        self.starts += 1
        return True

    def last_words(self) -> str:
        """Return the last line with words that our agent wrote, without the frame that a terminal would show."""
        try:
            with (self._data / OUTPUT_FILE).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        words = (line.strip(_FRAME) for line in reversed(lines))
        return next((line for line in words if any(character.isalnum() for character in line)), "")

    def _popen(self) -> subprocess.Popen[bytes]:
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._data / OUTPUT_FILE
        if path.exists() and path.stat().st_size > MAX_OUTPUT_BYTES:
            path.replace(self._data / OUTPUT_FILE_BEFORE)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        is_windows = os.name == "nt"
        try:
            return subprocess.Popen(  # noqa: S603 # the program that this window belongs to
                [*self._command, "--data", str(self._data)],
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                start_new_session=not is_windows,
                creationflags=DETACHED if is_windows else 0,
            )
        finally:
            os.close(descriptor)
