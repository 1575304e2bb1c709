"""`pulse up`, `down`, `status` and `logs`."""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NoReturn

import psutil
import typer

from pulse_local.commands.display import StartDisplay, err, out, parts_table, show_notes, show_stack
from pulse_local.data_directory import DEFAULT, DataDirectory
from pulse_local.errors import ExitCode, NotReadyError, NotRunningError, StackError
from pulse_local.processes import tail
from pulse_local.readiness import unreadiness
from pulse_local.services import SERVICES, Profile
from pulse_local.stack_file import StackFile
from pulse_local.stack_ports import WantedPorts
from pulse_local.supervisor.leftovers import end_what_was_left
from pulse_local.supervisor.signals import run_until_signal
from pulse_local.supervisor.state import PartState, Phase, StackState
from pulse_local.supervisor.supervisor import StackOptions, Supervisor

Data = Annotated[Path, typer.Option("--data", envvar="PULSE_DATA", help="Where everything of this stack is kept.")]
Port = Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Of the dashboard and the API.")]
MqttPort = Annotated[int | None, typer.Option("--mqtt-port", min=1, max=65535, help="Of the broker, without TLS.")]
ProfileOption = Annotated[Profile, typer.Option(help="`dev` logs for people and admits the dashboard's dev server.")]

PARTS = 3 + len(SERVICES)
_LONGEST_START = 300.0
_LONGEST_STOP = 90.0
_POLL = 0.1


def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when everything is ready.")] = False,
    data: Data = DEFAULT,
    port: Port = None,
    mqtt_port: MqttPort = None,
    profile: ProfileOption = Profile.SECURE,
) -> None:
    """Start the stack: PostgreSQL, Valkey, Mosquitto and every service, and keep it running."""
    directory = DataDirectory.at(data)
    if already_runs(directory):
        show_stack(StackFile.read(directory.stack_file), "the stack already runs", with_password=False)
        return
    options = StackOptions(data, WantedPorts(gateway=port, mqtt=mqtt_port), profile)
    if detach:
        _up_detached(directory, options)
        show_ready(directory, "the stack is ready; `pulse down` stops it")
        return
    run_in_foreground(options)


def run_in_foreground(options: StackOptions) -> None:
    """Run a stack in this process until a signal, with its progress shown."""
    directory = DataDirectory.at(options.data)
    log_to_file(directory)
    with StartDisplay(PARTS) as display:
        supervisor = Supervisor(options, display.update)

        async def when_ready(_stop: asyncio.Event) -> None:
            show_ready(directory, "the stack is ready; Ctrl-C stops it")

        asyncio.run(run_until_signal(supervisor, when_ready))
    err.print("stopped")


def log_to_file(directory: DataDirectory) -> None:
    """Send the supervisor's own log to its file; the terminal is for people."""
    directory.open()
    handler = logging.FileHandler(directory.log("supervisor"))
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def already_runs(directory: DataDirectory) -> bool:
    """Say whether a ready stack holds the directory; one that is starting or stopping is waited for."""
    deadline = time.monotonic() + _LONGEST_START
    while directory.is_locked():
        state = StackState.read(directory.state_file)
        if state is not None and state.phase is Phase.READY and directory.stack_file.exists():
            return True
        if time.monotonic() > deadline:
            raise NotReadyError(
                "stack_busy", f"The stack on {directory.root} neither starts nor stops.", "See its logs."
            )
        time.sleep(_POLL)
    return False


def _up_detached(directory: DataDirectory, options: StackOptions) -> None:
    directory.open()
    log = directory.log("supervisor")
    command = [sys.executable, "-m", "pulse_local.supervisor", "--data", str(directory.root)]
    for name, value in (("--port", options.ports.gateway), ("--mqtt-port", options.ports.mqtt)):
        command += [name, str(value)] if value is not None else []
    command += ["--profile", options.profile.value]
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    with StartDisplay(PARTS) as display:
        deadline = time.monotonic() + _LONGEST_START
        while time.monotonic() < deadline:
            ended = child.poll() is not None
            state = StackState.read(directory.state_file)
            if state is not None and state.supervisor_pid == child.pid:
                display.update(state)
                if state.phase is Phase.READY and directory.stack_file.exists():
                    return
            if ended:
                _raise_failure(state if state and state.supervisor_pid == child.pid else None, child.returncode, log)
            time.sleep(_POLL)
    child.terminate()
    raise NotReadyError("stack_slow", f"The stack was not ready within {_LONGEST_START:.0f} s.", f"See {log}.")


