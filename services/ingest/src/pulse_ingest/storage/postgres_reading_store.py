"""Batches into PostgreSQL: one transaction each, in which every stored row is checked against the ledger.

Within the transaction: extend the ledgers (locked in order of client and epoch), learn what they had before, and join the
generation of the roll-ups → copy the rows that they had not → mark their minutes → refused rows → losses → latest
values. It commits with `synchronous_commit = on`; only then does `store` return. All writers take their locks in this
order, each set sorted, so that they cannot deadlock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from pulse_contracts.acks import Range
from pulse_contracts.ids import ClientId
from pulse_ingest.domain.batch import Batch, Chunk, Claim, ClaimKey
from pulse_ingest.domain.ranges import Ranges
from pulse_ingest.domain.reading import RejectedRow
from pulse_ingest.storage.array_text import bool_array, number_array, text_array, whole_array
from pulse_ingest.storage.postgres_link import PostgresLink
from pulse_ingest.storage.rollup_marks import ENTRY, RollupMarks
from pulse_ingest.storage.sample_rows import (
    COLUMNS,
    EXACT_IN_DOUBLE,
    EncodedSamples,
    NewRows,
    SeriesRows,
    encode_samples,
    group_by_series,
    is_suspect,
)
from pulse_ingest.storage.series_ids import SeriesIds
from pulse_ingest.storage.times import from_us
from pulse_ingest.use_cases.ports import ClaimOutcome, StoredBatch

if TYPE_CHECKING:
    from pulse_ingest.storage.postgres_link import Connection, Pool

CAREFUL_BATCHES: Final = 50
"""After a batch that held a row already stored, this many go the slower way that skips such rows one by one."""

_EXTEND_LEDGERS: Final = f"""
with entry as materialized ({ENTRY}), claim as (
    select * from unnest($1::text::text[], $2::text::int[], $3::text::int8multirange[],
                         $4::text::int8multirange[], $5::text::int8multirange[], $6::text::bigint[], $7::text::bigint[])
        as c (client_id, epoch, received, rejected, lost, head_seq, head_us)
), held as materialized (
    select s.client_id, s.epoch, s.received + s.rejected as known, c.received, c.rejected, c.lost,
           c.head_seq, c.head_us
    from telemetry.stream s join claim c on c.client_id = s.client_id and c.epoch = s.epoch
    order by s.client_id, s.epoch
    for update of s
)
update telemetry.stream s set
    received = s.received + (h.received - s.rejected),
    rejected = s.rejected + (h.rejected - s.received - h.received),
    lost = s.lost + h.lost,
    head_seq = greatest(s.head_seq, h.head_seq),
    head_at = case when h.head_seq > s.head_seq
        then timestamptz 'epoch' + h.head_us * interval '1 microsecond' else s.head_at end
from held h
where s.client_id = h.client_id and s.epoch = h.epoch
returning s.client_id, s.epoch, nullif(((h.received + h.rejected) * h.known)::text, '{{}}') as known,
    telemetry.prefix_end(int8multirange(int8range(1, s.origin + 1)) + s.received + s.rejected + s.lost) as cum,
    (select generation from entry), (select first_open from entry)
"""  # noqa: S608 -- put together from constants of ours
_FROM_STAGE: Final = "insert into telemetry.sample select * from telemetry.sample_stage on conflict do nothing"
_EMPTY_STAGE: Final = "delete from telemetry.sample_stage"
_LATEST: Final = """
insert into telemetry.latest as l
    (series_id, seq, order_at, recorded_at, received_at, value, whole, flag, suspect, text)
select n.series_id, n.seq, timestamptz 'epoch' + least(n.recorded, n.received) * interval '1 microsecond',
       timestamptz 'epoch' + n.recorded * interval '1 microsecond',
       timestamptz 'epoch' + n.received * interval '1 microsecond', n.value, n.whole, n.flag, n.suspect, n.text
from unnest($1::text::int[], $2::text::bigint[], $3::text::bigint[], $4::text::bigint[], $5::text::float8[],
            $6::text::bigint[], $7::text::bool[], $8::text::bool[], $9::text::text[])
    as n (series_id, seq, recorded, received, value, whole, flag, suspect, text)
on conflict (series_id) do update set
    seq = excluded.seq, order_at = excluded.order_at, recorded_at = excluded.recorded_at,
    received_at = excluded.received_at, value = excluded.value, whole = excluded.whole, flag = excluded.flag,
    suspect = excluded.suspect, text = excluded.text
where (excluded.order_at, excluded.seq) > (l.order_at, l.seq)
  and excluded.received_at - excluded.recorded_at <= interval '60 seconds'
