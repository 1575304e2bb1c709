"""The newest entries of a stream, in memory, and the decision whether a client can go on from an offset.

The ring always holds every entry behind `base`, and at least as many as may ever be replayed: an offset that is not in
it is beyond the limit anyway, or was never an entry. So the ring alone decides, and an offset whose entry is unknown is
never taken on trust: after trimming, a read would silently start behind the hole (gateway.md, resume, 2).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from pulse_contracts.frames import RESUME_MAX_BYTES, RESUME_MAX_ENTRIES, GapReason, Position
from pulse_gateway.domain.stream_id import START, StreamId, parse_stream_id

_DROPPED_AT_ONCE: Final = 64


class Entry(Protocol):
    """An entry of any stream."""

    @property
    def id(self) -> StreamId:
        """Its place in the stream."""
        ...

    @property
    def size(self) -> int:
        """Bytes of its JSON."""
        ...


EntryT = TypeVar("EntryT", bound=Entry)


@dataclass(frozen=True, slots=True)
class Recovered(Generic[EntryT]):
    """The client can go on; these are the entries that it missed."""

    missed: tuple[EntryT, ...]


@dataclass(frozen=True, slots=True)
class NotRecovered:
    """The client cannot go on from there."""

    reason: GapReason


class Ring(Generic[EntryT]):
    """The entries behind `base`, oldest first; bounded by entries and bytes, the oldest go first."""

    def __init__(self, max_entries: int = RESUME_MAX_ENTRIES, max_bytes: int = RESUME_MAX_BYTES) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: list[EntryT] = []
        self._ids: list[StreamId] = []
        self._first = 0
        self._bytes = 0
        self.base = START

    def __len__(self) -> int:
        return len(self._entries) - self._first

    @property
    def size(self) -> int:
        """Bytes of JSON held."""
        return self._bytes

    @property
    def last(self) -> StreamId:
        """The newest position known."""
        return self._ids[-1] if len(self) else self.base

    def reset(self, base: StreamId) -> None:
        """Forget everything; what comes next follows `base`."""
        self._entries, self._ids, self._first, self._bytes, self.base = [], [], 0, 0, base

    def append(self, entry: EntryT) -> None:
        """Add the next entry; drop from the old end what can never be asked for again."""
        self._entries.append(entry)
        self._ids.append(entry.id)
        self._bytes += entry.size
        while len(self) > self._max_entries or (self._bytes > self._max_bytes and len(self) > 1):
            oldest = self._entries[self._first]
            self.base = oldest.id
            self._bytes -= oldest.size
            self._first += 1
        if self._first > _DROPPED_AT_ONCE:
            # Amortised: deleting from a list's head costs as much as what is left. Few, for they live until then.
            del self._entries[: self._first], self._ids[: self._first]
            self._first = 0

    def after(self, offset: StreamId) -> Sequence[EntryT] | None:
        """Return all entries behind an offset, or None when it is neither `base` nor an entry held here."""
        if offset == self.base:
            return self._entries[self._first :]
        index = bisect_right(self._ids, offset, self._first)
        if index == self._first or self._ids[index - 1] != offset:
            return None
        return self._entries[index:]

    def resume(self, epoch: str, since: Position) -> Recovered[EntryT] | NotRecovered:
        """Decide by the rule: same epoch, an existing entry, at most so many entries and bytes since."""
        if since.epoch != epoch:
            return NotRecovered(GapReason.EPOCH)
        offset = parse_stream_id(since.offset)
        missed = None if offset is None else self.after(offset)
        if missed is None or len(missed) > self._max_entries or sum(entry.size for entry in missed) > self._max_bytes:
            return NotRecovered(GapReason.TRIMMED)
        return Recovered(tuple(missed))
