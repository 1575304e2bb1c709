"""The command group of `pulse`: commands of other packages are imported when they are used, and errors end politely.

A typed StackError becomes its message, its remedy and its exit code; any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any, Final

import typer
from typer.core import TyperGroup

from pulse_local.commands.display import show_error
from pulse_local.errors import StackError

MOUNTED: Final = {
    "watch": "pulse_local.watch.command",
    "simulate": "pulse_simulator.command",
    "bench": "pulse_bench.command",
    "chaos": "pulse_chaos.command",
    "soak": "pulse_chaos.soak",
}
"""Command name → the module that has it as `app` (a Typer application) or `command` (a function)."""


class LazyGroup(TyperGroup):
    """Typer's group with the mounted commands."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return our own commands and those of packages that are installed."""
        return [*super().list_commands(ctx), *(name for name, module in MOUNTED.items() if _exists(module))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, importing its package if it is a mounted one."""
        if cmd_name in MOUNTED and _exists(MOUNTED[cmd_name]):
            return _load(cmd_name)
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a StackError is shown and ends with its code."""
        try:
            return super().invoke(ctx)
        except StackError as error:
            show_error(error)
            raise typer.Exit(int(error.exit_code)) from error


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _load(name: str) -> Any:
    module = importlib.import_module(MOUNTED[name])
    application = getattr(module, "app", None)
    if application is None:
        application = typer.Typer(add_completion=False)
        application.command(name=name)(module.command)
    command: Any = typer.main.get_command(application)
    command.name = name
    return command
