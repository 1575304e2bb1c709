"""The rows of the outbox: one open SQLite database and every statement that reads or changes them.

Guarantees: all changes happen between `begin` and `commit`; the counters (`rows`, `used_bytes`, `next_sequence`)
always say what the database holds, also after `rollback`; a sequence is never given twice. A row whose checksum is
wrong is never returned: it moves to the quarantine and its sequence is declared lost, in the same transaction.
Never does: threads (one thread uses it at a time), policy (see `room.py`), network.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pulse_agent.domain.ranges import Range, RangeSet
from pulse_agent.domain.reading import EncodedReading, Run, StoredReading, Value, checksum, row_json

MAX_QUARANTINED: Final = 10_000
"""Rows kept in the quarantine; beyond that the oldest goes (the server keeps what it rejected as well)."""

MAX_DECLARED: Final = 1_000
"""Losses that the server was told of and that are still shown here; beyond that the oldest goes."""
MIN_FREE_PAGES: Final = 1024
SHRUNK_PAGES: Final = 256
"""Pages given back at a time (1 MiB): some milliseconds."""

_INSERT: Final = (
    "INSERT INTO telemetry_buffer (sequence, recorded_at, channel, metrics, size, checksum) VALUES (?, ?, ?, ?, ?, ?)"
)
_UPSERT_LATEST: Final = (
    "INSERT INTO telemetry_live (metric_key, value, recorded_at, sequence) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (metric_key) DO UPDATE SET value = excluded.value, recorded_at = excluded.recorded_at, "
    "sequence = excluded.sequence"
)
_QUARANTINE: Final = (
    "INSERT INTO quarantine (sequence, epoch, recorded_at, channel, metrics, code, detail, moved_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


_KEEP_DECLARED: Final = "INSERT INTO declared_loss (low, high, reason, recorded_at, declared_at) VALUES (?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class LossRecord:
    """A closed range of sequences that was dropped, and why."""

    low: int
    high: int
    reason: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that the server will never take, with its reason."""

    sequence: int
    code: str
    detail: str


@dataclass(slots=True)
class Counters:
    """What the database holds, kept beside it so that nobody counts a million rows."""

    next_sequence: int
    rows: int
    used_bytes: int
    bytes_by_channel: Counter[str]

    def copy(self) -> Counters:
        """Return these numbers as they are now."""
        return Counters(self.next_sequence, self.rows, self.used_bytes, self.bytes_by_channel.copy())


