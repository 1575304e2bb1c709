"""Move messages from the intake into the database and back out as acks: three steps, each busy while the others wait.

fill: judge what arrived, into the open batch → store: commit the open batch as soon as the previous one is committed →
settle: announce, ack, acknowledge. So a batch is what arrived while the previous one was being committed: an idle system
commits each message at once, a busy one hundreds together, and no timer decides. Every hand-over is bounded, so a
database that is away stops the intake and nothing else grows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_ingest.domain.acceptance import DeferredError
from pulse_ingest.domain.batch import Batch, Message
from pulse_ingest.domain.intake import Intake
from pulse_ingest.use_cases.accept_message import AcceptMessage
from pulse_ingest.use_cases.ports import Instruments, StoredBatch
from pulse_ingest.use_cases.store_batch import FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, GaveUpError, StoreBatch

MAX_BATCH_MESSAGES = 1000
MAX_BATCH_READINGS = 20_000
"""More in one transaction is no faster, and delays live readings behind a backlog."""
JUDGED_AT_ONCE = 100
JUDGED_BYTES_AT_ONCE = 64 * 1024
"""Messages judged in one turn of the event loop: some 0.5 ms, in which nobody else runs."""

_log = get_logger("pump_messages")
Settle = Callable[[StoredBatch], Awaitable[None]]


@dataclass(eq=False)
class PumpMessages:
    """The pipeline. `offer_*` may be called at any time; `run` is one worker."""

    intake: Intake
    accept: AcceptMessage
    store: StoreBatch
    settle: Settle
    clock: Clock
    instruments: Instruments
    unsafe_ack_before_commit: bool = False
    _arrived: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _opened: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _taken: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _open: Batch = field(init=False, default_factory=Batch)
    _storing: int = field(init=False, default=0)
    _filled: bool = field(init=False, default=False)
    drained: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    """Set once everything that was offered before the stop is settled, or given up."""

    @property
    def depth(self) -> int:
        """How many messages wait to be committed."""
        return len(self.intake) + len(self._open) + self._storing

    def offer_certain(self, message: Message) -> None:
        """Take a message that must not be dropped."""
        self.intake.add_certain(message)
        self._arrived.set()

    def offer_live(self, message: Message) -> None:
        """Take a live message; the oldest of its kind make room for it."""
        self.intake.add_live(message)
        self._arrived.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Pump until `stop`, then until the intake is empty."""
        settling: asyncio.Queue[StoredBatch | None] = asyncio.Queue(maxsize=1)
        try:
            async with asyncio.TaskGroup() as steps:
                steps.create_task(self._wake_on(stop), name="pump_stop")
                steps.create_task(self._fill(stop), name="pump_fill")
                steps.create_task(self._commit(stop, settling), name="pump_store")
                steps.create_task(self._settle_all(settling), name="pump_settle")
        finally:
            self.drained.set()

    async def _wake_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._arrived.set()

    async def _fill(self, stop: asyncio.Event) -> None:
        while True:
            await self._arrived.wait()
            room = MAX_BATCH_MESSAGES - len(self._open)
            if room <= 0 or self._open.readings >= MAX_BATCH_READINGS:
                self._taken.clear()
                await self._taken.wait()
                continue
            messages = self.intake.take(min(room, JUDGED_AT_ONCE), JUDGED_BYTES_AT_ONCE)
            if not messages:
                if stop.is_set():
                    break
                self._arrived.clear()
                continue
            if not await self._prepared(messages, stop):
                break
            self.accept(messages)
            add = self._open.add
            for message in messages:
                add(message)
            self._opened.set()
            await asyncio.sleep(0)
        self._filled = True
        self._opened.set()

    async def _prepared(self, messages: list[Message], stop: asyncio.Event) -> bool:
        backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        while True:
            try:
                await self.accept.prepare(messages)
            except DeferredError as error:
                self.instruments.store_deferred()
                _log.warning("device_lookup_deferred", reason=str(error), messages=len(messages))
                if stop.is_set():
                    return False
                await self.clock.sleep(backoff.next_delay())
            else:
                return True

    async def _commit(self, stop: asyncio.Event, settling: asyncio.Queue[StoredBatch | None]) -> None:
        while True:
            await self._opened.wait()
            batch, self._open = self._open, Batch()
            self._opened.clear()
            self._taken.set()
            if not batch.messages:
                if self._filled:
                    break
                continue
            if self.unsafe_ack_before_commit:
                await self.settle(_as_if_stored(batch))
            self._storing = len(batch)
            try:
                parts = await self.store(batch, stop)
            except GaveUpError:
                _log.warning("batch_given_up", messages=len(batch))
                break
            self._storing = 0
            for part in parts:
                if not self.unsafe_ack_before_commit:
                    await settling.put(part)
            if self._filled:
                self._opened.set()
        await settling.put(None)

    async def _settle_all(self, settling: asyncio.Queue[StoredBatch | None]) -> None:
        while (stored := await settling.get()) is not None:
            await self.settle(stored)


def _as_if_stored(batch: Batch) -> StoredBatch:
    """Lie, for the one test that shows that the lie is found (see `settings.unsafe_disable`)."""
    from pulse_ingest.use_cases.ports import ClaimOutcome

    highest = {key: ClaimOutcome(0, claim.chunks) for key, claim in batch.claims.items()}
    return StoredBatch(batch, highest)
