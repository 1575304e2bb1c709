"""The tables of the replica's database: the server's rows, what was edited here, and what came of it.

`users`, `roles`, `permissions`, `system_config` hold rows exactly as the server gave them; local edits lie in
`sync_outbox` until they are answered and are laid on top when rows are read. Steps are only ever appended.
"""

from __future__ import annotations

from typing import Final

_ROW: Final = """
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    updated_at TEXT NOT NULL,
    updated_by TEXT,
    source TEXT NOT NULL,
    fields TEXT NOT NULL,
    digest INTEGER NOT NULL,
    held_until INTEGER NOT NULL DEFAULT 0"""
"""`digest` is the row's part of the checksum; until `held_until` (Unix ms) a row taken from an answer may be ahead of pages."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        f"CREATE TABLE permissions ({_ROW})",
        f"CREATE TABLE roles ({_ROW}, name_key TEXT NOT NULL)",
        f"CREATE TABLE users ({_ROW}, username_key TEXT NOT NULL)",
        f"CREATE TABLE system_config ({_ROW})",
        "CREATE INDEX users_by_name ON users (username_key)",
        "CREATE TABLE user_roles (user_id TEXT, role_id TEXT, PRIMARY KEY (user_id, role_id)) WITHOUT ROWID",
        "CREATE TABLE role_permissions (role_id TEXT, permission TEXT, PRIMARY KEY (role_id, permission)) WITHOUT ROWID",
        "CREATE TABLE sync_state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        """CREATE TABLE sync_outbox (
               position INTEGER PRIMARY KEY AUTOINCREMENT,
               op_id TEXT NOT NULL UNIQUE,
               op_no INTEGER UNIQUE,
               entity TEXT NOT NULL,
               id TEXT NOT NULL,
               base_version INTEGER NOT NULL,
               fields TEXT NOT NULL,
               updated_at TEXT NOT NULL,
               actor TEXT NOT NULL,
               token TEXT
           )""",
        "CREATE INDEX sync_outbox_by_row ON sync_outbox (entity, id)",
        """CREATE TABLE sync_conflict (
               number INTEGER PRIMARY KEY AUTOINCREMENT,
               at INTEGER NOT NULL,
               op_id TEXT NOT NULL UNIQUE,
               entity TEXT NOT NULL,
               id TEXT NOT NULL,
               outcome TEXT NOT NULL,
               code TEXT,
               detail TEXT,
               actor TEXT NOT NULL,
               desktop_fields TEXT NOT NULL,
               desktop_stamp TEXT NOT NULL,
               server_row TEXT,
               conflict_id TEXT,
               is_read INTEGER NOT NULL DEFAULT 0
           )""",
        """CREATE TABLE sync_log (
               number INTEGER PRIMARY KEY AUTOINCREMENT,
               at INTEGER NOT NULL,
               kind TEXT NOT NULL,
               source TEXT NOT NULL,
               status TEXT NOT NULL,
               entity TEXT,
               id TEXT,
               detail TEXT NOT NULL
           )""",
        "CREATE TABLE revocation (user_id TEXT PRIMARY KEY, no INTEGER NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL)",
        "CREATE TABLE lease (user_id TEXT PRIMARY KEY, token TEXT NOT NULL, expires_at INTEGER NOT NULL, rev INTEGER NOT NULL)",
        "CREATE TABLE verifier (user_id TEXT PRIMARY KEY, parameters TEXT NOT NULL)",
        "CREATE TABLE lockout (account TEXT PRIMARY KEY, failures INTEGER NOT NULL, last_at INTEGER NOT NULL)",
    ),
    ("ALTER TABLE sync_conflict ADD COLUMN resolution TEXT",),
)
