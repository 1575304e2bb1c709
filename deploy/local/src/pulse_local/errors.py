"""What can be missing or taken on a machine, as typed errors with a remedy.

Each error names what is wrong, what to do about it, and the exit code the CLI ends with. Nothing here prints.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What `pulse` tells the shell. 2 is left to the option parser."""

    OK = 0
    FAILED = 1
    NOT_RUNNING = 3
    DEGRADED = 4
    MISSING = 10
    TAKEN = 11
    UNUSABLE_DATA = 12
    NOT_PERMITTED = 13
    NOT_READY = 14


class StackError(Exception):
    """The stack cannot do what was asked; `code` is stable, `hint` says what a person can do about it."""

    exit_code = ExitCode.FAILED

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class MissingPartError(StackError):
    """A program or package that the stack needs is not installed."""

    exit_code = ExitCode.MISSING


class PortTakenError(StackError):
    """A port that was asked for belongs to somebody else."""

    exit_code = ExitCode.TAKEN


class UnusableDataError(StackError):
    """The data directory cannot be used: not writable, disk nearly full, of another version, in use."""

    exit_code = ExitCode.UNUSABLE_DATA


class NotPermittedError(StackError):
    """The operating system does not let us, for example create the user that servers run as."""

    exit_code = ExitCode.NOT_PERMITTED


class NotReadyError(StackError):
    """A part was started but did not become ready within its deadline, or died at once."""

    exit_code = ExitCode.NOT_READY


class NotRunningError(StackError):
    """There is no running stack for this data directory."""

    exit_code = ExitCode.NOT_RUNNING
