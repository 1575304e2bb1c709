"""The workers of a campaign, as their campaign sees them: processes that are given runs and tell outcomes.

Each has a session of its own, so that Ctrl-C in a terminal reaches the campaign alone, which then ends them in order; and
where root a set of namespaces, so that neither addresses nor rules nor mounts of two of them meet.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pulse_chaos import namespace
from pulse_chaos.outcome import Outcome, Planned, parse_outcome, planned_as_json

_LONGEST_LINE: Final = 2**26
"""An outcome has all samples of its run."""
_LAST_WORDS: Final = 1500
_END_SECONDS: Final = 480.0
"""A stack that is starting is heard out, 300 s at most, and then stopped, 90 s at most."""


@dataclass(slots=True)
class Worker:
    """One of them. `do` runs one after the other; `dismiss`, then `gone`."""

    process: asyncio.subprocess.Process
    log: Path

    @property
    def is_there(self) -> bool:
        """Tell whether it can be given a run."""
        return (
            self.process.returncode is None and self.process.stdin is not None and not self.process.stdin.is_closing()
        )

    async def do(self, planned: Planned, tell: Callable[[str], None]) -> Outcome:
        """Have it do a run; `tell` hears what goes on. A worker that died is an outcome too."""
        assert self.process.stdin is not None  # noqa: S101 - it was started so
        assert self.process.stdout is not None  # noqa: S101 - it was started so
        with suppress(ConnectionError):
            self.process.stdin.write(json.dumps(planned_as_json(planned)).encode() + b"\n")
            await self.process.stdin.drain()
        while line := await self.process.stdout.readline():
            told: dict[str, Any] = json.loads(line)
            if "outcome" in told:
                return parse_outcome(told["outcome"])
            tell(told["now"])
        said = self.log.read_text(encoding="utf-8", errors="replace")[-_LAST_WORDS:]
        return Outcome(planned, why_not=f"the worker died: {said}", is_error=True)

    def dismiss(self) -> None:
        """Let it end what it does, and stop its stack."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    def kill(self) -> None:
        """End it at once, where it has namespaces of its own: there everything that it started ends with it."""
        if namespace.why_not() is None:
            self._kill()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()

    async def gone(self) -> None:
        """Wait until it has ended; it is killed if it takes too long."""
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self._read_out()
        except TimeoutError:
            self._kill()
            await self.process.wait()

    async def _read_out(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 - it was started so
        while await self.process.stdout.read(_LONGEST_LINE):
            pass
        await self.process.wait()


async def hire(folder: Path, *, shrinks: bool) -> Worker:
    """Start a worker whose stacks are in this folder."""
    log = folder / "worker.log"
    command = [sys.executable, "-m", "pulse_chaos.worker", str(folder), *(["shrink"] if shrinks else [])]
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *namespace.inside(command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            limit=_LONGEST_LINE,
        )
    return Worker(process, log)
