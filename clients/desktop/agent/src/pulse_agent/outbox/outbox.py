"""The outbox as the rest of the agent sees it: awaitable, bounded, telling its listeners what was stored.

Guarantees: `put` returns when the reading is on the disk (or is declared lost, and says so); listeners hear of rows in
the order of their sequences, after their commit, also when the putter was cancelled meanwhile; at most
`MAX_WAITING` readings wait for the disk, further putters wait their turn. Never does: delete without being told that
the server has a row, apart from the quota, which declares what it drops.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pulse_agent.domain.quota import Quota
from pulse_agent.domain.ranges import Range
from pulse_agent.domain.reading import Reading, RefusedReading, Run, StoredReading, encode_reading
from pulse_agent.outbox.database import Recovery
from pulse_agent.outbox.room import PutResult, RoomKeeper
from pulse_agent.outbox.rows import LossRecord, OutboxRows, Rejection
from pulse_agent.outbox.writer import GroupOutcome, Job, OutboxStats, OutboxUnavailableError, OutboxWriter
from pulse_chassis.clock import Clock, SystemClock

MAX_WAITING: Final = 20_000
"""Readings that may wait for the disk at once, some MB; overflow policy: the putter waits."""
CLOSE_SECONDS: Final = 10.0

StoredListener = Callable[[list[StoredReading]], None]
StatsListener = Callable[[OutboxStats], None]


class ReadingRefusedError(Exception):
    """The quota or the disk refused a reading; its sequence is declared lost for this reason."""

    def __init__(self, refused: RefusedReading) -> None:
        super().__init__(f"reading {refused.sequence} was refused: {refused.reason}")
        self.refused = refused


class Outbox:
    """One outbox database and its thread. Use as an async context manager; constructing it starts nothing."""

    def __init__(
        self,
        path: Path,
        *,
        quota: Quota | None = None,
        clock: Clock | None = None,
        free_bytes: Callable[[], int] | None = None,
    ) -> None:
        self._path = path
        self._clock = clock or SystemClock()
        self._room = RoomKeeper(quota or Quota(), free_bytes or partial(_free_bytes, path.parent))
        self._writer: OutboxWriter | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._futures: dict[int, asyncio.Future[Any]] = {}
        self._numbers = 0
        self._waiting = 0
        self._putters: list[asyncio.Future[None]] = []
        self._opened: asyncio.Future[None] | None = None
        self._over: asyncio.Future[None] | None = None
        self._stats: OutboxStats | None = None
        self._stored_listeners: list[StoredListener] = []
        self._stats_listeners: list[StatsListener] = []
        self.recovery: Recovery | None = None

    # -- life -------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Open or make or recover the database. Raises OutboxInUseError, NewerDatabaseError, sqlite3.Error."""
        self._loop = asyncio.get_running_loop()
        self._opened = self._loop.create_future()
        self._over = self._loop.create_future()
        self._writer = OutboxWriter(
            self._path,
            self._room,
            now_us=lambda: int(self._clock.now().timestamp() * 1_000_000),
            monotonic=self._clock.monotonic,
            outcome=self._from_thread,
        )
        self._writer.start()
        await self._opened

    async def close(self) -> None:
        """Commit what is queued and close. Readings put later are refused."""
        if self._writer is None or self._over is None:
            return
        self._writer.stop()
        async with asyncio.timeout(CLOSE_SECONDS):
            await asyncio.shield(self._over)
        self._writer = None

    async def watch(self, stop: asyncio.Event) -> None:
        """Return at `stop`; raise what the thread died of, if it dies before."""
        if self._over is None:
            raise OutboxUnavailableError("the outbox is not open")
        stopped = asyncio.create_task(stop.wait())
        over = self._over
        over.add_done_callback(lambda _: stopped.cancel())
        try:
            await stopped
        except asyncio.CancelledError:
            if not over.done():
                raise
            await over
        finally:
            stopped.cancel()

    # -- what is there ----------------------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """Where the database is."""
        return self._path

    @property
    def stats(self) -> OutboxStats:
        """What the outbox held after the latest commit."""
        if self._stats is None:
            raise OutboxUnavailableError("the outbox is not open")
        return self._stats

    def on_stored(self, listener: StoredListener) -> None:
        """Have `listener` called with rows after their commit, in order."""
        self._stored_listeners.append(listener)

    def on_stats(self, listener: StatsListener) -> None:
        """Have `listener` called after every commit."""
        self._stats_listeners.append(listener)

    # -- work -------------------------------------------------------------------------------------------------------

    async def put(self, reading: Reading) -> StoredReading:
        """Store one reading; return when it is on the disk.

        Raises InvalidReadingError, ReadingRefusedError (declared lost), OutboxUnavailableError (will be declared lost).
        """
        (result,) = await self.put_many([reading])
        if isinstance(result, RefusedReading):
            raise ReadingRefusedError(result)
        return result

    async def put_many(self, readings: Sequence[Reading]) -> list[PutResult]:
        """Store readings in order, in one transaction; a refused one comes back as RefusedReading."""
        encoded = [encode_reading(reading) for reading in readings]
        if not encoded:
            return []
        await self._wait_for_turn()
        self._waiting += len(encoded)
        try:
            stored: list[PutResult] = await self._submit(
                lambda rows, now: self._room.put(rows, encoded, now), len(encoded)
            )
            return stored
        finally:
            self._waiting -= len(encoded)
            self._wake_putters()

    def acknowledge(self, covered: Iterable[Range]) -> None:
        """Delete what the server has: rows and loss records. Returns at once; `stats` shows the progress."""
        ranges = tuple((low, high) for low, high in covered if low <= high)
        if ranges and self._writer is not None:
            self._writer.acknowledge(ranges)

    def reject(self, rejections: Sequence[Rejection]) -> None:
        """Move rows that the server refused for good to the quarantine. Returns at once, as `acknowledge` does."""
        if self._writer is not None:
            self._writer.reject(tuple(rejections))

    async def read_run(self, within: Range, max_rows: int, max_bytes: int) -> Run | None:
        """Return the lowest contiguous run held in `within`, cut to the limits."""
        run: Run | None = await self._submit(lambda rows, now: rows.read_run(within, max_rows, max_bytes, now))
        return run

    async def read_losses(self, limit: int) -> list[LossRecord]:
        """Return the oldest loss records."""
        losses: list[LossRecord] = await self._submit(lambda rows, _: rows.losses(limit))
        return losses

    async def recorded_at(self, sequence: int) -> int | None:
        """Return when the reading held under this sequence was recorded."""
        found: int | None = await self._submit(lambda rows, _: rows.recorded_at(sequence))
        return found

    async def adopt_epoch(self, epoch: int) -> None:
        """Keep the epoch that the server gave; the sequences go on as they are."""
        await self._submit(lambda rows, _: rows.set_meta("epoch", str(epoch)))

    @property
    def quota(self) -> Quota:
        """The limits in force."""
        return self._room.quota

    async def change_quota(self, quota: Quota) -> None:
        """Put other limits in force; rows above them give way with the next readings. The ballast stays as it is."""

        def change(_rows: OutboxRows, _now: int) -> None:
            self._room.quota = replace(quota, ballast_bytes=self._room.quota.ballast_bytes)

        await self._submit(change)

    # -- inside -----------------------------------------------------------------------------------------------------

    async def _wait_for_turn(self) -> None:
        while self._waiting >= MAX_WAITING and self._loop is not None:
            turn = self._loop.create_future()
            self._putters.append(turn)
            await turn

    def _wake_putters(self) -> None:
        if self._putters and self._waiting < MAX_WAITING:
            for turn in self._putters:
                if not turn.done():
                    turn.set_result(None)
            self._putters.clear()

    async def _submit(self, job: Job, readings: int = 0) -> Any:
        return await self._enqueue(job, readings)

    def _enqueue(self, job: Job, readings: int = 0) -> asyncio.Future[Any]:
        if self._writer is None or self._loop is None or (self._over is not None and self._over.done()):
            raise OutboxUnavailableError("the outbox is closed")
        self._numbers += 1
        future: asyncio.Future[Any] = self._loop.create_future()
        self._futures[self._numbers] = future
        self._writer.submit(self._numbers, job, readings)
        return future

    def _from_thread(self, outcome: GroupOutcome) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take_outcome, outcome)

    def _take_outcome(self, outcome: GroupOutcome) -> None:
        if outcome.recovery is not None:
            self.recovery = outcome.recovery
        if outcome.is_over:
            self._finish(outcome.error)
            return
        if outcome.stats is not None:
            self._stats = outcome.stats
        if self._opened is not None and not self._opened.done():
            self._opened.set_result(None)
        stored: list[StoredReading] = []
        for number, result in outcome.results:
            if isinstance(result, list):
                stored.extend(r for r in result if isinstance(r, StoredReading))
            self._resolve(number, result, outcome.error)
        if stored:
            for stored_listener in self._stored_listeners:
                stored_listener(stored)
        if outcome.stats is not None:
            for stats_listener in self._stats_listeners:
                stats_listener(outcome.stats)

    def _resolve(self, number: int, result: Any, error: BaseException | None) -> None:
        future = self._futures.pop(number, None)
        if future is None or future.done():  # cancelled meanwhile; what was stored stays stored
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    def _finish(self, error: BaseException | None) -> None:
        failure = error or OutboxUnavailableError("the outbox is closed")
        for future in [*self._futures.values(), self._opened]:
            if future is not None and not future.done():
                future.set_exception(failure)
        self._futures.clear()
        if self._over is not None and not self._over.done():
            if error is None:
                self._over.set_result(None)
            else:
                self._over.set_exception(error)
                self._over.exception()  # `watch` and `close` raise it; nobody else has to


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
