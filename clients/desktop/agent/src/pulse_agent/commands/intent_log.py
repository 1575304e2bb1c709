"""What this device was told to do and what became of it: a small database of its own, written before anything is done.

Guarantees: every change is on the disk (synchronous=FULL) when its method returns; a `jti` is admitted once, a new one
only above the highest counter ever admitted, and only if it was issued after this log was made (and dated, by the
server's time), so that a log that was lost does not let old commands in again. What was started and did not end before
a crash is `unknown`, never started again. Rows are kept `KEPT`, longer than a command can be good for. Never does:
execute, or asyncio; one thread at a time may use it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pulse_agent.migrations import migrate
from pulse_agent.outbox.database import is_damage
from pulse_chassis.logging import redact_text
from pulse_contracts.commands import MAX_COMMAND_SECONDS, Command, CommandError, CommandState, StatusReport

KEPT: Final = timedelta(seconds=MAX_COMMAND_SECONDS) + timedelta(days=1)
MAX_ROWS: Final = 10_000
"""Overflow policy: the oldest that ended go; their counters still keep them from being done again."""
MAX_UNREPORTED: Final = 500
BUSY_SECONDS: Final = 5.0
RESTART: Final = "RESTART_AGENT"
_COLUMNS: Final = (
    "jti",
    "counter",
    "name",
    "args",
    "actor",
    "expires_at",
    "state",
    "at",
    "result",
    "error_code",
    "error_message",
)
_STEPS: Final = (
    (
        """CREATE TABLE intent (
           jti TEXT PRIMARY KEY,
           counter INTEGER NOT NULL UNIQUE,
           name TEXT NOT NULL,
           args TEXT NOT NULL,
           actor TEXT,
           expires_at INTEGER NOT NULL,
           state TEXT NOT NULL,
           received_at INTEGER NOT NULL,
           at INTEGER NOT NULL,
           result TEXT,
           error_code TEXT,
           error_message TEXT,
           is_reported INTEGER NOT NULL DEFAULT 0
       ) WITHOUT ROWID""",
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    ),
)


class NotAdmittedError(Exception):
    """A genuine command that must not be done: its counter was passed, or it is older than this log."""


class LogUnavailableError(Exception):
    """The log cannot be read or written (disk, rights): nothing may be executed now."""


@dataclass(frozen=True, slots=True)
class Intent:
    """One command as it is kept. `at` is when it came to this state (Unix ms), `expires_at` Unix seconds."""

    jti: str
    counter: int
    name: str
    arguments: dict[str, Any]
    actor: str | None
    expires_at: int
    state: CommandState
    at: int
    result: Any = None
    error: CommandError | None = None

    def report(self) -> StatusReport:
        """Return what the server is told of it."""
        return StatusReport.model_validate(
            {"jti": self.jti, "state": self.state.value, "at": self.at, "result": self.result, "error": self.error}
        )


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended."""

    state: CommandState
    result: Any = None
    error: CommandError | None = None

    @classmethod
    def failure(cls, code: str, message: str = "", state: CommandState = CommandState.FAILED) -> Ending:
        """Return an ending with a reason."""
        return cls(state, error=CommandError(code=code, message=clean_text(message)))


def clean_text(text: str) -> str:
    """Return a message as it may leave: no credentials, valid Unicode, at most 1,000 characters."""
    return redact_text(text.encode(errors="replace").decode())[:1000]


