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
        clear_quarantine(path, last)
    return count


@dataclass(frozen=True, slots=True)
class RowPage:
    """Some rows of a list, as mappings of its columns; `next` is the number to go on after, None at the end."""

    total: int
    rows: list[dict[str, Any]]
    next: int | None


def latest_values(path: Path) -> dict[str, tuple[Any, int]]:
    """Return the newest value of each metric with its time in microseconds. Raises OutboxUnreadableError."""
    with _open(path) as connection:
        found = connection.execute("SELECT metric_key, value, recorded_at FROM telemetry_live ORDER BY metric_key")
        return {key: (json.loads(value), at) for key, value, at in found}


def buffered_samples(path: Path, since_us: int, before: int | None, limit: int) -> list[tuple[int, str]]:
    """Return time and metrics (JSON) of undelivered readings since a time, of sequences under `before`, oldest first."""
    with _open(path) as connection:
        newest = connection.execute(
            "SELECT recorded_at, metrics FROM telemetry_buffer WHERE ?1 IS NULL OR sequence < ?1 "
            "ORDER BY sequence DESC LIMIT ?2",
            (before, limit),
        )
        found = [(at, metrics) for at, metrics in newest if at >= since_us and isinstance(metrics, str)]
    return found[::-1]


def quarantine_page(path: Path, after: int, limit: int, max_chars: int) -> RowPage:
    """Return rows of the quarantine after one, at most so many and so large. Raises OutboxUnreadableError."""
    with _open(path) as connection:
        (total,) = _row(connection, "SELECT count(*) FROM quarantine")
        taken: list[dict[str, Any]] = []
        for row in _quarantined(connection, after):
            max_chars -= len(str(row["metrics"] or "")) + len(row["detail"])
            if len(taken) >= limit or (taken and max_chars < 0):
                return RowPage(total, taken, taken[-1]["id"])
            taken.append(row)
    return RowPage(total, taken, None)


def clear_quarantine(path: Path, up_to: int) -> int:
    """Delete the rows of the quarantine up to one; return how many. Raises OutboxUnreadableError."""
    if not path.exists():
        raise OutboxUnreadableError(f"there is no outbox at {path}")
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as writing, writing:
            return writing.execute("DELETE FROM quarantine WHERE id <= ?", (up_to,)).rowcount
    except sqlite3.Error as error:
        raise OutboxUnreadableError(f"{path} cannot be written: {error}") from error


def loss_page(path: Path, after: int, limit: int) -> RowPage:
    """Return losses whose first sequence is over `after`. Raises OutboxUnreadableError."""
    columns = ("low", "high", "reason", "recorded_at", "declared_at")
    both = (
        "(SELECT low, high, reason, recorded_at, NULL AS declared_at FROM loss_record "
        "UNION ALL SELECT low, high, reason, recorded_at, declared_at FROM declared_loss)"
    )
    with _open(path) as connection:
        (total,) = _row(connection, f"SELECT count(*) FROM {both}")  # noqa: S608 -- names of ours
        found = connection.execute(
            f"SELECT * FROM {both} WHERE low > ? ORDER BY low LIMIT ?",  # noqa: S608 -- names of ours
            (after, limit + 1),
        ).fetchall()
    rows = [dict(zip(columns, values, strict=True)) for values in found[:limit]]
    return RowPage(total, rows, rows[-1]["low"] if len(found) > limit else None)


def _quarantined(connection: sqlite3.Connection, last: int = 0) -> Iterator[dict[str, Any]]:
    names = ("id", "sequence", "epoch", "recorded_at_us", "channel", "metrics", "code", "detail", "moved_at_us")
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
