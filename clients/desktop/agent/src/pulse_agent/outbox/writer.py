"""The outbox's own thread: it owns the database, and commits in groups.

Guarantees: a group is what arrived while the previous commit was on its way to the disk (no timer: an idle outbox
commits at once, a busy one in large groups); a job's result is handed out only after the commit that holds it; acked
rows are deleted in parts of at most 1,000 a transaction, so that a put never waits behind a large ack.
When a write fails: a full disk gets the ballast back and one more try; a damaged file is set aside and the group goes
into the new one; anything else fails the group and is counted, and those readings are declared lost with the next
commit. Never does: asyncio; results leave through one callback.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pulse_agent.domain.quota import Fullness, LossReason
from pulse_agent.domain.ranges import Range, RangeSet
from pulse_agent.outbox.ballast import Ballast
from pulse_agent.outbox.database import Recovery, is_damage, is_full, open_rows, recover_rows
from pulse_agent.outbox.lock import OutboxLock
from pulse_agent.outbox.room import RoomKeeper
from pulse_agent.outbox.rows import OutboxRows, Rejection

MAX_GROUP_JOBS: Final = 5_000
MAX_DELETED: Final = 1_000
"""Rows that acks delete in one transaction (delivery.md: in chunks)."""
REOPEN_SECONDS: Final = 1.0
UPKEEP_SECONDS: Final = 1.0
"""How often, at most, age, free disk and ballast are looked at; they change slowly."""

Job = Callable[[OutboxRows, int], Any]
"""Runs in the writer's thread, in a transaction; gets the rows and the time in microseconds."""


class OutboxUnavailableError(Exception):
    """The outbox could not write (disk, rights, lock); readings refused so are declared lost when it can again."""


@dataclass(frozen=True, slots=True)
class OutboxStats:
    """What the outbox holds, after a commit."""

    rows: int
    used_bytes: int
    next_sequence: int
    oldest_unacked: int
    epoch: int
    losses: int
    quarantined: int
    fullness: Fullness
    disk_low: bool


@dataclass(frozen=True, slots=True)
class GroupOutcome:
    """One group, settled: each job's result or the error that all share; `stats` is None while there is none."""

    results: list[tuple[int, Any]]
    error: BaseException | None
    stats: OutboxStats | None
    recovery: Recovery | None = None
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class _Request:
    number: int
    job: Job | None
    readings: int = 0
    covered: tuple[Range, ...] = ()
    rejected: tuple[Rejection, ...] = ()


