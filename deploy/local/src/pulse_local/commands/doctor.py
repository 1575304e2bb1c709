"""`pulse doctor`: what this machine has and lacks, without starting anything."""

from __future__ import annotations

import platform
import shutil

import typer
from rich.markup import escape
from rich.table import Table

from pulse_local.commands.display import out
from pulse_local.commands.stack_commands import Data
from pulse_local.data_directory import DEFAULT, DataDirectory
from pulse_local.errors import ExitCode, StackError
from pulse_local.services import SERVICES
from pulse_local.supervisor.preflight import checks


def doctor(data: Data = DEFAULT) -> None:
    """Check everything that a start needs. Exit code 0 when all is well, else that of the first thing missing."""
    directory = DataDirectory.at(data)
    table = Table()
    for column in ("part", "", "found", "what to do"):
        table.add_column(column)
    table.add_row("Python", "[green]ok[/]", platform.python_version(), "")
    worst = ExitCode.OK
    for check in checks(directory, SERVICES):
        try:
            table.add_row(check.name, "[green]ok[/]", escape(check.ask()), "")
        except StackError as error:
            table.add_row(check.name, "[bold red]missing[/]", escape(error.message), escape(error.hint))
            worst = worst or error.exit_code
    node = shutil.which("node")
    table.add_row(
        "Node",
        "[green]ok[/]" if node else "[yellow]absent[/]",
        node or "",
        "" if node else "Only building the dashboard needs it; the API runs without.",
    )
    out.print(table)
    if worst is not ExitCode.OK:
        raise typer.Exit(int(worst))
