"""The chain of the audit log: each row's digest covers its entry, its number and the digest of the row before.

Whoever edits, deletes, inserts or moves a row breaks the chain at that row. Whoever also computes all later digests anew
breaks the next checkpoint, and whoever cuts off the end the head: both carry signatures that need a secret which is
not in the database.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from pulse_contracts.audit import AuditEvent, AuditOutcome

GENESIS: Final = bytes(32)
"""What the first row continues."""


@dataclass(frozen=True, slots=True)
class Link:
    """A place in the chain: so many rows, and the digest of the last one."""

    seq: int
    digest: bytes


START: Final = Link(0, GENESIS)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A stored row. `entry` is the canonical JSON of the event; `shown` are the columns that searches use."""

    seq: int
    entry: str
    previous: bytes
    digest: bytes
    shown: tuple[object, ...] = ()

    @property
    def link(self) -> Link:
        """The place of this row."""
        return Link(self.seq, self.digest)

    def event(self) -> AuditEvent:
        """Return what the row tells; raises ValueError when the entry is not one."""
        return AuditEvent.model_validate_json(self.entry)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A place in the chain, signed; the head is one that moves."""

    link: Link
    at: datetime
    signature: bytes

    def payload(self) -> bytes:
        """Return what is signed."""
        return checkpoint_payload(self.link, self.at)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows somebody asks for; `action` ending in `.*` means all of a thing, `actor` is an id or a name."""

    actor: str | None = None
    action: str | None = None
    resource: str | None = None
    outcome: AuditOutcome | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong: at which row, and what."""

    seq: int
    kind: Literal[
        "edited", "missing", "misplaced", "rewritten", "truncated", "forged_checkpoint", "unsigned", "no_head"
    ]
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found: how many rows are right, where they end, and the first fault."""

    rows: int
    checkpoints: int
    digest: bytes
    fault: Fault | None


def canonical(event: AuditEvent) -> str:
    """Return the one text of an event: keys sorted, no spaces, ASCII."""
    return json.dumps(event.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest_of(previous: bytes, seq: int, entry: str) -> bytes:
    """Return the digest of a row."""
    return hashlib.sha256(previous + seq.to_bytes(8, "big") + entry.encode()).digest()


def checkpoint_payload(link: Link, at: datetime) -> bytes:
    """Return what a signature over a place in the chain covers."""
    text = {"at": at.isoformat(), "digest": link.digest.hex(), "seq": link.seq, "what": "precisionpulse audit v1"}
    return json.dumps(text, sort_keys=True, separators=(",", ":")).encode()


def columns(event: AuditEvent) -> tuple[object, ...]:
    """Return the columns that searches use: id, time, service, actor (kind, id, name), action, resource, outcome."""
    return (
        event.id,
        event.at,
        _storable(event.service),
        event.actor.kind,
        _storable(event.actor.id),
        _storable(event.actor.name),
        _storable(event.action),
        _storable(event.resource.type),
        _storable(event.resource.id),
        event.outcome.value,
    )


def extend(last: Link, events: Iterable[AuditEvent]) -> list[AuditRow]:
    """Return the rows that continue the chain with these events; of equal ids the first."""
    rows: list[AuditRow] = []
    seen: set[UUID] = set()
    for event in events:
        if event.id in seen:
            continue
        seen.add(event.id)
        seq, entry = last.seq + 1, canonical(event)
        row = AuditRow(seq, entry, last.digest, digest_of(last.digest, seq, entry), columns(event))
        rows.append(row)
        last = row.link
    return rows


@dataclass(slots=True)
class ChainWalk:
    """Follows the chain row by row from its beginning, and stops at the first row that is not as it was written."""

    last: Link = START
    fault: Fault | None = None
    _signed: dict[int, bytes] = field(default_factory=dict)

    def expect(self, links: Iterable[Link]) -> None:
        """Say which places are known by signature."""
        self._signed |= {link.seq: link.digest for link in links}

    def take(self, row: AuditRow) -> bool:
        """Check the next row; False when it is at fault."""
        self.fault = self._fault_of(row)
        if self.fault is None:
            self.last = row.link
        return self.fault is None

    def end(self) -> Fault | None:
        """Say that there are no more rows; return the fault, if there is one."""
        longest = max(self._signed, default=0)
        if self.fault is None and longest > self.last.seq:
            self.fault = Fault(
                self.last.seq + 1, "truncated", f"the log ends here; a signature says that it had {longest} rows"
            )
        return self.fault

    def _fault_of(self, row: AuditRow) -> Fault | None:
        wanted = self.last.seq + 1
        if row.seq != wanted:
            return Fault(wanted, "missing", f"row {wanted} is not there; the next one is {row.seq}")
        is_whole = digest_of(row.previous, row.seq, row.entry) == row.digest
        if row.previous != self.last.digest:
            return self._misplaced(row, is_whole=is_whole)
        if not is_whole or not _is_shown_as_written(row):
            return Fault(row.seq, "edited", "its content does not match its digest, or its columns its content")
        if self._signed.get(row.seq, row.digest) != row.digest:
            return Fault(row.seq, "rewritten", "a signature says that this row had another digest")
        return None

    def _misplaced(self, row: AuditRow, *, is_whole: bool) -> Fault:
        if is_whole and self.last.seq > 0:
            # This row is as it was written, so the one before is not the one that it was written after.
            return Fault(self.last.seq, "edited", "its content and digest are not those that the next row continues")
        return Fault(row.seq, "misplaced", "it was not written after the row that now stands before it")


def _is_shown_as_written(row: AuditRow) -> bool:
    try:
        return columns(row.event()) == row.shown
    except ValueError:
        return False


def _storable(text: str | None) -> str | None:
    """Return a text that a column can hold; the entry keeps it as it was."""
    return None if text is None else text.replace("\0", "\N{REPLACEMENT CHARACTER}")
