"""Child processes: what to run, how to start it, how to recognise it later, how to end it.

A process is recognised by its id *and* its start time, so that a reused id is never mistaken for ours and never killed.
Children get a session of their own (Ctrl-C reaches only the supervisor, which stops them in order) and die with
their parent where the kernel can arrange that. The kernel means the *thread* that started them, so one thread that
lives as long as the process starts them all.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from pulse_local import launch
from pulse_local.system_user import SystemUser

_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="start-children")
_START_TIME_SLACK = 2.0  # Seconds: the system derives start times from the boot time, which clock corrections move.


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What to run. `argv[0]` is an absolute path; the environment is added to our own."""

    name: str
    argv: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    run_as: SystemUser | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """A process that can be recognised again: its id and the time it was started (epoch seconds)."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> ProcessMark | None:
        """Mark a running process; None when it has gone."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    def process(self) -> psutil.Process | None:
        """Return the process if it still is the one that was marked and not merely unreaped."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) <= _START_TIME_SLACK
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    def is_alive(self) -> bool:
        """Say whether the marked process still runs."""
        return self.process() is not None


def command_line(spec: ProcessSpec) -> list[str]:
    """Return the full command: the launcher, then the program."""
    uid, gid = (spec.run_as.uid, spec.run_as.gid) if spec.run_as else (-1, -1)
    numbers = (os.getpid(), int(spec.stop_signal), uid, gid)
    return [sys.executable, "-I", "-S", launch.__file__, *map(str, numbers), *spec.argv]


def environment_of(spec: ProcessSpec) -> dict[str, str]:
    """Return the child's environment: ours without libpq's variables, which would redirect PostgreSQL's tools."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**own, **spec.environment}


def start(spec: ProcessSpec, log: Path) -> subprocess.Popen[bytes]:
    """Start a child whose output is appended to `log`; returns at once. May be called from any thread."""
    return _STARTER.submit(_start, spec, log).result()


def _start(spec: ProcessSpec, log: Path) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - the command comes from our own specs
            command_line(spec),
            cwd=spec.directory,
            env=environment_of(spec),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(child: subprocess.Popen[bytes], spec: ProcessSpec) -> int:
    """Ask a child to end, kill it when it does not within its time; returns its exit code."""
    if child.poll() is None:
        child.send_signal(spec.stop_signal)
    try:
        return child.wait(spec.stop_seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def end_leftovers(found: Sequence[tuple[ProcessMark, signal.Signals]], seconds: float) -> None:
    """End processes that an earlier supervisor left behind: each by its own signal, by SIGKILL after `seconds`."""
    for mark, how in found:
        _send(mark, how)
    if not _all_gone(found, seconds):
        for mark, _ in found:
            _send(mark, signal.SIGKILL)
        _all_gone(found, 5.0)


def _send(mark: ProcessMark, number: signal.Signals) -> None:
    process = mark.process()
    if process is not None:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _all_gone(found: Sequence[tuple[ProcessMark, signal.Signals]], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(mark.is_alive() for mark, _ in found):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log, for an error message; empty when there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 16_384))
            text = stream.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
