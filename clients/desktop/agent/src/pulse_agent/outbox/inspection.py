"""Looking into an outbox from another process, while its agent runs or not.

Guarantees: nothing is changed but what `clear` names, and the agent is never kept waiting for more than one small
transaction. Never does: take the agent's lock, or open a database for writing to look at it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

BUSY_SECONDS: Final = 5.0
EXPORT_CHUNK: Final = 500


class OutboxUnreadableError(Exception):
    """There is no outbox, or it cannot be read."""


@dataclass(frozen=True, slots=True)
class OutboxSummary:
    """What an outbox holds, for people."""

    rows: int
    used_bytes: int
    oldest_recorded_at_us: int | None
    next_sequence: int
    epoch: int
    lost_ranges: int
    lost_rows: int
    quarantined: int
    recovery: dict[str, Any] | None
    latest: dict[str, Any]


def summarise(path: Path) -> OutboxSummary:
    """Read the summary. Raises OutboxUnreadableError."""
    with _open(path) as connection:
        rows, used, oldest = _row(
            connection, "SELECT count(*), coalesce(sum(size), 0), min(recorded_at) FROM telemetry_buffer"
        )
        lost_ranges, lost_rows = _row(connection, "SELECT count(*), coalesce(sum(high - low + 1), 0) FROM loss_record")
        sequence = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'telemetry_buffer'").fetchone()
        notes = dict(connection.execute("SELECT key, value FROM meta").fetchall())
        latest = connection.execute("SELECT metric_key, value FROM telemetry_live ORDER BY metric_key").fetchall()
        return OutboxSummary(
            rows=rows,
            used_bytes=used,
            oldest_recorded_at_us=oldest,
            next_sequence=(sequence[0] if sequence else 0) + 1,
            epoch=int(notes.get("epoch", "0")),
            lost_ranges=lost_ranges,
            lost_rows=lost_rows,
            quarantined=_row(connection, "SELECT count(*) FROM quarantine")[0],
            recovery=json.loads(notes["recovery"]) if "recovery" in notes else None,
            latest={key: json.loads(value) for key, value in latest},
        )


def export_quarantine(path: Path, target: Path, *, clear: bool) -> int:
    """Write the quarantine as JSON lines to `target`; with `clear`, delete what was written. Return how many rows."""
    count, last = 0, 0
    with _open(path) as connection, target.open("w", encoding="utf-8") as file:
        for row in _quarantined(connection):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count, last = count + 1, row["id"]
    if clear and count:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as writing, writing:
            writing.execute("DELETE FROM quarantine WHERE id <= ?", (last,))
    return count


def _quarantined(connection: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    names = ("id", "sequence", "epoch", "recorded_at_us", "channel", "metrics", "code", "detail", "moved_at_us")
    last = 0
    while True:
        found = connection.execute(
            "SELECT id, sequence, epoch, recorded_at, channel, metrics, code, detail, moved_at FROM quarantine "
            "WHERE id > ? ORDER BY id LIMIT ?",
            (last, EXPORT_CHUNK),
        ).fetchall()
        for values in found:
            yield dict(zip(names, values, strict=True))
        if len(found) < EXPORT_CHUNK:
            return
        last = found[-1][0]


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.exists():
        raise OutboxUnreadableError(f"there is no outbox at {path}")
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            connection.execute("PRAGMA query_only = ON")
            yield connection
    except sqlite3.Error as error:
        raise OutboxUnreadableError(f"{path} cannot be read: {error}") from error


def _row(connection: sqlite3.Connection, statement: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] = connection.execute(statement).fetchone()
    return row