class OutboxRows:
    """One open outbox database. The connection must be in autocommit mode and migrated."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._latest: dict[str, tuple[Value, int, int]] = {}
        self._side_counts: tuple[int, int] | None = None
        self._counters = self._count()
        self._before = self._counters.copy()
        self._epoch = int(self.meta("epoch") or 0)

    def begin(self) -> None:
        """Start a transaction; nothing is changed outside of one."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._before = self._counters.copy()

    def commit(self) -> None:
        """Write everything since `begin` to the disk; returns when it is there (synchronous=FULL)."""
        if self._latest:
            rows = [(key, json.dumps(value), at, sequence) for key, (value, at, sequence) in self._latest.items()]
            self._connection.executemany(_UPSERT_LATEST, rows)
        self._connection.execute("COMMIT")
        self._latest.clear()

    def rollback(self) -> None:
        """Undo everything since `begin`."""
        self._latest.clear()
        self._side_counts = None
        self._counters = self._before
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._epoch = int(self.meta("epoch") or 0)

    def checkpoint(self) -> None:
        """Move the log into the database and cut it, outside of a transaction."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def reusable_bytes(self) -> int:
        """Return about how many bytes of rows fit without the file growing: pages freed earlier, not filled whole."""
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        (page_size,) = self._connection.execute("PRAGMA page_size").fetchone()
        return int(free) * int(page_size) * 3 // 4

    def shrink(self) -> None:
        """Give a part of the file back to the disk, once most of it is free; outside of a transaction."""
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        if free > MIN_FREE_PAGES and free * 4 > pages * 3:
            self._connection.execute(f"PRAGMA incremental_vacuum({SHRUNK_PAGES})").fetchall()

    def close(self) -> None:
        """Close the database; what was not committed is gone."""
        self._connection.close()

    @property
    def rows(self) -> int:
        """Readings held."""
        return self._counters.rows

    @property
    def used_bytes(self) -> int:
        """Bytes that count against the quota."""
        return self._counters.used_bytes

    @property
    def next_sequence(self) -> int:
        """The sequence that the next reading will get."""
        return self._counters.next_sequence

    @property
    def epoch(self) -> int:
        """The epoch given by the server; 0 is none."""
        return self._epoch

    def channel_bytes(self, channel: str) -> int:
        """Bytes held of one channel."""
        return self._counters.bytes_by_channel[channel]

    def channels(self) -> list[str]:
        """Channels with readings held."""
        return [channel for channel, size in self._counters.bytes_by_channel.items() if size > 0]

    def oldest_unacked(self) -> int:
        """Return the lowest sequence that the server has not settled, lost ones included; `next_sequence` if none."""
        row = self._connection.execute(
            "SELECT min((SELECT coalesce(min(sequence), ?1) FROM telemetry_buffer), "
            "(SELECT coalesce(min(low), ?1) FROM loss_record))",
            (self.next_sequence,),
        ).fetchone()
        return int(row[0])

    def recorded_at(self, sequence: int) -> int | None:
        """Return when the reading under this sequence was recorded; None when it is not held."""
        row = self._connection.execute(
            "SELECT recorded_at FROM telemetry_buffer WHERE sequence = ?", (sequence,)
        ).fetchone()
        return None if row is None else int(row[0])

    def side_counts(self) -> tuple[int, int]:
        """Return how many loss records wait to be delivered, and how many rows are in the quarantine."""
        if self._side_counts is None:
            self._side_counts = self._connection.execute(
                "SELECT (SELECT count(*) FROM loss_record), (SELECT count(*) FROM quarantine)"
            ).fetchone()
        return self._side_counts

    def recount(self) -> None:
        """Count the side tables anew: `export-quarantine` may have cleared one from its own process."""
        self._side_counts = None

    def losses(self, limit: int) -> list[LossRecord]:
        """Return the oldest loss records."""
        found = self._connection.execute("SELECT low, high, reason FROM loss_record ORDER BY low LIMIT ?", (limit,))
        return [LossRecord(*row) for row in found]

    def meta(self, key: str) -> str | None:
        """Return a note kept under `key`."""
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        """Keep a note under `key`."""
        self._connection.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )
        if key == "epoch":
            self._epoch = int(value)

    def append(self, readings: Sequence[EncodedReading]) -> list[StoredReading]:
        """Store readings under the next sequences."""
        first = self._counters.next_sequence
        stored = [
            StoredReading(sequence, r.recorded_at_us, r.metrics_json, r.channel)
            for sequence, r in enumerate(readings, first)
        ]
        self.insert(stored, [r.size for r in readings])
        for kept, reading in zip(stored, readings, strict=True):
            for key, value in reading.metrics.items():
                self._latest[key] = (value, kept.recorded_at_us, kept.sequence)
        return stored

    def insert(self, stored: Sequence[StoredReading], sizes: Sequence[int]) -> None:
        """Store readings under the sequences they have, which must be new and ascending."""
        if not stored:
            return
        self._connection.executemany(
            _INSERT,
            [
                (
                    r.sequence,
                    r.recorded_at_us,
                    r.channel,
                    r.metrics_json,
                    size,
                    checksum(r.sequence, r.recorded_at_us, r.channel, r.metrics_json),
                )
                for r, size in zip(stored, sizes, strict=True)
            ],
        )
        for r, size in zip(stored, sizes, strict=True):
            self._counters.bytes_by_channel[r.channel] += size
        self._counters.rows += len(stored)
        self._counters.used_bytes += sum(sizes)
        self._counters.next_sequence = stored[-1].sequence + 1

    def refuse(self, count: int, reason: str, now_us: int) -> int:
        """Give `count` sequences to readings that were not stored, and declare them lost; return the first."""
        first = self._counters.next_sequence
        last = first + count - 1
        self.skip_to(last + 1)
        self.add_loss(first, last, reason, now_us)
        return first

    def skip_to(self, next_sequence: int) -> None:
        """Never give a sequence below `next_sequence` again."""
        if next_sequence <= self._counters.next_sequence:
            return
        values = (next_sequence - 1,)
        changed = self._connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'telemetry_buffer'", values)
        if changed.rowcount == 0:
            self._connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('telemetry_buffer', ?)", values)
        self._counters.next_sequence = next_sequence

    def add_loss(self, low: int, high: int, reason: str, now_us: int) -> None:
        """Declare low..high lost; next to a record of the same reason, that one grows."""
        self._side_counts = None
        grown = self._connection.execute(
            "UPDATE loss_record SET high = ? WHERE high = ? AND reason = ? "
            "AND low = (SELECT max(low) FROM loss_record WHERE low < ?)",
            (high, low - 1, reason, low),
        )
        if grown.rowcount == 0:
            self._connection.execute("INSERT INTO loss_record VALUES (?, ?, ?, ?)", (low, high, reason, now_us))

    def drop(self, sequences: Iterable[int], reason: str, now_us: int) -> int:
        """Delete rows and declare them lost; return the bytes freed."""
        ranges = RangeSet((sequence, sequence) for sequence in sequences)
        freed = 0
        for low, high in ranges:
            freed += sum(size for _, size in self._delete(low, high, high - low + 1))
            self.add_loss(low, high, reason, now_us)
        return freed

    def oldest_of(self, channel: str, above: int, limit: int) -> list[tuple[int, int, int]]:
        """Return (sequence, recorded_at, size) of the oldest rows of a channel with a sequence over `above`."""
        return self._connection.execute(
            "SELECT sequence, recorded_at, size FROM telemetry_buffer WHERE sequence > ? AND channel = ? "
            "ORDER BY sequence LIMIT ?",
            (above, channel, limit),
        ).fetchall()

    def settle(self, low: int, high: int, limit: int, now_us: int) -> tuple[int, int]:
        """Delete at most `limit` rows of low..high, and what is declared lost of it, because the server has them.

        Returns (rows deleted, the highest sequence settled).
        """
        deleted = self._delete(low, min(high, self.next_sequence - 1), limit)
        settled = high if len(deleted) < limit else max(sequence for sequence, _ in deleted)
        self._trim_losses(low, settled, now_us)
        return len(deleted), settled

    def reject(self, rejections: Sequence[Rejection], now_us: int) -> None:
        """Move rows that the server refused for good to the quarantine."""
        for rejection in rejections:
            row = self._connection.execute(
                "SELECT recorded_at, channel, metrics FROM telemetry_buffer WHERE sequence = ?", (rejection.sequence,)
            ).fetchone()
            if row is not None:
                self._quarantine(rejection, row, now_us)
                self._delete(rejection.sequence, rejection.sequence, 1)

    def read_run(self, within: Range, max_rows: int, max_bytes: int, now_us: int) -> Run | None:
        """Return the lowest contiguous run held in `within`, cut to the limits; None when nothing is held there."""
        low, high = within
        while True:
            run, damaged = self._read_contiguous(low, high, max_rows, max_bytes)
            if damaged is not None:
                self._set_aside_row(damaged, now_us)
            if run is not None or damaged is None:
                return run
            low = damaged + 1

    def _count(self) -> Counters:
        per_channel = self._connection.execute(
            "SELECT channel, count(*), sum(size) FROM telemetry_buffer GROUP BY channel"
        ).fetchall()
        row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'telemetry_buffer'").fetchone()
        sizes = Counter({channel: size for channel, _, size in per_channel})
        return Counters((row[0] if row else 0) + 1, sum(n for _, n, _ in per_channel), sizes.total(), sizes)

    def _delete(self, low: int, high: int, limit: int) -> list[tuple[int, int]]:
        gone = self._connection.execute(
            "DELETE FROM telemetry_buffer WHERE sequence IN (SELECT sequence FROM telemetry_buffer "
            "WHERE sequence BETWEEN ? AND ? ORDER BY sequence LIMIT ?) RETURNING sequence, size, channel",
            (low, high, limit),
        ).fetchall()
        for _, size, channel in gone:
            self._counters.bytes_by_channel[channel] -= size
            self._counters.used_bytes -= size
        self._counters.rows -= len(gone)
        return [(sequence, size) for sequence, size, _ in gone]

    def _trim_losses(self, low: int, high: int, now_us: int) -> None:
        touched = self._connection.execute(
            "DELETE FROM loss_record WHERE low <= ? AND high >= ? RETURNING low, high, reason, recorded_at", (high, low)
        ).fetchall()
        if touched:
            self._side_counts = None
        for a, b, reason, at in touched:
            self._connection.execute(_KEEP_DECLARED, (max(a, low), min(b, high), reason, at, now_us))
            for rest in ((a, low - 1), (high + 1, b)):
                if a <= rest[0] <= rest[1] <= b:
                    self._connection.execute("INSERT INTO loss_record VALUES (?, ?, ?, ?)", (*rest, reason, at))
        if touched:
            self._connection.execute(
                "DELETE FROM declared_loss WHERE number <= (SELECT max(number) FROM declared_loss) - ?", (MAX_DECLARED,)
            )

    def _read_contiguous(self, low: int, high: int, max_rows: int, max_bytes: int) -> tuple[Run | None, int | None]:
        found = self._connection.execute(
            "SELECT sequence, recorded_at, channel, metrics, checksum FROM telemetry_buffer "
            "WHERE sequence BETWEEN ? AND ? ORDER BY sequence LIMIT ?",
            (low, high, max_rows),
        ).fetchall()
        parts: list[str] = []
        first, expected, used = 0, 0, 0
        damaged: int | None = None
        for sequence, recorded_at, channel, metrics, written in found:
            if parts and sequence != expected:
                break
            if not isinstance(metrics, str) or checksum(sequence, recorded_at, channel, metrics) != written:
                damaged = sequence
                break
            part = row_json(recorded_at, metrics)
            used += len(part) + 1 if part.isascii() else len(part.encode()) + 1
            if parts and used > max_bytes:
                break
            first = first or sequence
            parts.append(part)
            expected = sequence + 1
        return (Run(first, expected - 1, ",".join(parts)) if parts else None), damaged

    def _set_aside_row(self, sequence: int, now_us: int) -> None:
        row = self._connection.execute(
            "SELECT recorded_at, channel, CAST(metrics AS BLOB) FROM telemetry_buffer WHERE sequence = ?", (sequence,)
        ).fetchone()
        recorded_at, channel, raw = row
        text = raw.decode(errors="replace") if isinstance(raw, bytes) else repr(raw)
        detail = "the checksum does not fit: the row was damaged on this disk"
        self._quarantine(Rejection(sequence, "checksum", detail), (recorded_at, channel, text), now_us)
        self._delete(sequence, sequence, 1)
        self.add_loss(sequence, sequence, "corrupt", now_us)

    def _quarantine(self, rejection: Rejection, row: tuple[object, object, object], now_us: int) -> None:
        self._side_counts = None
        self._connection.execute(
            _QUARANTINE, (rejection.sequence, self._epoch, *row, rejection.code, rejection.detail, now_us)
        )
        self._connection.execute(
            "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?", (MAX_QUARANTINED,)
        )