class OutboxWriter:
    """Owns the database of `path` in a thread. `outcome` is called in that thread, once per group."""

    def __init__(
        self,
        path: Path,
        room: RoomKeeper,
        *,
        now_us: Callable[[], int],
        monotonic: Callable[[], float],
        outcome: Callable[[GroupOutcome], None],
    ) -> None:
        self._path = path
        self._room = room
        self._now_us = now_us
        self._monotonic = monotonic
        self._outcome = outcome
        self._requests: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        self._covered = RangeSet()
        self._rejected: list[Rejection] = []
        self._undeclared = 0
        self._is_stopping = False
        self._is_failing = False
        self._stopped = threading.Event()
        self._upkeep_due = 0.0
        self._ballast = Ballast(path.with_name(path.name + ".ballast"), room.quota.ballast_bytes)
        self._recovery: Recovery | None = None
        self._thread = threading.Thread(target=self._run, name=f"outbox {path.name}", daemon=True)

    def start(self) -> None:
        """Start the thread; the first outcome (no results) says that the database is open, or why it is not."""
        self._thread.start()

    def submit(self, number: int, job: Job, readings: int = 0) -> None:
        """Queue a job; its outcome carries `number`. `readings` is how many are lost if it fails."""
        self._requests.put(_Request(number, job, readings))

    def acknowledge(self, covered: tuple[Range, ...]) -> None:
        """Have these sequences deleted, in parts; there is no outcome of its own."""
        self._requests.put(_Request(0, None, 0, covered))

    def reject(self, rejected: tuple[Rejection, ...]) -> None:
        """Have these rows moved to the quarantine, before any ack that covers them deletes them."""
        self._requests.put(_Request(0, None, rejected=rejected))

    def stop(self) -> None:
        """Finish what is queued, then close; the last outcome says that it is over."""
        self._stopped.set()
        self._requests.put(_Request(-1, None))

    def join(self, timeout: float) -> None:
        """Wait for the thread to end."""
        self._thread.join(timeout)

    # -- in the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            with OutboxLock(self._path.with_name(self._path.name + ".lock")):
                self._serve()
        except BaseException as failure:  # noqa: BLE001 # the supervisor of this thread: whatever ends it must be told
            error = failure
        self._outcome(GroupOutcome([], error, None, is_over=True))

    def _serve(self) -> None:
        rows, self._recovery = open_rows(self._path)
        try:
            self._keep_up(rows)
            self._outcome(GroupOutcome([], None, self._stats(rows), self._recovery))
            while True:
                group = self._next_group()
                if group is None:
                    break
                rows = self._settle(rows, group)
        finally:
            rows.close()

    def _next_group(self) -> list[_Request] | None:
        """Return what waits, at once while there are acked rows to delete; None when all is done after `stop`."""
        group: list[_Request] = []
        if self._is_stopping and self._is_failing:
            return None
        must_wait = self._is_failing or not (self._covered or self._rejected or self._is_stopping)
        patience = REOPEN_SECONDS if self._is_failing and (self._covered or self._rejected) else None
        try:
            self._take(group, self._requests.get(block=must_wait, timeout=patience))
            while len(group) < MAX_GROUP_JOBS:
                self._take(group, self._requests.get_nowait())
        except queue.Empty:
            pass
        is_idle = not (group or self._covered or self._rejected)
        return None if self._is_stopping and is_idle else group

    def _take(self, group: list[_Request], request: _Request) -> None:
        self._rejected.extend(request.rejected)
        for low, high in request.covered:
            self._covered.add(low, high)
        if request.number < 0:
            self._is_stopping = True
        elif request.job is not None:
            group.append(request)

    def _settle(self, rows: OutboxRows, group: list[_Request]) -> OutboxRows:
        self._recovery = None
        try:
            results = self._commit(rows, group)
        except sqlite3.Error as error:
            rows, outcome = self._heal(rows, group, error)
        else:
            outcome = GroupOutcome(results, None, self._stats(rows))
        self._is_failing = outcome.error is not None
        self._outcome(outcome)
        return rows

    def _commit(self, rows: OutboxRows, group: list[_Request]) -> list[tuple[int, Any]]:
        now_us = self._now_us()
        rows.begin()
        try:
            if self._undeclared:
                rows.refuse(self._undeclared, LossReason.ERROR, now_us)
            rows.reject(self._rejected, now_us)
            done = self._delete_covered(rows, now_us)  # before the puts: it makes room for them
            results = [(request.number, request.job(rows, now_us)) for request in group if request.job]
            if self._monotonic() >= self._upkeep_due:
                self._room.expire(rows, now_us)
            self._room.observe(rows)
            rows.commit()
        except BaseException:
            with suppress(sqlite3.Error):
                rows.rollback()
            raise
        self._undeclared = 0
        self._rejected.clear()
        for low, high in done:
            self._covered.remove(low, high)
        self._keep_up(rows)
        return results

    def _delete_covered(self, rows: OutboxRows, now_us: int) -> list[Range]:
        budget, done = MAX_DELETED, []
        for low, high in self._covered:
            if budget <= 0:
                break
            deleted, settled = rows.settle(low, high, budget, now_us)
            budget -= deleted
            done.append((low, settled))
        return done

    def _heal(self, rows: OutboxRows, group: list[_Request], error: sqlite3.Error) -> tuple[OutboxRows, GroupOutcome]:
        """Bring the database back and try the group once more."""
        try:
            if is_full(error):
                self._make_emergency_room(rows)
            elif is_damage(error):
                rows.close()
                rows, self._recovery = recover_rows(self._path, str(error))
            else:
                rows = self._reopened(rows)
            results = self._commit(rows, group)
        except sqlite3.Error as again:
            self._undeclared += sum(request.readings for request in group)
            failure = OutboxUnavailableError(f"the outbox could not be written: {again}")
            numbers: list[tuple[int, Any]] = [(request.number, None) for request in group]
            return rows, GroupOutcome(numbers, failure, None, self._recovery)
        return rows, GroupOutcome(results, None, self._stats(rows), self._recovery)

    def _make_emergency_room(self, rows: OutboxRows) -> None:
        """On a full disk: give the ballast back, and empty the log into the database, which frees the log's room."""
        self._ballast.release()
        self._room.disk_full = True
        with suppress(sqlite3.Error):
            rows.checkpoint()

    def _reopened(self, rows: OutboxRows) -> OutboxRows:
        with suppress(sqlite3.Error):
            rows.close()
        while True:
            try:
                rows, recovery = open_rows(self._path, is_checked=False)
            except sqlite3.Error:
                # The disk may come back; until then puts wait, and the bound on them holds the sources back.
                if self._stopped.wait(REOPEN_SECONDS):
                    raise
            else:
                self._recovery = recovery or self._recovery
                return rows

    def _keep_up(self, rows: OutboxRows) -> None:
        now = self._monotonic()
        if now < self._upkeep_due:
            return
        self._upkeep_due = now + UPKEEP_SECONDS
        free, quota = self._room.free_bytes(), self._room.quota
        if free >= quota.disk_floor:
            self._room.disk_full = False
        self._ballast.load(free, quota.free_floor_bytes)
        rows.recount()
        with suppress(sqlite3.Error):
            rows.shrink()

    def _stats(self, rows: OutboxRows) -> OutboxStats:
        losses, quarantined = rows.side_counts()
        return OutboxStats(
            rows=rows.rows,
            used_bytes=rows.used_bytes,
            next_sequence=rows.next_sequence,
            oldest_unacked=rows.oldest_unacked(),
            epoch=rows.epoch,
            losses=losses,
            quarantined=quarantined,
            fullness=self._room.level,
            disk_low=self._room.disk_full,
        )
