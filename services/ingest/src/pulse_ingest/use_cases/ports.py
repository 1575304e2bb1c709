"""What the use cases need from the outside, as roles; `app.py` decides who plays them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from pulse_contracts.acks import Range, Welcome
from pulse_contracts.ids import ClientId
from pulse_contracts.presence import Hello
from pulse_contracts.streams import CompletenessReport, DeviceStatus, LateSpan
from pulse_ingest.domain.batch import Batch, Chunk, ClaimKey, Message
from pulse_ingest.domain.greeting import RenewalReason
from pulse_ingest.domain.presence import Sighting, StatusChange
from pulse_ingest.domain.ranges import Ranges
from pulse_ingest.domain.reading import Content, Metrics


@dataclass(frozen=True, slots=True)
class Device:
    """What ingest needs to know of a registered device."""

    client_id: ClientId
    is_active: bool
    key_digests: frozenset[bytes] = frozenset()
    """SHA-256 of each API key that is valid now."""


class DeviceRegistry(Protocol):
    """The registered devices, from a cache that is refreshed behind the caller's back."""

    def find(self, client_id: ClientId) -> Device | None:
        """Return the device, None when there is none; ask only after `learn`."""
        ...

    def unknown(self, client_ids: Iterable[ClientId]) -> list[ClientId]:
        """Return those about which nothing (or nothing recent) is known."""
        ...

    async def learn(self, client_ids: Sequence[ClientId]) -> None:
        """Look these up. Raises DeferredError when identity's data cannot be read and nothing older is at hand."""
        ...

    async def find_by_key(self, api_key: str) -> Device | None:
        """Return whose key this is, None when it is nobody's. Raises DeferredError."""
        ...

    async def writable_by(self, user_id: UUID, client_ids: Sequence[ClientId]) -> frozenset[ClientId]:
        """Return those of these devices that a user owns or may control. Raises DeferredError."""
        ...


@dataclass(slots=True)
class ClaimOutcome:
    """What became of a claim: the new rows, and how far the client's ledger reaches now."""

    cum: int
    fresh: list[Chunk] = field(default_factory=list)
    known: Ranges = Ranges.EMPTY
    """Sequences of the claim that the ledger had before."""


@dataclass(slots=True)
class StoredBatch:
    """A batch that is committed. A claim that is not in `outcomes` named an epoch that does not exist."""

    batch: Batch
    outcomes: dict[ClaimKey, ClaimOutcome]
    samples: int = 0
    """Values that are new in the table."""
    duplicates: int = 0
    """Readings that were here before, or twice in the batch."""
    seconds: float = 0.0
    """How long the commit took."""


class ReadingStore(Protocol):
    """Where readings, ledgers and refusals are kept."""

    async def store(self, batch: Batch) -> StoredBatch:
        """Commit a batch in one transaction.

        Raises DeferredError, PoisonError or TooManySeriesError; nothing is stored then.
        """
        ...


class TooManySeriesError(Exception):
    """Clients would get more metrics than a client may have. `allowed` are the metrics that each has."""

    def __init__(self, allowed: Mapping[ClientId, frozenset[str]]) -> None:
        super().__init__("too many metrics")
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the store decided about a hello."""

    epoch: int
    cum: int
    received: Ranges
    """Settled sequences from the client's oldest unacked one on."""
    head: tuple[int, int] | None
    renewed: RenewalReason | None
    came_online: bool
    hello_id: int | None
    """The hello that was decided."""
    is_repeated: bool = False
    """This hello, or a later one of the same instance, was decided before: nothing was decided now."""


class PresenceStore(Protocol):
    """Where it is kept who is heard, and who was when."""

    async def greet(self, hello: Hello, received_us: int) -> Greeting:
        """Decide about a hello and write it down. Raises DeferredError."""
        ...

    async def write(self, sightings: Sequence[Sighting]) -> list[StatusChange]:
        """Write down who was heard; return who came online. Raises DeferredError."""
        ...

    async def say_offline(
        self, client_id: ClientId, instance: str | None, at_us: int, reason: str
    ) -> StatusChange | None:
        """Take a client offline unless it was heard later, or another instance of it lives. Raises DeferredError."""
        ...

    async def sweep(self, now_us: int, silence_us: int, plain_silence_us: int) -> list[StatusChange]:
        """Take offline who was silent for too long; return them. Raises DeferredError."""
        ...

    async def completeness(self, client_ids: Sequence[ClientId]) -> dict[ClientId, CompletenessReport]:
        """Return how complete the newest epoch of each client is. Raises DeferredError."""
        ...


@dataclass(frozen=True, slots=True)
class AnnouncedRows:
    """What the live stream is told of a committed batch."""

    live: list[tuple[ClientId, int, int, Metrics]]
    """Client, recorded_at and received_at in microseconds, metrics."""
    late: list[LateSpan]


class LiveStream(Protocol):
    """The streams to the other services. Never waits for a Redis that is away: it counts and goes on."""

    async def announce(self, rows: AnnouncedRows, traceparents: Sequence[str] = ()) -> None:
        """Append to the telemetry stream, in this order, with the recorded traces that they belong to."""
        ...

    async def announce_devices(self, changes: Sequence[tuple[ClientId, DeviceStatus]]) -> bool:
        """Append to the devices stream; return False when that could not be done now."""
        ...


@dataclass(slots=True)
class AckDraft:
    """An ack of one (client, epoch); see `pulse_contracts.acks.Ack` for what its fields mean."""

    client_id: ClientId
    epoch: int
    cum: int = 0
    ok: list[Range] = field(default_factory=list)
    rej: list[tuple[int | None, str, str]] = field(default_factory=list)
    rows_s: int = 0
    window: int = 0
    unknown_epoch: bool = False
    is_limited: bool = False


class Downlink(Protocol):
    """The way down to the clients, and back to the broker. A lost ack or welcome is healed by the client's resend."""

    async def send_acks(self, drafts: Sequence[AckDraft]) -> None:
        """Send acks."""
        ...

    async def send_welcome(self, client_id: ClientId, welcome: Welcome) -> None:
        """Send the answer to a hello."""
        ...

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Tell the broker that these messages are dealt with; those that it did not bring are passed over."""
        ...


class BatchTrace(Protocol):
    """The recorded traces of one batch; most batches have none."""

    traceparents: Sequence[str]
    """What is announced of the batch carries these on."""

    def announced(self) -> None:
        """The live stream has it, or will not have it."""
        ...

    def settled(self) -> None:
        """Acks and PUBACKs are out."""
        ...


class BatchTraces(Protocol):
    """Decides which batches are traced."""

    def of(self, stored: StoredBatch) -> BatchTrace | None:
        """Begin the traces of a committed batch; None when nobody records it."""
        ...


class PayloadDecoder(Protocol):
    """Turns bytes into content."""

    def __call__(self, form: str, payload: bytes, received_us: int) -> Content:
        """Decode a payload of this form; never raises."""
        ...


Redactor = Callable[[bytes], bytes]
"""Takes API keys out of raw bytes."""


class Instruments(Protocol):
    """What is counted. Called once a batch, never once a message."""

    def batch_stored(self, stored: StoredBatch) -> None:
        """A batch was committed."""
        ...

    def batch_settled(self, oldest_seconds: float) -> None:
        """Acks and PUBACKs of a batch are out; its oldest message waited this long."""
        ...

    def store_deferred(self) -> None:
        """The database was not there, or not able."""
        ...

    def poison_found(self) -> None:
        """A message was refused because the database refused its data."""
        ...

    def hello_answered(self, greeting: Greeting) -> None:
        """A hello was answered."""
        ...
