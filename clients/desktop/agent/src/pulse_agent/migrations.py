"""Steps from one version of a local database's tables to the next, kept in `user_version`.

Guarantees: a step runs in a transaction together with the new version, so a crash leaves one version or the other.
Never does: touch a database that is newer than this program.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence


class NewerDatabaseError(Exception):
    """The database was written by a newer agent; this one leaves it alone."""

    is_readable = True  # its message says all: the log needs no traceback


def migrate(connection: sqlite3.Connection, steps: Sequence[Sequence[str]], name: str) -> None:
    """Bring the database called `name` to this program's version. Raises NewerDatabaseError, sqlite3.Error."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(steps):
        raise NewerDatabaseError(
            f"the {name} has schema version {version}, this agent knows {len(steps)}: update the agent"
        )
    for number in range(version, len(steps)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            (current,) = connection.execute("PRAGMA user_version").fetchone()
            if current == number:  # else another process was quicker
                for statement in steps[number]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number + 1}")
        except sqlite3.Error:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