def _raise_failure(state: StackState | None, code: int, log: Path) -> NoReturn:
    if state is not None and state.failure is not None:
        error = StackError(state.failure.code, state.failure.message, state.failure.hint)
        error.exit_code = ExitCode(state.failure.exit_code)
        raise error
    raise NotReadyError("supervisor_died", f"The supervisor ended with code {code}:\n{tail(log)}", f"See {log}.")


def show_ready(directory: DataDirectory, headline: str, *, always_password: bool = False) -> None:
    """Print addresses and notes; the password at the first start only, unless asked for."""
    state = StackState.read(directory.state_file)
    if state is not None:
        show_notes(state)
    shown = directory.secrets / "password-shown"
    show_stack(StackFile.read(directory.stack_file), headline, with_password=always_password or not shown.exists())
    shown.touch()


def down(data: Data = DEFAULT) -> None:
    """Stop the stack in order; harmless when none runs."""
    directory = DataDirectory.at(data)
    state = StackState.read(directory.state_file)
    if state is None or not directory.is_locked():
        found = end_what_was_left(directory) if state is not None else []
        err.print(f"no stack runs on {directory.root}" + (f"; ended {', '.join(found)}" if found else ""))
        return
    supervisor = state.supervisor().process()
    if supervisor is not None:
        supervisor.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + _LONGEST_STOP
    with err.status("stopping: services drain first, then the servers"):
        while directory.is_locked():
            if time.monotonic() > deadline:
                raise NotReadyError(
                    "stop_slow", f"The stack did not stop within {_LONGEST_STOP:.0f} s.", "See its logs."
                )
            time.sleep(_POLL)
        if supervisor is not None:
            with suppress(psutil.TimeoutExpired):
                supervisor.wait(5)
    err.print("stopped")


def status(
    data: Data = DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show every part: state, process, restarts. Exit code 0 all ready, 3 not running, 4 something is not ready."""
    directory = DataDirectory.at(data)
    state = StackState.read(directory.state_file)
    if state is None or not directory.is_locked():
        raise NotRunningError("not_running", f"No stack runs on {directory.root}.", "Start one with `pulse up`.")
    for part in state.parts.values():
        if part.url and part.state is PartState.READY and (why := unreadiness(part.url)):
            part.state, part.detail = PartState.NOT_READY, why
    if as_json:
        out.print_json(state.model_dump_json())
    else:
        out.print(parts_table(state))
        show_notes(state)
    healthy = state.phase is Phase.READY and all(part.state is PartState.READY for part in state.parts.values())
    if not healthy:
        raise typer.Exit(int(ExitCode.DEGRADED))


def logs(
    part: Annotated[str, typer.Argument(help="A part's name, as in `pulse status`, or supervisor.")],
    data: Data = DEFAULT,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1)] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on showing what is added.")] = False,
) -> None:
    """Show the end of a part's log."""
    directory = DataDirectory.at(data)
    log = directory.log(part)
    known = sorted(path.stem for path in directory.logs.glob("*.log"))
    if part not in known:
        raise StackError(
            "unknown_log", f"There is no log of {part!r}.", f"There are: {', '.join(known) or 'none yet'}."
        )
    typer.echo(tail(log, lines))
    if follow:
        _follow(log)


def _follow(log: Path) -> None:
    position = log.stat().st_size
    try:
        while True:
            size = log.stat().st_size
            if size < position:  # Rotated.
                position = 0
            if size > position:
                with log.open("rb") as stream:
                    stream.seek(position)
                    sys.stdout.buffer.write(stream.read(size - position))
                    sys.stdout.buffer.flush()
                position = size
            time.sleep(0.2)
    except KeyboardInterrupt:
        return
