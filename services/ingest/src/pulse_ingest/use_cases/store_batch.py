"""Get a batch committed, whatever it takes: wait for a database that is away, take apart a batch that cannot be stored.

Guaranteed: a batch is tried again, unchanged, until it is committed or the process stops; a message whose data the
database refuses is found by halving, written down as rejected, and costs its neighbours nothing but time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_contracts.ids import ClientId
from pulse_contracts.rejections import RejectionCode
from pulse_ingest.domain.acceptance import DeferredError, PoisonError, Refusal
from pulse_ingest.domain.batch import Batch, Message
from pulse_ingest.domain.series_limit import refuse_new_metrics
from pulse_ingest.use_cases.ports import Instruments, ReadingStore, Redactor, StoredBatch, TooManySeriesError

FIRST_RETRY_SECONDS = 0.05
LONGEST_RETRY_SECONDS = 2.0

_log = get_logger("store_batch")


class GaveUpError(Exception):
    """The process stops while the database is away: what was not stored was not acked, and comes again."""


class StoreBatch:
    """Stores batches one after the other."""

    def __init__(self, store: ReadingStore, redact: Redactor, clock: Clock, instruments: Instruments) -> None:
        self._store = store
        self._redact = redact
        self._clock = clock
        self._instruments = instruments
        self._is_deferring = False

    async def __call__(self, batch: Batch, stop: asyncio.Event) -> list[StoredBatch]:
        """Store a batch; return it, or the parts it had to be taken into, each committed. Raises GaveUpError."""
        try:
            return [await self._until_stored(batch, stop)]
        except TooManySeriesError as error:
            return await self(_without_new_metrics(batch.messages, error, self._redact), stop)
        except PoisonError as error:
            if len(batch.messages) > 1:
                middle = len(batch.messages) // 2
                first = await self(Batch.of(batch.messages[:middle]), stop)
                return first + await self(Batch.of(batch.messages[middle:]), stop)
            return [await self._reject(batch.messages[0], error, stop)]

    async def _until_stored(self, batch: Batch, stop: asyncio.Event) -> StoredBatch:
        backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        attempts = 0
        while True:
            began = self._clock.monotonic()
            try:
                stored = await self._store.store(batch)
            except DeferredError as error:
                self._note_deferral(error, batch)
                attempts += 1
                if stop.is_set():
                    raise GaveUpError from error
                await self._clock.sleep(backoff.next_delay())
                continue
            self._note_success()
            if attempts:
                _announce_all(stored)
            stored.seconds = self._clock.monotonic() - began
            self._instruments.batch_stored(stored)
            return stored

    async def _reject(self, message: Message, error: PoisonError, stop: asyncio.Event) -> StoredBatch:
        self._instruments.poison_found()
        _log.error("poison_message_rejected", client_id=message.client_id, topic=message.topic, detail=error.detail)
        message.payload = self._redact(message.payload)
        message.content = Refusal(RejectionCode.BAD_VALUE, error.detail)
        batch = Batch.of([message])
        try:
            return await self._until_stored(batch, stop)
        except PoisonError as again:
            # Not even the refusal can be written down: this line and the broker's log are all that is left of it.
            _log.critical("rejected_row_lost", client_id=message.client_id, topic=message.topic, detail=again.detail)
            return StoredBatch(batch, {})

    def _note_deferral(self, error: DeferredError, batch: Batch) -> None:
        self._instruments.store_deferred()
        if not self._is_deferring:
            self._is_deferring = True
            _log.warning("store_deferred", reason=str(error), messages=len(batch))

    def _note_success(self) -> None:
        if self._is_deferring:
            self._is_deferring = False
            _log.info("store_recovered")


def _announce_all(stored: StoredBatch) -> None:
    """After a retry, rows that the ledger knows may be our own, committed by an attempt whose answer was lost.

    Nobody has announced them; announcing a row twice is harmless, announcing it never leaves a screen behind.
    """
    for key, outcome in stored.outcomes.items():
        outcome.fresh = stored.batch.claims[key].chunks


def _without_new_metrics(messages: Sequence[Message], error: TooManySeriesError, redact: Redactor) -> Batch:
    for message in messages:
        allowed = error.allowed.get(ClientId(message.client_id))
        if allowed is not None and message.content is not None:
            message.content = refuse_new_metrics(message.content, allowed)
            if isinstance(message.content, Refusal):
                message.payload = redact(message.payload)
    return Batch.of(list(messages))
