"""A person's terminal on a fresh machine: a real one (a pseudo-terminal), so that Ctrl-C is what it is at a keyboard."""

from __future__ import annotations

import codecs
import os
import pty
import re
import select
import subprocess
import time
from types import TracebackType

from docs.tests.fresh.machine import FreshMachine

CONTROLS = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[=>78()][0-9AB]?)|\r")
CTRL_C = b"\x03"
STEP_SECONDS = 1_800.0
SHOWN_CHARACTERS = 6_000


class StepFailedError(Exception):
    """A step did not do what the page says; the message has what was shown."""


class Terminal:
    """One shell, that ends at the first error, in one window."""

    def __init__(self, machine: FreshMachine, directory: str) -> None:
        self._machine = machine
        self._directory = directory
        self._shown = ""
        self._steps = 0
        self._text = codecs.getincrementaldecoder("utf-8")("replace")

    def __enter__(self) -> Terminal:
        self._ours, theirs = pty.openpty()
        # A session inside the machine: Ctrl-C is for what runs in it, not for what leads there.
        steps = 'while read -r step; do . "$step"; done'
        shell = ["setsid", "--ctty", "bash", "--norc", "--noprofile", "-euo", "pipefail", "-c", steps]
        command = self._machine.command(shell, cwd=self._directory, env={"TERM": "xterm"})
        self._process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def run(self, text: str, seconds: float = STEP_SECONDS) -> str:
        """Type commands and wait until they are done; return what they showed. Raises StepFailedError when one fails."""
        mark = f"step {self._steps} is done"
        # In two pieces, so that the sign of being done is not read off the typing itself.
        self.start(f"{text}\necho 'step {self._steps} is 'done")
        return self.until(mark, seconds).removesuffix(mark)

    def start(self, text: str) -> None:
        """Type commands, and do not wait."""
        self._steps += 1
        path = f"{self._machine.home}/.step-{self._steps}"
        self._machine.inside(path).write_text(f"{text}\n", encoding="utf-8")
        self._machine.inside(path).chmod(0o644)
        self._shown = ""
        os.write(self._ours, f"{path}\n".encode())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.write(self._ours, CTRL_C)

    def until(self, text: str, seconds: float) -> str:
        """Read until this text is shown; return what came up to it."""
        return self.until_match(re.escape(text), seconds)

    def until_match(self, pattern: str, seconds: float) -> str:
        """Read until something is shown; return what came up to it."""
        deadline = time.monotonic() + seconds
        while (found := re.search(pattern, self._shown)) is None:
            if not self._read(deadline):
                raise StepFailedError(f"no {pattern!r} was shown:\n{self._shown[-SHOWN_CHARACTERS:]}")
        before, self._shown = self._shown[: found.end()], self._shown[found.end() :]
        return before

    def _read(self, deadline: float) -> bool:
        """Read what is shown next; False when there is nothing to come, or not in time."""
        ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            piece = os.read(self._ours, 65_536)
        except OSError:  # Linux's way to say that the last program in the window has gone.
            return False
        plain = CONTROLS.sub("", self._text.decode(piece))
        self._shown += plain
        if self._machine.log is not None:
            self._machine.log.write(plain)
            self._machine.log.flush()
        return bool(piece)
