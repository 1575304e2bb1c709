"""Objects by key as the state topics show them: as JSON, each belonging to one device or, like settings for all, to none.

Who may see an object follows from its key alone, so that one that is gone can still be told of to the right people.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Generic, Protocol, TypeVar

from pulse_gateway.domain.stream_id import StreamId

ChangeT = TypeVar("ChangeT")


class StateEntry(Generic[ChangeT]):
    """One entry of a state's stream, decoded."""

    __slots__ = ("change", "id", "size")

    def __init__(self, entry_id: StreamId, size: int, change: ChangeT) -> None:
        self.id = entry_id
        self.size = size
        self.change = change


class KeyedBook(Protocol):
    """All objects of one topic."""

    def device_of(self, key: str) -> str | None:
        """Return the device that an object of this key belongs to; None when it is for everybody."""
        ...

    def json(self, key: str) -> str | None:
        """Return an object as JSON; None when there is none."""
        ...

    def keys(self, device_ids: Collection[str] | None) -> Iterable[str]:
        """Give the keys of what belongs to these devices, None meaning all, and of what is for everybody."""
        ...

    def keys_of(self, device_id: str) -> Iterable[str]:
        """Give the keys of what belongs to this device."""
        ...
