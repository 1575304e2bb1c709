"""The tables of the outbox's database. Steps are only ever appended; `pulse_agent.migrations` runs them.

Users, roles and config have a database of their own (`pulse_agent.replica.schema`).
"""

from __future__ import annotations

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
    (
        """CREATE TABLE declared_loss (
               number INTEGER PRIMARY KEY AUTOINCREMENT,
               low INTEGER NOT NULL,
               high INTEGER NOT NULL,
               reason TEXT NOT NULL,
               recorded_at INTEGER NOT NULL,
               declared_at INTEGER NOT NULL
           )""",
    ),
)
