"""How a process lives: guarded workers, one owner of signals and loop, an honest exit code.

Guaranteed: a worker that ends on its own takes the whole process down with exit code 1 (half a service that still
answers 200 is worse than none); SIGTERM or SIGINT lets every worker drain, HTTP last, and exits 0; a second signal or
the drain deadline aborts with 1, even when the event loop is blocked. Workers never install signal handlers.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from pulse_chassis.logging import configure_logging, get_logger, is_configured

_log = get_logger("run")

DEATH_GRACE_SECONDS: Final = 1.0
"""What the other workers get once one died: enough to finish a commit, too short to delay the restart."""
LAST_SECONDS: Final = 3.0
"""What HTTP gets at least to end its open requests, however long the others took to drain."""
CLOSE_SECONDS: Final = 5.0
ABORT_SECONDS: Final = 2.0
"""How long cancelled tasks may take to end before the process leaves without them."""

Compose = Callable[[], AbstractAsyncContextManager[Sequence["Worker"]]]


@dataclass(frozen=True, slots=True)
class Worker:
    """One guarded, named task of the process.

    `run` gets the stop event and returns once it has drained after the event was set. Returning earlier, or raising,
    means that the process dies. `stops_last` workers (HTTP) get their stop event when all others have drained.
    """

    name: str
    run: Callable[[asyncio.Event], Awaitable[None]]
    stops_last: bool = False


class WorkerDiedError(RuntimeError):
    """A worker raised (see `__cause__`), or returned although nobody had asked it to stop."""

    def __init__(self, worker: str) -> None:
        super().__init__(f"worker {worker!r} died")
        self.worker = worker


class DrainTimeoutError(RuntimeError):
    """Some workers had not drained by the deadline and were cancelled."""

    def __init__(self, workers: Sequence[str]) -> None:
        super().__init__(f"not drained in time: {', '.join(workers)}")
        self.workers = tuple(workers)


async def run_workers(
    workers: Sequence[Worker], *, stop: asyncio.Event | None = None, drain_seconds: float = 10.0
) -> None:
    """Run the workers until `stop` is set and all have drained.

    Raises WorkerDiedError as soon as one ends on its own (the others are stopped first), DrainTimeoutError when
    draining takes longer than `drain_seconds`. No task outlives the call unless it ignores its cancellation.
    """
    crew = _Crew(workers, stop or asyncio.Event())
    try:
        await crew.watch_until_stop()
        await crew.drain(drain_seconds)
    except WorkerDiedError as death:
        _log.error("worker_died", worker=death.worker, exc_info=death.__cause__)
        await crew.stop_all(DEATH_GRACE_SECONDS)
        raise
    finally:
        await crew.cancel_rest()


class _Crew:
    """The tasks of one `run_workers` call."""

    def __init__(self, workers: Sequence[Worker], stop: asyncio.Event) -> None:
        self._stop = stop
        self._stop_last = asyncio.Event()
        self._tasks = {
            asyncio.create_task(
                _run_one(worker, self._stop_last if worker.stops_last else stop), name=worker.name
            ): worker
            for worker in workers
        }

    async def watch_until_stop(self) -> None:
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            await asyncio.wait({stopping, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        for task, worker in self._tasks.items():
            if task.done() and (not self._stop.is_set() or worker.stops_last or _failure(task)):
                raise WorkerDiedError(worker.name) from _failure(task)

    async def drain(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        first = {task for task, worker in self._tasks.items() if not worker.stops_last}
        last = set(self._tasks) - first
        await self._wait_for_all(first, also_watch=last, deadline=deadline)
        self._stop_last.set()
        await self._wait_for_all(last, also_watch=set(), deadline=max(deadline, loop.time() + LAST_SECONDS))

    async def _wait_for_all(
        self, tasks: set[asyncio.Task[None]], *, also_watch: set[asyncio.Task[None]], deadline: float
    ) -> None:
        waiting = {task for task in tasks if not task.done()}
        loop = asyncio.get_running_loop()
        while waiting:
            seconds = max(0.0, deadline - loop.time())
            done, _ = await asyncio.wait(waiting | also_watch, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if task in also_watch or _failure(task):
                    raise WorkerDiedError(self._tasks[task].name) from _failure(task)
            if not done:
                raise DrainTimeoutError(sorted(self._tasks[task].name for task in waiting))
            waiting -= done

    async def stop_all(self, seconds: float) -> None:
        self._stop.set()
        self._stop_last.set()
        rest = [task for task in self._tasks if not task.done()]
        if rest:
            await asyncio.wait(rest, timeout=seconds)

    async def cancel_rest(self) -> None:
        rest = [task for task in self._tasks if not task.done()]
        for task in rest:
            task.cancel()
        if rest:
            _, stubborn = await asyncio.wait(rest, timeout=ABORT_SECONDS)
            for task in stubborn:
                _log.error("worker_ignores_cancellation", worker=task.get_name())


async def _run_one(worker: Worker, stop: asyncio.Event) -> None:
    await worker.run(stop)


def _failure(task: asyncio.Task[None]) -> BaseException | None:
    if not task.done():
        return None
    if task.cancelled():
        return asyncio.CancelledError("the worker was cancelled from inside")
    return task.exception()


def run_process(compose: Compose, *, service: str, drain_seconds: float = 10.0) -> NoReturn:
    """Enter `compose`, run its workers until a signal, exit 0; exit 1 if anything died or did not stop in time.

    Owns the event loop (uvloop where it is installed) and the signals SIGTERM and SIGINT. Logging is configured with
    defaults if the caller has not done so; `compose` may configure it again from its settings.
    """
    if not is_configured():
        configure_logging(service)
    supervisor = _Supervisor(compose, service, drain_seconds)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        code = runner.run(supervisor.main())
        supervisor.leave_within(ABORT_SECONDS, code)
    supervisor.disarm()
    sys.exit(code)


class _Supervisor:
    """The main task: composes, runs, reacts to signals."""

    def __init__(self, compose: Compose, service: str, drain_seconds: float) -> None:
        self._compose = compose
        self._service = service
        self._drain_seconds = drain_seconds
        self._stop = asyncio.Event()
        self._is_composed = False
        self._abort_timer: threading.Timer | None = None
        self._leave_at: float | None = None
        self._life: asyncio.Task[None] | None = None
        self._was_aborted = False

    async def main(self) -> int:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_log_unhandled)
        self._take_signals(loop)
        self._life = asyncio.create_task(self._live(), name="life")
        await asyncio.wait({self._life})
        return self._exit_code(self._life)

    def leave_within(self, seconds: float, code: int) -> None:
        """Leave by force after this time, from a thread: a blocked loop, or a task that swallows its cancellation
        while the loop is closed, could not do it."""
        leave_at = time.monotonic() + seconds
        if self._leave_at is not None and self._leave_at < leave_at:
            return
        self.disarm()
        self._leave_at = leave_at
        self._abort_timer = threading.Timer(seconds, _leave_by_force, (code,))
        self._abort_timer.daemon = True
        self._abort_timer.start()

    def disarm(self) -> None:
        """Everything ended by itself."""
        if self._abort_timer is not None:
            self._abort_timer.cancel()

    async def _live(self) -> None:
        async with self._compose() as workers:
            self._is_composed = True
            _log.info("process_started", workers=[worker.name for worker in workers])
            try:
                await run_workers(workers, stop=self._stop, drain_seconds=self._drain_seconds)
            except BaseException:
                self.leave_within(CLOSE_SECONDS, 1)  # closing what was composed must not hold up the restart
                raise

    def _exit_code(self, life: asyncio.Task[None]) -> int:
        if life.cancelled():
            if self._was_aborted:
                _log.error("process_aborted", reason="second signal")
                return 1
            _log.info("process_stopped", reason="signal before start")
            return 0
        error = life.exception()
        if error is None:
            _log.info("process_stopped")
            return 0
        if isinstance(error, DrainTimeoutError):
            _log.error("process_aborted", reason="drain deadline", workers=error.workers)
        elif isinstance(error, WorkerDiedError):
            _log.error("process_died", worker=error.worker)
        elif getattr(error, "is_readable", False):
            _log.error("process_failed", reason=str(error))
        else:
            _log.error("process_failed", reason=str(error), exc_info=error)
        return 1

    def _take_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                loop.add_signal_handler(number, self._on_signal, number)
            except NotImplementedError:  # Windows has no loop signals
                signal.signal(number, lambda got, _frame: loop.call_soon_threadsafe(self._on_signal, got))

    def _on_signal(self, number: int) -> None:
        name = signal.Signals(number).name
        if self._life is None:
            return
        if self._stop.is_set():
            _log.warning("second_signal", signal=name)
            self._was_aborted = True
            self.leave_within(ABORT_SECONDS, 1)
            self._life.cancel()
            return
        _log.info("stopping", signal=name)
        self._stop.set()
        self.leave_within(self._drain_seconds + LAST_SECONDS + CLOSE_SECONDS, 1)
        if not self._is_composed:
            self._life.cancel()


def _leave_by_force(code: int) -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write('{"event": "process_aborted", "level": "error", "reason": "did not stop in time"}\n')
        sys.stderr.flush()
    os._exit(code)


def _log_unhandled(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    _log.error("unhandled_in_event_loop", detail=context.get("message"), exc_info=context.get("exception"))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
