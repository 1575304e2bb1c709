"""What all commands share: the folder's option, the options from it, known errors as a sentence and an exit code."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, NoReturn, TypeVar

import typer
from pydantic import ValidationError

from pulse_agent.configuration.device import NoSyncKeysError, NotEnrolledError
from pulse_agent.configuration.key_store import KeyMissingError
from pulse_agent.configuration.options import AgentOptions
from pulse_agent.local_access.session import LoginRefusedError
from pulse_agent.migrations import NewerDatabaseError
from pulse_agent.outbox.inspection import OutboxUnreadableError
from pulse_agent.outbox.lock import OutboxInUseError
from pulse_agent.replica.refusals import EditRefusedError
from pulse_agent.sources.source import UnknownSourceError

FAILED: Final = 1
USAGE: Final = 2
NOT_ENROLLED: Final = 3
IN_USE: Final = 4
LOGIN_REFUSED: Final = 5
EDIT_REFUSED: Final = 6
_EXIT_CODES: Final[dict[type[Exception], int]] = {
    NotEnrolledError: NOT_ENROLLED,
    NoSyncKeysError: NOT_ENROLLED,
    KeyMissingError: NOT_ENROLLED,
    OutboxInUseError: IN_USE,
    UnknownSourceError: USAGE,
    OutboxUnreadableError: FAILED,
    NewerDatabaseError: FAILED,
    LoginRefusedError: LOGIN_REFUSED,
    EditRefusedError: EDIT_REFUSED,
}

T = TypeVar("T")

Data = Annotated[Path | None, typer.Option("--data", help="The agent's folder (PULSE_AGENT_DATA).")]


def options_of(data: Path | None, **given: str | float | frozenset[str] | None) -> AgentOptions:
    """Return the options, what is given here over the environment; a wrong one ends the command."""
    values: dict[str, object] = {key: value for key, value in {"data": data, **given}.items() if value is not None}
    try:
        return AgentOptions.read(**values)
    except ValidationError as error:
        first = error.errors()[0]
        fail(f"option {'.'.join(map(str, first['loc']))}: {first['msg']}", USAGE)


def guarded(work: Callable[[], T]) -> T:
    """Return what `work` returns; a known error ends the command."""
    try:
        return work()
    except tuple(_EXIT_CODES) as error:
        fail(str(error), _EXIT_CODES[type(error)])
    except (OSError, sqlite3.Error) as error:
        fail(str(error), FAILED)


def fail(message: str, code: int) -> NoReturn:
    """End the command with a sentence."""
    typer.echo(f"pulse-agent: {message}", err=True)
    raise typer.Exit(code)
