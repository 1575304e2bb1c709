"""The tables of the agent's local database, and the steps from each version of them to the next.

Guarantees: a step runs in a transaction together with the new `user_version`, so a crash leaves one version or the
other. Users, roles and the tables of sync come with their own steps (sync.md); steps are only ever appended.
Never does: touch a database that is newer than this program.
"""

from __future__ import annotations

import sqlite3
from typing import Final

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        # AUTOINCREMENT, because a plain key starts again at 1 when the outbox has emptied, and the server would drop
        # the rows as duplicates (delivery.md, identity of a reading).
        """CREATE TABLE telemetry_buffer (
               sequence INTEGER PRIMARY KEY AUTOINCREMENT,
               recorded_at INTEGER NOT NULL,
               channel TEXT NOT NULL,
               metrics TEXT NOT NULL,
               size INTEGER NOT NULL,
               checksum INTEGER NOT NULL
           )""",
        """CREATE TABLE telemetry_live (
               metric_key TEXT PRIMARY KEY,
               value TEXT NOT NULL,
               recorded_at INTEGER NOT NULL,
               sequence INTEGER NOT NULL
           ) WITHOUT ROWID""",
        """CREATE TABLE quarantine (
               id INTEGER PRIMARY KEY AUTOINCREMENT,
               sequence INTEGER NOT NULL,
               epoch INTEGER NOT NULL,
               recorded_at INTEGER,
               channel TEXT,
               metrics TEXT,
               code TEXT NOT NULL,
               detail TEXT NOT NULL,
               moved_at INTEGER NOT NULL
           )""",
        """CREATE TABLE loss_record (
               low INTEGER PRIMARY KEY,
               high INTEGER NOT NULL CHECK (high >= low),
               reason TEXT NOT NULL,
               recorded_at INTEGER NOT NULL
           )""",
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    ),
)


class NewerDatabaseError(Exception):
    """The database was written by a newer agent; this one leaves it alone."""

    is_readable = True  # its message says all: the log needs no traceback


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database to this program's version. Raises NewerDatabaseError."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise NewerDatabaseError(
            f"the outbox has schema version {version}, this agent knows {len(MIGRATIONS)}: update the agent"
        )
    for number in range(version, len(MIGRATIONS)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in MIGRATIONS[number]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")
        except sqlite3.Error:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
