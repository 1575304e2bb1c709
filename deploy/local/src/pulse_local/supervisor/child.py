"""One supervised child process: start, readiness, restart with backoff, stop.

A child that dies is started again for ever, ever more slowly; deaths in quick succession are reported as a crash loop.
Only before it was ready for the first time do a few deaths count as failure to start.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pulse_local.errors import StackError
from pulse_local.processes import ProcessMark, ProcessSpec, command_line, environment_of
from pulse_local.servers.server import not_ready
from pulse_local.supervisor.state import Part, PartState

FIRST_DELAY = 0.2
LONGEST_DELAY = 5.0
DEATHS_OF_A_CRASH_LOOP = 5
STABLE_AFTER = 30.0
"""Seconds of being ready after which earlier deaths are forgotten."""
DEATHS_BEFORE_FIRST_READY = 3
_READY_POLL = 0.05

_log = logging.getLogger(__name__)


def _nothing() -> None:
    """Most services prepare nothing."""
    return


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a child is. The three functions may block (they run in a thread); only `prepare` may raise StackError."""

    name: str
    spec: Callable[[], ProcessSpec]
    is_ready: Callable[[], bool]
    prepare: Callable[[], None] = _nothing
    url: str | None = None


class Child:
    """Runs one blueprint until it is told to stop. `changed` is called after every change of `part`."""

    def __init__(self, blueprint: Blueprint, log: Path, changed: Callable[[], None]) -> None:
        self.blueprint = blueprint
        self.log = log
        self.part = Part(name=blueprint.name, url=blueprint.url)
        self.first_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changed = changed
        self._stop = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._spec: ProcessSpec | None = None
        self._recent_deaths = 0
        self._task = asyncio.create_task(self._run(), name=f"child-{blueprint.name}")
        self._task.add_done_callback(self._ended)
        self.last_pid = 0

    async def until_ready(self, seconds: float) -> None:
        """Wait until it was ready once; raises NotReadyError when it keeps dying or `seconds` have passed."""
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(self.first_ready)
        except TimeoutError:
            name = self.blueprint.name
            raise await asyncio.to_thread(not_ready, name, f"was not ready within {seconds:.0f} s", self.log) from None

    async def stop(self) -> None:
        """Stop it in its own way, kill it when its time is over; returns when it is gone."""
        self._stop.set()
        self._set(PartState.STOPPING)
        if self._process is not None and self._spec is not None:
            self._signal(int(self._spec.stop_signal))
            try:
                async with asyncio.timeout(self._spec.stop_seconds):
                    await self._process.wait()
            except TimeoutError:
                _log.warning("child_killed name=%s after=%.0fs", self.blueprint.name, self._spec.stop_seconds)
                self.kill()
        await asyncio.gather(self._task, return_exceptions=True)
        self.part.pid = self.part.started = None
        self._set(PartState.STOPPED)

    def raise_if_broken(self) -> None:
        """Raise what ended the supervision itself, which is a bug: a part without supervision is not left running."""
        if self._task.done() and not self._task.cancelled():
            error = self._task.exception()
            if error is not None:
                raise error

    def kill(self) -> None:
        """Kill the process at once."""
        self._signal(9)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _set(self, state: PartState) -> None:
        self.part.state = state
        self._changed()

    async def _run(self) -> None:
        while not self._stop.is_set():
            try:
                await asyncio.to_thread(self.blueprint.prepare)
                code = await self._live_once()
            except StackError as error:
                self._fail_first(error)
                self.part.detail = error.message
            except OSError as error:
                self.part.detail = f"could not be started: {error}"
            else:
                self.part.detail = f"ended with code {code}"
                self.part.last_exit = code
            if not self._stop.is_set():
                await self._after_death()

    async def _live_once(self) -> int:
        spec = self.blueprint.spec()
        with self.log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command_line(spec),
                cwd=spec.directory,
                env=environment_of(spec),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        mark = ProcessMark.of(process.pid)
        self._process, self._spec = process, spec
        self.part.pid, self.part.started = process.pid, mark.started if mark else time.time()
        self.part.stop_signal = int(spec.stop_signal)
        self.last_pid = process.pid
        if self._stop.is_set():  # It was told to stop while it was being started.
            self._signal(int(spec.stop_signal))
        else:
            self._set(PartState.STARTING)
        watching = asyncio.create_task(self._watch_readiness())
        try:
            return await process.wait()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            self.part.pid = self.part.started = self.part.ready_since = None

    async def _watch_readiness(self) -> None:
        while not await asyncio.to_thread(self.blueprint.is_ready):
            await asyncio.sleep(_READY_POLL)
        if self._stop.is_set():
            return
        self.part.ready_since = time.time()
        self.part.detail = ""
        self._set(PartState.READY)
        _log.info("child_ready name=%s pid=%s", self.blueprint.name, self.part.pid)
        if not self.first_ready.done():
            self.first_ready.set_result(None)
        await asyncio.sleep(STABLE_AFTER)
        self._recent_deaths = 0

    async def _after_death(self) -> None:
        self._recent_deaths += 1
        self.part.restarts += 1
        _log.warning(
            "child_died name=%s detail=%s deaths=%d", self.blueprint.name, self.part.detail, self._recent_deaths
        )
        if self._recent_deaths >= DEATHS_BEFORE_FIRST_READY and not self.first_ready.done():
            error = await asyncio.to_thread(not_ready, self.blueprint.name, self.part.detail, self.log)
            self._fail_first(error)
        crashing = self._recent_deaths >= DEATHS_OF_A_CRASH_LOOP
        self._set(PartState.CRASH_LOOP if crashing else PartState.RESTARTING)
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (self._recent_deaths - 1))
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._stop.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail_first(error)

    def _fail_first(self, error: BaseException) -> None:
        if not self.first_ready.done():
            self.first_ready.set_exception(error)
            self.first_ready.exception()  # Somebody may have stopped waiting; that is no second error.


async def run_once(spec: ProcessSpec, log: Path, seconds: float) -> None:
    """Run a process to its end; raises NotReadyError when it fails or takes longer than `seconds`."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command_line(spec),
            cwd=spec.directory,
            env=environment_of(spec),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    why = f"took longer than {seconds:.0f} s"
    try:
        async with asyncio.timeout(seconds):
            code = await process.wait()
        why = f"failed with code {code}"
    except TimeoutError:
        code = -1
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        raise await asyncio.to_thread(not_ready, spec.name, why, log)
