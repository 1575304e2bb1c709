"""How sync stands, read from the replica's file: for people, by the running agent or by another process."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

BUSY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """`last_sync_at_ms` in Unix milliseconds, `lease_until` in Unix seconds: the earliest end of a lease."""

    cursor: int
    head: int
    last_sync_at_ms: int | None
    pending: int
    unread: int
    lease_until: int | None
    needs_snapshot: bool
    error: str | None


def read_status(connection: sqlite3.Connection) -> ReplicaStatus:
    """Return how sync stands."""
    state = dict(connection.execute("SELECT key, value FROM sync_state").fetchall())
    (pending,) = connection.execute("SELECT count(*) FROM sync_outbox").fetchone()
    (unread,) = connection.execute("SELECT count(*) FROM sync_conflict WHERE is_read = 0").fetchone()
    (lease_until,) = connection.execute("SELECT min(expires_at) FROM lease").fetchone()
    return ReplicaStatus(
        cursor=int(state.get("cursor", 0)),
        head=int(state.get("head", 0)),
        last_sync_at_ms=int(state["last_sync_at"]) if "last_sync_at" in state else None,
        pending=pending,
        unread=unread,
        lease_until=lease_until,
        needs_snapshot="needs_snapshot" in state,
        error=state.get("error"),
    )


def status_of_file(path: Path) -> ReplicaStatus | None:
    """Return how sync stands in a file that is not ours to write; None when there is none, or it cannot be read."""
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            connection.execute("PRAGMA query_only = ON")
            return read_status(connection)
    except sqlite3.Error:
        return None
