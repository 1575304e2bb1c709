"""Known errors of the command line, as an exit code each. Imports nothing that only a terminal needs."""

from __future__ import annotations

import sqlite3
from typing import Final

from pydantic import ValidationError

from pulse_agent.configuration.device import NoSyncKeysError, NotEnrolledError
from pulse_agent.configuration.key_store import KeyMissingError
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
EXIT_CODES: Final[dict[type[Exception], int]] = {
    NotEnrolledError: NOT_ENROLLED,
    NoSyncKeysError: NOT_ENROLLED,
    KeyMissingError: NOT_ENROLLED,
    OutboxInUseError: IN_USE,
    UnknownSourceError: USAGE,
    OutboxUnreadableError: FAILED,
    NewerDatabaseError: FAILED,
    LoginRefusedError: LOGIN_REFUSED,
    EditRefusedError: EDIT_REFUSED,
    OSError: FAILED,
    sqlite3.Error: FAILED,
}


def exit_code(error: Exception) -> int:
    """Return the exit code of an error that `EXIT_CODES` knows, or of one of its kinds."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


def option_problem(error: ValidationError) -> str:
    """Say which option is wrong, and why."""
    first = error.errors()[0]
    return f"option {'.'.join(map(str, first['loc']))}: {first['msg']}"
