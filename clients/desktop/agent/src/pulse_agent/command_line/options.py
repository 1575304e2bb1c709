"""What all commands share: the folder's option, the options from it, known errors as a sentence and an exit code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer
from pydantic import ValidationError

from pulse_agent.command_line.failures import EXIT_CODES, USAGE, exit_code, option_problem
from pulse_agent.configuration.options import AgentOptions

T = TypeVar("T")

Data = Annotated[Path | None, typer.Option("--data", help="The agent's folder (PULSE_AGENT_DATA).")]


def options_of(data: Path | None, **given: str | float | bool | frozenset[str] | None) -> AgentOptions:
    """Return the options, what is given here over the environment; a wrong one ends the command."""
    values: dict[str, object] = {key: value for key, value in {"data": data, **given}.items() if value is not None}
    try:
        return AgentOptions.read(**values)
    except ValidationError as error:
        fail(option_problem(error), USAGE)


def guarded(work: Callable[[], T]) -> T:
    """Return what `work` returns; a known error ends the command."""
    try:
        return work()
    except tuple(EXIT_CODES) as error:
        fail(str(error), exit_code(error))


def fail(message: str, code: int) -> NoReturn:
    """End the command with a sentence."""
    typer.echo(f"pulse-agent: {message}", err=True)
    raise typer.Exit(code)