"""
_REJECTED: Final = """
insert into telemetry.rejected as r
    (client_id, topic, epoch, seq, code, detail, raw, sha256, times, first_at, last_at)
select n.client_id, n.topic, n.epoch, n.seq, n.code, n.detail, n.raw, n.sha256, n.times, n.first_at, n.last_at
from unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::text[], $6::text[], $7::bytea[], $8::bytea[],
            $9::bigint[], $10::timestamptz[], $11::timestamptz[])
    as n (client_id, topic, epoch, seq, code, detail, raw, sha256, times, first_at, last_at)
on conflict (client_id, epoch, seq, code, sha256)
do update set times = r.times + excluded.times, last_at = greatest(r.last_at, excluded.last_at)
"""
_LOSSES: Final = """
insert into telemetry.loss (client_id, epoch, first_seq, last_seq, reason, declared_at)
select *, now() from unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::text[]) on conflict do nothing
"""
_DROP_IDENTITY: Final = "drop index if exists telemetry.sample_identity"


class PostgresReadingStore:
    """The `ReadingStore` of production. Used by one task at a time."""

    def __init__(self, pool: Pool, *, max_series_per_client: int, unsafe_without_dedupe: bool = False) -> None:
        self._link = PostgresLink(pool)
        self._series = SeriesIds(max_series_per_client)
        self._marks = RollupMarks()
        self._careful_left = 0
        self._is_unsafe = unsafe_without_dedupe

    async def close(self) -> None:
        """Give the connection back."""
        await self._link.close()

    async def switch_dedupe_off(self) -> None:
        """Take the table's identity away, for the test that shows that duplicates are then found (see `settings`)."""
        async with self._link.connection() as connection:
            await connection.execute(_DROP_IDENTITY)

    async def store(self, batch: Batch) -> StoredBatch:
        """Commit a batch (see `ReadingStore.store`)."""
        try:
            return await self._attempt(batch)
        except asyncpg.UniqueViolationError:
            self._careful_left = CAREFUL_BATCHES
            return await self._attempt(batch)

    async def _attempt(self, batch: Batch) -> StoredBatch:
        try:
            return await self._link.bounded(self._store(batch, is_careful=self._careful_left > 0))
        except BaseException:
            # What it marked may be gone. Whatever of it is left behind keeps the old ones.
            self._marks = RollupMarks()
            raise

    async def _store(self, batch: Batch, *, is_careful: bool) -> StoredBatch:
        marks = self._marks
        async with self._link.connection() as connection:
            # Before any row is locked, and as if everything were new: it nearly always is.
            everything = [(claim.client_id, claim.epoch, claim.chunks) for claim in batch.claims.values()]
            groups = await self._grouped(connection, batch, everything)
            samples = encode_samples(groups)
            async with connection.transaction():
                outcomes = await self._extend_ledgers(connection, batch, marks)
                fresh = [(*key, outcomes[key].fresh) for key in batch.claims if key in outcomes]
                if fresh != everything:
                    groups = group_by_series(fresh, batch.plain, self._series.by_client)
                    samples = encode_samples(groups)
                if groups and not outcomes:
                    await marks.enter(connection)
                added = await self._insert(connection, samples, is_careful=is_careful)
                await marks.mark(connection, groups)
                if batch.rejected:
                    await connection.execute(_REJECTED, *_rejected_columns(batch.rejected, outcomes))
                await self._write_losses(connection, batch, outcomes)
                if samples.latest:
                    await connection.execute(_LATEST, *_latest_columns(samples))
        marks.keep()
        self._careful_left = max(0, self._careful_left - 1)
        return StoredBatch(batch, outcomes, added, _duplicates(batch, outcomes))

    async def _grouped(self, connection: Connection, batch: Batch, claims: Sequence[NewRows]) -> SeriesRows:
        try:
            return group_by_series(claims, batch.plain, self._series.by_client)
        except KeyError:  # a series without a number: rare, and asking for each row beforehand is not
            await self._series.ensure(connection, self._series.missing(batch))
            return group_by_series(claims, batch.plain, self._series.by_client)

    async def _extend_ledgers(
        self, connection: Connection, batch: Batch, marks: RollupMarks
    ) -> dict[ClaimKey, ClaimOutcome]:
        """Extend the ledgers that there are, and join the generation of the roll-ups on the way, if there is any."""
        if not batch.claims:
            return {}
        records = await connection.fetch(_EXTEND_LEDGERS, *_claim_columns(batch.claims.values()))
        outcomes: dict[ClaimKey, ClaimOutcome] = {}
        if records:
            marks.entered(*records[0][-2:])
        for client_id, epoch, known_text, cum, _, _ in records:
            key = (ClientId(client_id), epoch)
            known = Ranges.EMPTY if known_text is None else Ranges.parse(known_text)
            fresh: list[Chunk] = batch.claims[key].without(Ranges.EMPTY if self._is_unsafe else known)
            outcomes[key] = ClaimOutcome(cum, fresh, known)
        return outcomes

    async def _insert(self, connection: Connection, samples: EncodedSamples, *, is_careful: bool) -> int:
        if not samples.count:
            return 0
        table = "sample_stage" if is_careful else "sample"
        await connection.copy_to_table(
            table, schema_name="telemetry", columns=COLUMNS, format="binary", source=_once(samples.data)
        )
        if not is_careful:
            return samples.count
        status = await connection.execute(_FROM_STAGE)
        await connection.execute(_EMPTY_STAGE)
        return int(status.rsplit(" ", 1)[1])

    async def _write_losses(self, connection: Connection, batch: Batch, outcomes: dict[ClaimKey, ClaimOutcome]) -> None:
        losses = sorted(
            (client_id, epoch, low, high, reason)
            for (client_id, epoch), claim in batch.claims.items()
            if claim.lost and (client_id, epoch) in outcomes
            for low, high, reason in set(claim.lost)
        )
        if losses:
            await connection.execute(_LOSSES, *map(list, zip(*losses, strict=True)))


