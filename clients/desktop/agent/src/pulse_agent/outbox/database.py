"""Opening the outbox's file: fresh, as it was left, or damaged.

Guarantees: a database that opens is whole (SQLite's own check and our version); a damaged one is never deleted but
set aside under a name that says so, and what can still be read from it, checksum by checksum, moves into the new one
under its old sequences. Never does: hide a loss: `Recovery` says what happened and is kept in the new database.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pulse_agent.domain.quota import MIB
from pulse_agent.domain.reading import StoredReading, checksum, stored_size
from pulse_agent.migrations import migrate
from pulse_agent.outbox.rows import OutboxRows
from pulse_agent.outbox.schema import MIGRATIONS

FULL_CHECK_BYTES: Final = 256 * MIB
"""Files up to this size are checked page by page at start (a second or two); larger ones row by row when read."""
SALVAGE_CHUNK: Final = 500
MAX_UNREADABLE_CHUNKS: Final = 2_000
"""How often salvage skips over unreadable pages before it gives up: bounds the start after a disaster."""
MAX_RESTORED_BYTES: Final = 64 * 1024 * MIB
BUSY_SECONDS: Final = 5.0
_DAMAGE_CODES: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class DamagedDatabaseError(Exception):
    """The file is no whole SQLite database any more."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What happened to a damaged outbox: said in the log, in `status`, and kept in the new database."""

    set_aside_as: str
    detail: str
    salvaged: int
    declared_lost: int
    at: str


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether SQLite says that the file itself is damaged (not full, locked or unreadable)."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGE_CODES


def is_full(error: sqlite3.Error) -> bool:
    """Tell whether the disk is full."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF == sqlite3.SQLITE_FULL


def open_rows(path: Path, *, is_checked: bool = True) -> tuple[OutboxRows, Recovery | None]:
    """Open the outbox at `path`, making it or recovering it as needed; `is_checked` False trusts an existing file.

    Raises NewerDatabaseError for a newer schema, sqlite3.Error when the disk or the rights do not allow it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _open_whole(path, is_checked=is_checked), None
    except DamagedDatabaseError as damage:
        return recover_rows(path, str(damage))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    # Bytes that are not UTF-8 any more must reach the checksum instead of failing the whole read.
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    return connection


def _open_whole(path: Path, *, is_checked: bool = True) -> OutboxRows:
    existed = path.exists()
    if existed and path.stat().st_size == 0:
        raise DamagedDatabaseError("the file is empty")
    connection = _connect(path)
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts only before the first table is made
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # On a full disk the ballast (4 MiB) must make room to empty the whole log, so the log is kept near 1 MiB.
        connection.execute("PRAGMA wal_autocheckpoint = 256")
        connection.execute("PRAGMA journal_size_limit = 4194304")
        connection.execute("PRAGMA cache_size = -2048")
        if existed and is_checked:
            _check(connection, path)
        migrate(connection, MIGRATIONS, "outbox")
        return OutboxRows(connection)
    except sqlite3.Error as error:
        connection.close()
        if is_damage(error) or (existed and "no such table" in str(error)):
            raise DamagedDatabaseError(str(error)) from error
        raise
    except BaseException:
        connection.close()
        raise


def _check(connection: sqlite3.Connection, path: Path) -> None:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    wal = path.with_name(path.name + "-wal")
    if path.stat().st_size < pages * page_size and not (wal.exists() and wal.stat().st_size):
        raise DamagedDatabaseError(f"the file was cut short: {path.stat().st_size} of {pages * page_size} bytes")
    if path.stat().st_size <= FULL_CHECK_BYTES:
        (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if answer != "ok":
            raise DamagedDatabaseError(str(answer).splitlines()[-1])


def recover_rows(path: Path, detail: str) -> tuple[OutboxRows, Recovery]:
    """Set the damaged (and closed) database at `path` aside and open a new one with what could be salvaged."""
    aside = _set_aside(path)
    rows = _open_whole(path)
    now = datetime.now(UTC)
    now_us = int(now.timestamp() * 1_000_000)
    rows.begin()
    salvaged, lost = _salvage(aside, rows, now_us)
    recovery = Recovery(aside.name, detail, salvaged, lost, now.isoformat(timespec="seconds"))
    rows.set_meta("recovery", json.dumps(asdict(recovery)))
    rows.commit()
    return rows, recovery


def _set_aside(path: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for suffix in ("-wal", "-shm", ""):  # the database last: a crash in between leaves it to be set aside again
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def _salvage(damaged: Path, rows: OutboxRows, now_us: int) -> tuple[int, int]:
    """Move what is readable and undamaged into `rows`; return (salvaged, declared lost)."""
    salvaged, lost, expected = 0, 0, 0
    _restore_length(damaged)
    with suppress(sqlite3.Error), closing(_connect(damaged)) as source:
        for chunk in _readable_chunks(source):
            rows.insert(chunk, [stored_size(r.metrics_json) for r in chunk])
            for reading in chunk:
                if expected and reading.sequence > expected:
                    rows.add_loss(expected, reading.sequence - 1, "corrupt", now_us)
                    lost += reading.sequence - expected
                expected = reading.sequence + 1
            salvaged += len(chunk)
    return salvaged, lost


def _restore_length(damaged: Path) -> None:
    """Fill a file that was cut short with zeros: SQLite refuses to read any page of one that is too short."""
    with suppress(OSError):
        with damaged.open("rb") as file:
            header = file.read(32)
        page_size = int.from_bytes(header[16:18]) or 4096
        pages = int.from_bytes(header[28:32])
        is_plausible = header.startswith(b"SQLite format 3") and pages * page_size < MAX_RESTORED_BYTES
        if is_plausible and damaged.stat().st_size < pages * page_size:
            os.truncate(damaged, pages * page_size)


def _readable_chunks(source: sqlite3.Connection) -> Iterator[list[StoredReading]]:
    last, failures, step = 0, 0, SALVAGE_CHUNK
    highest = _highest_sequence(source)
    while failures < MAX_UNREADABLE_CHUNKS:
        try:
            found = source.execute(
                "SELECT sequence, recorded_at, channel, metrics, checksum FROM telemetry_buffer "
                "WHERE sequence > ? ORDER BY sequence LIMIT ?",
                (last, step),
            ).fetchall()
        except sqlite3.DatabaseError:
            failures += 1
            if step > 1:
                step = max(1, step // 4)  # come closer to the damage before jumping over it
            else:
                last += 16
            if highest is not None and last > highest:
                return
            continue
        if not found:
            return
        last, step = int(found[-1][0]), SALVAGE_CHUNK
        good = [
            StoredReading(s, at, metrics, channel)
            for s, at, channel, metrics, c in found
            if _fits(s, at, channel, metrics, c)
        ]
        if good:
            yield good


def _fits(sequence: object, recorded_at: object, channel: object, metrics: object, written: object) -> bool:
    if not (isinstance(sequence, int) and isinstance(recorded_at, int)):
        return False
    return (
        isinstance(channel, str)
        and isinstance(metrics, str)
        and (checksum(sequence, recorded_at, channel, metrics) == written)
    )


def _highest_sequence(source: sqlite3.Connection) -> int | None:
    with suppress(sqlite3.Error):
        row = source.execute("SELECT seq FROM sqlite_sequence WHERE name = 'telemetry_buffer'").fetchone()
        return int(row[0]) if row else 0
    return None
