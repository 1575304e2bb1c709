"""After the commit, in this order: announce on the live stream, ack to the clients, PUBACK to the broker.

A crash in between is healed by the resend: the ledger knows the rows. Nothing here may be called before the commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pulse_chassis.logging import get_logger, is_debugging
from pulse_contracts.correlation import reading_correlation
from pulse_contracts.ids import ClientId
from pulse_contracts.streams import LateSpan
from pulse_ingest.domain.acceptance import LATE_US
from pulse_ingest.domain.batch import Batch, PlainRow
from pulse_ingest.domain.credit import FairShare
from pulse_ingest.domain.reading import Metrics
from pulse_ingest.domain.token_bucket import RateLimit
from pulse_ingest.use_cases.ports import (
    AckDraft,
    AnnouncedRows,
    BatchTraces,
    Downlink,
    Instruments,
    LiveStream,
    StoredBatch,
)
from pulse_ingest.use_cases.report_devices import ReportDevices

_log = get_logger("settle_batch")


@dataclass(eq=False)
class SettleBatch:
    """Settles committed batches one after the other."""

    live: LiveStream
    downlink: Downlink
    devices: ReportDevices
    limit: RateLimit
    share: FairShare
    instruments: Instruments
    now_us: Callable[[], int]
    monotonic: Callable[[], float]
    traces: BatchTraces | None = None

    async def __call__(self, stored: StoredBatch) -> None:
        """Announce, ack, acknowledge."""
        batch = stored.batch
        if is_debugging():
            _tell_each(stored)
        rows = rows_to_announce(stored)
        trace = None if self.traces is None else self.traces.of(stored)
        if rows.live or rows.late:
            await self.live.announce(rows, () if trace is None else trace.traceparents)
        if trace is not None:
            trace.announced()
        acks = self._acks(stored)
        if acks:
            await self.downlink.send_acks(acks)
        self.downlink.acknowledge(batch.messages)
        for message in batch.messages:
            if isinstance(message.receipt, asyncio.Future) and not message.receipt.done():
                message.receipt.set_result(message.content)
        self.devices.ledgers_changed(client_id for client_id, _ in stored.outcomes)
        if batch.messages:
            oldest = min(batch.messages[0].received_us, batch.messages[-1].received_us)
            self.instruments.batch_settled(max(0.0, (self.now_us() - oldest) / 1e6))
        if trace is not None:
            trace.settled()

    def _acks(self, stored: StoredBatch) -> list[AckDraft]:
        batch = stored.batch
        drafts: dict[tuple[ClientId, int], AckDraft] = {}
        for key, claim in batch.claims.items():
            draft = drafts[key] = AckDraft(*key)
            outcome = stored.outcomes.get(key)
            if outcome is None:
                draft.unknown_epoch = True
                continue
            draft.cum = outcome.cum
            draft.ok = claim.spans if not claim.lost else list(claim.settled_but_rejected().spans)
            self.share.note(claim.client_id)
        for key in batch.limited:
            drafts.setdefault(key, AckDraft(*key)).is_limited = True
        for row in batch.rejected:
            key = (row.client_id, row.epoch)
            if not row.client_id or (row.epoch and drafts[key].unknown_epoch):
                continue
            draft = drafts.setdefault(key, AckDraft(*key))
            draft.rej.append((row.sequence_no, row.refusal.code.value, row.refusal.detail))
        window = self.share.window(self.monotonic())
        for draft in drafts.values():
            draft.rows_s = int(self.limit.rows_s)
            draft.window = 1 if draft.is_limited else window
        return list(drafts.values())


def _tell_each(stored: StoredBatch) -> None:
    for (client_id, epoch), outcome in stored.outcomes.items():
        for first, rows, _ in outcome.fresh:
            for sequence, (recorded, _) in enumerate(rows, first):
                correlation = reading_correlation(client_id, recorded // 1000)
                _log.debug("reading_stored", correlation_id=correlation, epoch=epoch, sequence=sequence)
    for client_id, sequence, recorded, _, _ in stored.batch.plain:
        _log.debug("reading_stored", correlation_id=reading_correlation(client_id, recorded // 1000), sequence=sequence)


def rows_to_announce(stored: StoredBatch) -> AnnouncedRows:
    """Return what screens should hear of a committed batch: fresh rows as they are, late ones as spans."""
    live: list[tuple[ClientId, int, int, Metrics]] = []
    late: dict[ClientId, list[int]] = {}
    for (client_id, _), outcome in stored.outcomes.items():
        for _, rows, received in outcome.fresh:
            oldest_live = received - LATE_US
            for recorded, metrics in rows:
                if recorded >= oldest_live:
                    live.append((client_id, recorded, received, metrics))
                else:
                    _stretch(late, client_id, recorded)
    _add_plain(stored.batch, live, late)
    spans = [
        LateSpan(device_id=client_id, from_ms=low // 1000, to_ms=high // 1000, count=count)
        for client_id, (low, high, count) in late.items()
    ]
    return AnnouncedRows(live, spans)


def _add_plain(batch: Batch, live: list[tuple[ClientId, int, int, Metrics]], late: dict[ClientId, list[int]]) -> None:
    row: PlainRow
    for row in batch.plain:
        client_id, _, recorded, metrics, received = row
        if recorded >= received - LATE_US:
            live.append((client_id, recorded, received, metrics))
        else:
            _stretch(late, client_id, recorded)


def _stretch(late: dict[ClientId, list[int]], client_id: ClientId, recorded: int) -> None:
    span = late.get(client_id)
    if span is None:
        late[client_id] = [recorded, recorded, 1]
    else:
        span[0] = min(span[0], recorded)
        span[1] = max(span[1], recorded)
        span[2] += 1
