"""Opening the replica's file, its transactions, and its few single values.

Guarantees: a transaction that says `durable` is on the disk when it ends (edits, the highest time seen, revocations);
any other may be lost with the power, never torn: what it held is pulled again. What is deleted is overwritten
(`secure_delete`), in the file and, after `scrub`, in its log. A damaged file is set aside and a new one begun: all but
unanswered edits comes back with the next pull.
Several processes may hold the file; each sees the others' commits through `has_changed`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pulse_agent.migrations import migrate
from pulse_agent.replica.schema import MIGRATIONS
from pulse_chassis.logging import get_logger

REPLICA_FILE: Final = "replica.db"
BUSY_SECONDS: Final = 10.0
_DAMAGE_CODES: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_log = get_logger("replica")


class DamagedReplicaError(sqlite3.DatabaseError):
    """SQLite's own check found the file damaged."""


def is_damage(error: BaseException) -> bool:
    """Tell whether the file itself is damaged (not full, locked or unreadable)."""
    if isinstance(error, DamagedReplicaError):
        return True
    return isinstance(error, sqlite3.Error) and (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in _DAMAGE_CODES


class ReplicaDatabase:
    """One connection to the replica at `path`, looked through first if `is_suspect`.

    Raises NewerDatabaseError, sqlite3.Error.
    """

    def __init__(self, path: Path, *, is_suspect: bool = False) -> None:
        self.path = path
        self.was_damaged = False
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self.connection = _open(path)
            if is_suspect:
                self._look_through()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            _set_aside(path)
            self.was_damaged = True
            self.connection = _open(path)
        self._seen_version = self._data_version()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Write; all of it or nothing. `durable`: on the disk when this returns."""
        connection = self.connection
        if durable:
            connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        finally:
            if durable:
                connection.execute("PRAGMA synchronous = NORMAL")

    def has_changed(self) -> bool:
        """Tell whether another connection committed since the last call."""
        before, self._seen_version = self._seen_version, self._data_version()
        return before != self._seen_version

    def scrub(self) -> bool:
        """Empty the write-ahead log, so that overwritten rows do not live on in it; False: a reader elsewhere is in the way."""
        self.connection.execute("PRAGMA busy_timeout = 0")
        try:
            (is_busy, _, _) = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError:
            return False
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
        return not is_busy

    # -- single values ----------------------------------------------------------------------------------------------

    def value(self, key: str) -> str | None:
        """Return a value of sync_state."""
        row = self.connection.execute("SELECT value FROM sync_state WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def number(self, key: str) -> int:
        """Return a whole number of sync_state; 0 when there is none."""
        return int(self.value(key) or 0)

    def set_value(self, key: str, value: str | int | None) -> None:
        """Keep a value within the transaction that is open; None removes it."""
        if value is None:
            self.connection.execute("DELETE FROM sync_state WHERE key = ?", (key,))
        else:
            self.connection.execute("INSERT OR REPLACE INTO sync_state VALUES (?, ?)", (key, str(value)))

    def _look_through(self) -> None:
        try:
            (answer,) = self.connection.execute("PRAGMA quick_check(1)").fetchone()
            if answer != "ok":
                raise DamagedReplicaError(answer)
        except sqlite3.DatabaseError:
            self.connection.close()
            raise

    def _data_version(self) -> int:
        return int(self.connection.execute("PRAGMA data_version").fetchone()[0])


def _open(path: Path) -> sqlite3.Connection:
    if not path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA journal_size_limit = 4194304")
        connection.execute("PRAGMA cache_size = -4096")
        connection.execute("PRAGMA temp_store = FILE")  # staging may be large; the agent's memory is not
        migrate(connection, MIGRATIONS, "replica")
    except BaseException:
        connection.close()
        raise
    return connection


def _set_aside(path: Path) -> None:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(path.with_name(f"{path.name}.damaged-{stamp}{suffix}"))
    _log.error("replica_was_damaged", set_aside_as=f"{path.name}.damaged-{stamp}")
