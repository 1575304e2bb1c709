"""A batch: what is committed together. Messages are added one by one and sorted into claims, plain rows and refusals.

Guaranteed: within a batch no sequence of a ledger appears twice (the first arrival wins), every message is in
`messages` in the order it was added, and adding never fails. It knows neither what the ledger holds (the store finds
out under its lock) nor how anything is written.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pulse_contracts.acks import Range
from pulse_contracts.ids import ClientId
from pulse_ingest.domain.acceptance import Refusal
from pulse_ingest.domain.ranges import Ranges
from pulse_ingest.domain.reading import Content, Loss, Losses, OverLimit, PlainReading, RejectedRow, Row, Run

ClaimKey = tuple[ClientId, int]
"""Client and epoch."""
Chunk = tuple[int, list[Row], int]
"""First sequence, contiguous rows, received_at in microseconds."""
PlainRow = tuple[ClientId, int, int, dict[str, Any], int]
"""Client, sequence (0: none), recorded_at, metrics, received_at; both times in microseconds."""


@dataclass(slots=True, eq=False)
class Message:
    """Something that arrived and has to be settled: an MQTT message, or one reading of an HTTP request.

    `receipt` belongs to whoever brought it (an MQTT message to acknowledge, a future to resolve); `content` is filled
    in when it is decoded.
    """

    client_id: ClientId
    topic: str
    form: str
    payload: bytes
    received_us: int
    receipt: Any = None
    content: Content | None = None


@dataclass(slots=True)
class Claim:
    """What a batch brings for one ledger."""

    client_id: ClientId
    epoch: int
    spans: list[Range] = field(default_factory=list)
    """Sequences of `chunks`, ascending and disjoint."""
    chunks: list[Chunk] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    lost: list[Loss] = field(default_factory=list)

    def add(self, first: int, rows: list[Row], received_us: int) -> int:
        """Take contiguous rows in; return how many of them were already claimed, and left out."""
        last = first + len(rows) - 1
        spans = self.spans
        if not spans:
            spans.append((first, last))
        elif first == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], last)
        elif first > spans[-1][1]:
            spans.append((first, last))
        else:
            return self._add_out_of_order(first, rows, received_us)
        self.chunks.append((first, rows, received_us))
        return 0

    def _add_out_of_order(self, first: int, rows: list[Row], received_us: int) -> int:
        claimed = Ranges.from_any(self.spans)
        wanted = Ranges.of((first, first + len(rows) - 1))
        fresh = wanted - claimed
        for low, high in fresh:
            self.chunks.append((low, rows[low - first : high - first + 1], received_us))
        self.spans = list((claimed | fresh).spans)
        return len(rows) - fresh.count

    @property
    def received(self) -> Ranges:
        """The sequences that `chunks` hold."""
        return Ranges.from_any(self.spans)

    def settled_but_rejected(self) -> Ranges:
        """Return what the client may delete when this is committed, less what it moves to its quarantine."""
        return Ranges.from_any([*self.spans, *((low, high) for low, high, _ in self.lost)])

    def rejected_spans(self) -> Ranges:
        """Return the sequences that were refused."""
        return Ranges.from_any((sequence, sequence) for sequence in self.rejected)

    def lost_spans(self) -> Ranges:
        """Return the sequences that are declared lost."""
        return Ranges.from_any((low, high) for low, high, _ in self.lost)

    def head(self) -> tuple[int, int] | None:
        """Return the highest claimed sequence and its recorded_at."""
        best: tuple[int, int] | None = None
        for first, rows, _ in self.chunks:
            last = first + len(rows) - 1
            if best is None or last > best[0]:
                best = (last, rows[-1][0])
        return best

    def without(self, known: Ranges) -> list[Chunk]:
        """Return the chunks less what the ledger knows already."""
        if not known:
            return self.chunks
        left: list[Chunk] = []
        for first, rows, received_us in self.chunks:
            for low, high in Ranges.of((first, first + len(rows) - 1)) - known:
                left.append((low, rows[low - first : high - first + 1], received_us))
        return left


class Batch:
    """Messages that are stored in one transaction, and what they amount to."""

    __slots__ = ("claims", "duplicates", "limited", "messages", "outcomes", "plain", "readings", "rejected")

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.claims: dict[ClaimKey, Claim] = {}
        self.plain: list[PlainRow] = []
        self.rejected: list[RejectedRow] = []
        self.limited: set[ClaimKey] = set()
        self.readings = 0
        self.duplicates = 0
        """Readings that came twice within the batch."""
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """How many messages of each (form, outcome)."""

    @classmethod
    def of(cls, messages: list[Message]) -> Batch:
        """Return the batch of these decoded messages."""
        batch = cls()
        for message in messages:
            batch.add(message)
        return batch

    def __len__(self) -> int:
        return len(self.messages)

    def add(self, message: Message) -> None:
        """Take a decoded message in."""
        self.messages.append(message)
        content = message.content
        kind = type(content)
        outcome = "accepted"
        if kind is Run:
            self._add_run(message, content)  # type: ignore[arg-type] # decided by the line above, faster than isinstance
        elif kind is PlainReading:
            self._add_plain(message, content)  # type: ignore[arg-type] # likewise
        elif isinstance(content, Losses):
            self._claim(message.client_id, content.epoch).lost.extend(content.lost)
        elif isinstance(content, OverLimit):
            self.limited.add((message.client_id, content.epoch))
            outcome = "deferred"
        elif isinstance(content, Refusal):
            self.refuse(message, content)
            outcome = "rejected"
        self.outcomes[message.form, outcome] += 1

    def refuse(self, message: Message, refusal: Refusal) -> None:
        """Write a whole message down as rejected."""
        self.rejected.append(
            RejectedRow(message.client_id, message.topic, 0, None, refusal, message.payload, message.received_us)
        )

    def _claim(self, client_id: ClientId, epoch: int) -> Claim:
        key = (client_id, epoch)
        claim = self.claims.get(key)
        if claim is None:
            claim = self.claims[key] = Claim(client_id, epoch)
        return claim

    def _add_run(self, message: Message, run: Run) -> None:
        claim = self._claim(message.client_id, run.epoch)
        for first, rows in run.parts:
            self.readings += len(rows)
            self.duplicates += claim.add(first, rows, message.received_us)
        for row in run.refused or ():
            claim.rejected.append(row.sequence_no)
            self.rejected.append(
                RejectedRow(
                    message.client_id,
                    message.topic,
                    run.epoch,
                    row.sequence_no,
                    row.refusal,
                    row.raw,
                    message.received_us,
                )
            )

    def _add_plain(self, message: Message, reading: PlainReading) -> None:
        self.readings += 1
        self.plain.append(
            (message.client_id, reading.sequence_no, reading.recorded_us, reading.metrics, message.received_us)
        )
