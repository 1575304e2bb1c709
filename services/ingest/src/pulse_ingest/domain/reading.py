"""What a payload turns out to hold once it was decoded: rows of a ledgered run, losses, or a plain reading.

These are built on the hot path, so a row is a bare tuple and a run keeps its rows in contiguous parts instead of giving
each row its sequence. Values were validated by whoever built them; nothing here checks again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pulse_contracts.ids import ClientId
from pulse_ingest.domain.acceptance import Refusal

Value = bool | int | float | str
Metrics = dict[str, Value]
Row = tuple[int, Metrics]
"""recorded_at in microseconds since 1970 (UTC), metrics."""
Part = tuple[int, list[Row]]
"""The sequence of the first row, and rows without a gap."""
Loss = tuple[int, int, str]
"""First and last sequence that a client dropped, and why."""


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row of a run that was refused alone. `raw` is its JSON."""

    sequence_no: int
    refusal: Refusal
    raw: bytes


@dataclass(slots=True)
class Run:
    """Rows that enter the ledger of `epoch`. `claimed_id` and `api_key` only come from the named object form."""

    epoch: int
    parts: list[Part]
    refused: list[RefusedRow] | None = None
    claimed_id: str | None = None
    api_key: str | None = field(default=None, repr=False)

    @property
    def rows(self) -> int:
        """How many rows came, good and bad."""
        return sum(len(rows) for _, rows in self.parts) + (len(self.refused) if self.refused else 0)


@dataclass(slots=True)
class Losses:
    """Sequences that the client dropped by its own policy and says so."""

    epoch: int
    lost: list[Loss]


@dataclass(slots=True)
class PlainReading:
    """A reading outside any ledger. `sequence_no` is 0 where the device gives none."""

    sequence_no: int
    recorded_us: int
    metrics: Metrics
    claimed_id: str | None = None
    api_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class OverLimit:
    """A ledgered message beyond the client's rate: neither stored nor acked, so that its outbox sends it again."""

    epoch: int


Content = Run | Losses | PlainReading | OverLimit | Refusal


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A line of the rejected table. `raw` holds no API key."""

    client_id: ClientId
    topic: str
    epoch: int
    sequence_no: int | None
    refusal: Refusal
    raw: bytes
    received_us: int
