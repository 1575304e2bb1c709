"""`pulse doctor`: what this machine has and lacks, without starting anything."""

from __future__ import annotations

import platform
import shutil
import sys

import typer
from rich.markup import escape

from pulse_local.commands.display import out
from pulse_local.commands.stack_commands import Data
from pulse_local.data_directory import DEFAULT, DataDirectory
from pulse_local.errors import ExitCode, StackError
from pulse_local.services import SERVICES
from pulse_local.supervisor.preflight import checks


def doctor(data: Data = DEFAULT) -> None:
    """Check everything that a start needs. Exit code 0 when all is well, else that of the first thing missing."""
    directory = DataDirectory.at(data)
    _line("Python", f"{platform.python_version()}, {sys.executable}")
    worst = ExitCode.OK
    for check in checks(directory, SERVICES):
        try:
            _line(check.name, check.ask())
        except StackError as error:
            _line(check.name, error.message, sign="[bold red]✗[/]", hint=error.hint)
            worst = worst or error.exit_code
    node = shutil.which("node")
    if node:
        _line("Node", node)
    else:
        _line("Node", "absent", sign="[yellow]-[/]", hint="Only building the dashboard needs it; the API runs without.")
    if worst is not ExitCode.OK:
        raise typer.Exit(int(worst))


def _line(name: str, found: str, *, sign: str = "[green]✓[/]", hint: str = "") -> None:
    out.print(f"{sign} [bold]{name:<20}[/] {escape(found)}", soft_wrap=True)
    if hint:
        out.print(f"  {'':<20} {escape(hint)}", soft_wrap=True)