async def _once(data: bytes) -> AsyncIterator[bytes]:
    # Complete before it is handed over: asyncpg's COPY hangs when its source raises.
    yield data


def _claim_columns(claims: Iterable[Claim]) -> tuple[str, ...]:
    listed = list(claims)
    heads = [claim.head() or (0, 0) for claim in listed]
    return (
        text_array(claim.client_id for claim in listed),
        whole_array(claim.epoch for claim in listed),
        text_array(_multirange(claim.spans) for claim in listed),
        text_array(_multirange(claim.rejected_spans()) if claim.rejected else "{}" for claim in listed),
        text_array(_multirange(claim.lost_spans()) if claim.lost else "{}" for claim in listed),
        whole_array(head[0] for head in heads),
        whole_array(head[1] for head in heads),
    )


def _multirange(spans: Iterable[Range]) -> str:
    return "{" + ",".join([f"[{low},{high}]" for low, high in spans]) + "}"


def _latest_columns(samples: EncodedSamples) -> tuple[str, ...]:
    latest = samples.latest
    rows = [row for _, row in latest]
    values = [row[4] for row in rows]
    kinds = {type(value) for value in values}
    nulls = "{" + ",".join(["NULL"] * len(values)) + "}"
    if kinds == {float}:
        numbers, wholes = number_array(values), nulls
    else:
        numbers = number_array(value if type(value) in _NUMBERS else None for value in values)
        wholes = number_array(value if _needs_whole(value) else None for value in values)
    return (
        whole_array(series_id for series_id, _ in latest),
        whole_array(row[1] for row in rows),
        whole_array(row[0] for row in rows),
        whole_array(row[3] for row in rows),
        numbers,
        wholes,
        bool_array(value if type(value) is bool else None for value in values) if bool in kinds else nulls,
        bool_array(is_suspect(row[0], row[3]) for row in rows),
        text_array(value if type(value) is str else None for value in values) if str in kinds else nulls,
    )


_NUMBERS: Final = frozenset({int, float})


def _needs_whole(value: object) -> bool:
    return type(value) is int and not -EXACT_IN_DOUBLE <= value <= EXACT_IN_DOUBLE


def _rejected_columns(rows: Sequence[RejectedRow], outcomes: dict[ClaimKey, ClaimOutcome]) -> list[list[Any]]:
    """Merge what came several times; rows of an epoch that does not exist were never judged, and are left out."""
    merged: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        if row.epoch and (row.client_id, row.epoch) not in outcomes:
            continue
        digest = sha256(row.raw).digest()
        seq = row.sequence_no or 0
        key = (row.client_id, row.epoch, seq, row.refusal.code.value, digest)
        at = from_us(row.received_us)
        held = merged.get(key)
        if held is None:
            merged[key] = [row.client_id, row.topic, row.epoch, seq, row.refusal.code.value]
            merged[key] += [row.refusal.detail, row.raw, digest, 1, at, at]
        else:
            held[8] += 1
            held[10] = max(held[10], at)
    ordered = [merged[key] for key in sorted(merged)]
    return [list(column) for column in zip(*ordered, strict=True)] or [[] for _ in range(11)]


def _duplicates(batch: Batch, outcomes: dict[ClaimKey, ClaimOutcome]) -> int:
    return batch.duplicates + sum(outcome.known.count for outcome in outcomes.values())
