"""What `pulse` shows: progress of a start, the table of parts, addresses, errors. Everything else is for machines.

On a terminal a progress bar moves; elsewhere each step is one line, so that logs of a pipeline stay readable.
"""

from __future__ import annotations

import datetime as dt
import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from pulse_local.errors import StackError
from pulse_local.stack_file import StackFile
from pulse_local.supervisor.state import Part, PartState, Phase, StackState

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

_STYLES: Final = {
    PartState.READY: "green",
    PartState.STARTING: "yellow",
    PartState.NOT_READY: "red",
    PartState.WAITING: "dim",
    PartState.RESTARTING: "yellow",
    PartState.CRASH_LOOP: "bold red",
    PartState.STOPPING: "yellow",
    PartState.STOPPED: "dim",
}
_USUAL_STEPS: Final = 6  # Of the supervisor's start, beside the parts becoming ready.


def show_error(error: StackError) -> None:
    """Print what went wrong and what to do about it."""
    err.print(f"[bold red]error[/] [dim]{error.code}[/]  {escape(error.message)}", soft_wrap=True)
    if error.hint:
        err.print(f"  {escape(error.hint)}", soft_wrap=True)


class StartDisplay:
    """Shows a stack starting or stopping, fed with its states; a context manager."""

    def __init__(self, parts: int) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=err,
            transient=True,
        )
        self._total = parts + _USUAL_STEPS
        self._task: TaskID | None = None
        self._steps: set[str] = set()
        self._last = ""

    def __enter__(self) -> Self:
        if err.is_terminal:
            self._progress.start()
            self._task = self._progress.add_task("starting", total=self._total)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def finish(self) -> None:
        """Take the progress off the screen; harmless when it is not there."""
        self._progress.stop()
        self._task = None

    def update(self, state: StackState) -> None:
        """Show where the stack is now."""
        if state.step and state.step != self._last:
            self._last = state.step
            self._steps.add(state.step)
            if not err.is_terminal and state.phase is not Phase.READY:
                err.print(f"… {state.step}")
        if self._task is not None:
            ready = sum(part.state is PartState.READY for part in state.parts.values())
            waiting = ", ".join(part.name for part in state.parts.values() if part.state is PartState.STARTING)
            text = f"{state.step}: {waiting}" if waiting else state.step
            self._progress.update(self._task, completed=len(self._steps) + ready, description=text)


def show_stack(stack: StackFile, headline: str, *, with_password: bool) -> None:
    """Print the addresses of a running stack, and how to sign in."""
    password = stack.admin.password if with_password else "in stack.json and .pulse/secrets, readable by you only"
    lines = [
        f"[bold]dashboard and API[/]  {stack.gateway_url}",
        f"[bold]MQTT[/]               {stack.mqtt.host}:{stack.mqtt.port}, TLS {stack.mqtt.tls_port}",
        f"[bold]user[/]               {escape(stack.admin.username)}",
        f"[bold]password[/]           {escape(password)}",
    ]
    out.print(Panel("\n".join(lines), title=headline, expand=False))


def show_notes(state: StackState) -> None:
    """Print what the supervisor thought worth saying."""
    for note in state.notes:
        err.print(f"[yellow]note[/] {escape(note)}")


def parts_table(state: StackState) -> Table:
    """Return the table of `pulse status`."""
    table = Table(title=f"stack: {state.phase.value}", title_justify="left")
    for column in ("part", "state", "pid", "up for", "restarts", "address"):
        table.add_column(column, no_wrap=column in {"part", "state", "address"})
    table.add_column("detail", overflow="fold")
    for part in state.parts.values():
        style = _STYLES[part.state]
        table.add_row(
            part.name,
            f"[{style}]{part.state.value}[/]",
            str(part.pid or ""),
            _age(part),
            str(part.restarts or ""),
            part.url or "",
            escape(part.detail),
        )
    return table


def _age(part: Part) -> str:
    if part.ready_since is None:
        return ""
    return str(dt.timedelta(seconds=int(time.time() - part.ready_since)))