class IntentLog:
    """The log at `path`; opened by `open`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    # -- life -------------------------------------------------------------------------------------------------------

    def open(self, stamp: str) -> str | None:
        """Open or make the log; a damaged one is set aside under a name with `stamp`, which is returned.

        Raises LogUnavailableError, NewerDatabaseError.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._connection = _connect(self._path)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                aside = self._path.with_name(f"{self._path.name}.damaged-{stamp}")
                self._path.replace(aside)
                for ending in ("-wal", "-shm"):
                    self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
                self._connection = _connect(self._path)
                return aside.name
        except (sqlite3.Error, OSError) as error:
            raise LogUnavailableError(f"the command log cannot be opened: {error}") from error
        return None

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def recover(self, at_ms: int) -> list[Intent]:
        """After a start: end what a crash cut off, and return what was received and waits, in counter order."""
        with self._transaction() as connection:
            for state, names in ((CommandState.SUCCEEDED, "name = ?"), (CommandState.UNKNOWN, "name != ?")):
                connection.execute(
                    f"UPDATE intent SET state = ?, at = ?, is_reported = 0 WHERE state = 'started' AND {names}",  # noqa: S608 # two constants
                    (state.value, at_ms, RESTART),
                )
            return _read(connection, "WHERE state = 'received' ORDER BY counter")

    # -- changes ----------------------------------------------------------------------------------------------------

    def date(self, server_s: float) -> None:
        """Write when this log was made, in the server's Unix seconds: now, if that was not written before.

        A date in the future came of a wrong clock and is brought back to now.
        """
        with self._transaction() as connection:
            if _meta(connection, "made_at", int(server_s)) > server_s:
                connection.execute("UPDATE meta SET value = ? WHERE key = 'made_at'", (int(server_s),))

    def admit(self, command: Command, at_ms: int) -> Intent:
        """Keep a new command as received. Raises NotAdmittedError, also for a known one, and LogUnavailableError."""
        jti = str(command.jti)
        with self._transaction() as connection:
            highest = _meta(connection, "counter", 0)
            if command.cnt <= highest:
                raise NotAdmittedError(f"counter {command.cnt} is not above {highest}")
            dated = connection.execute("SELECT value FROM meta WHERE key = 'made_at'").fetchone()
            if dated is None:
                raise NotAdmittedError("this log has no date yet, as the server has not said the time: it may be older")
            if command.iat < dated[0]:
                raise NotAdmittedError("it was issued before this agent's command log was made")
            connection.execute("UPDATE meta SET value = ? WHERE key = 'counter'", (command.cnt,))
            connection.execute(
                "INSERT INTO intent (jti, counter, name, args, actor, expires_at, state, received_at, at)"
                " VALUES (?, ?, ?, ?, ?, ?, 'received', ?, ?)",
                (
                    jti,
                    command.cnt,
                    command.name,
                    json.dumps(command.args),
                    None if command.actor is None else str(command.actor),
                    command.exp,
                    at_ms,
                    at_ms,
                ),
            )
            return _read(connection, "WHERE jti = ?", jti)[0]

    def start(self, jti: str, at_ms: int) -> bool:
        """Write that it is about to be executed; False when it was started or has ended before: then it must not be."""
        with self._transaction() as connection:
            cursor = connection.execute(
                "UPDATE intent SET state = 'started', at = ?, is_reported = 0 WHERE jti = ? AND state = 'received'",
                (at_ms, jti),
            )
            return cursor.rowcount == 1

    def end(self, jti: str, ending: Ending, at_ms: int) -> Intent:
        """Write how it ended and return it; what has ended before stays as it is."""
        error = ending.error
        with self._transaction() as connection:
            connection.execute(
                "UPDATE intent SET state = ?, at = ?, result = ?, error_code = ?, error_message = ?, is_reported = 0"
                " WHERE jti = ? AND state IN ('received', 'started')",
                (
                    ending.state.value,
                    at_ms,
                    None if ending.result is None else json.dumps(ending.result),
                    error and error.code,
                    error and error.message,
                    jti,
                ),
            )
            return _read(connection, "WHERE jti = ?", jti)[0]

    def reported(self, jti: str, state: str) -> None:
        """Write that the broker took the report of this state."""
        with self._transaction() as connection:
            connection.execute("UPDATE intent SET is_reported = 1 WHERE jti = ? AND state = ?", (jti, state))

    def purge(self, now_ms: int) -> None:
        """Delete what ended and is older than `KEPT`, or too much; the counter stays."""
        before = now_ms - int(KEPT.total_seconds() * 1000)
        with self._transaction() as connection:
            connection.execute(
                "DELETE FROM intent WHERE state NOT IN ('received', 'started') AND (received_at < ? OR counter <="
                " (SELECT counter FROM intent ORDER BY counter DESC LIMIT 1 OFFSET ?))",
                (before, MAX_ROWS),
            )

    # -- reading ----------------------------------------------------------------------------------------------------

    def find(self, jti: str) -> Intent | None:
        """Return a command; None when it is not known."""
        with self._transaction() as connection:
            return next(iter(_read(connection, "WHERE jti = ?", jti)), None)

    def counter(self) -> int:
        """Return the highest counter ever admitted; 0: none."""
        with self._transaction() as connection:
            return _meta(connection, "counter", 0)

    def unreported(self) -> list[Intent]:
        """Return commands whose last state the broker has not taken yet, oldest first."""
        with self._transaction() as connection:
            return _read(connection, f"WHERE is_reported = 0 ORDER BY counter LIMIT {MAX_UNREPORTED}")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        if connection is None:
            raise LogUnavailableError("the command log is not open")
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.rollback()
            raise LogUnavailableError(f"the command log cannot be used: {error}") from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -256")  # KiB: a few rows at a time
        (finding,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if finding != "ok":
            damage = sqlite3.DatabaseError(str(finding))
            damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damage
        migrate(connection, _STEPS, "command log")
    except BaseException:
        connection.close()
        raise
    return connection


def _meta(connection: sqlite3.Connection, key: str, first: int) -> int:
    """Return a value that is kept, keeping `first` if there is none."""
    connection.execute("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING", (key, first))
    (value,) = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return int(value)


def _read(connection: sqlite3.Connection, where: str, *values: str) -> list[Intent]:
    rows = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM intent {where}", values)  # noqa: S608 # all ours
    return [_intent(dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def _intent(row: dict[str, Any]) -> Intent:
    result, code = row["result"], row["error_code"]
    return Intent(
        jti=row["jti"],
        counter=row["counter"],
        name=row["name"],
        arguments=json.loads(row["args"]),
        actor=row["actor"],
        expires_at=row["expires_at"],
        state=CommandState(row["state"]),
        at=row["at"],
        result=None if result is None else json.loads(result),
        error=None if code is None else CommandError(code=code, message=row["error_message"] or ""),
    )
