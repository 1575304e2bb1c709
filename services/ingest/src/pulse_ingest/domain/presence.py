"""Who was heard when: what is remembered of each client between two writes, and what a change of status says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pulse_contracts.ids import ClientId

Status = Literal["ONLINE", "OFFLINE"]


@dataclass(slots=True)
class Sighting:
    """The newest that is known of a client since it was last written down; None: nothing new."""

    client_id: ClientId
    seen_us: int
    heartbeat_us: int | None = None
    instance: str | None = None
    agent_version: str | None = None
    buffered: int | None = None
    clock_offset_ms: float | None = None


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A client came or went."""

    client_id: ClientId
    status: Status
    since_us: int
    last_seen_us: int
    reason: str | None = None


class SightingBook:
    """Conflates sightings: however often a client is heard, one line waits to be written. Bounded by the clients."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines: dict[ClientId, Sighting] = {}

    def saw(self, client_id: ClientId, seen_us: int) -> None:
        """Note that a client was heard. Called for each message."""
        line = self._lines.get(client_id)
        if line is None:
            self._lines[client_id] = Sighting(client_id, seen_us)
        elif seen_us > line.seen_us:
            line.seen_us = seen_us

    def line(self, client_id: ClientId, seen_us: int) -> Sighting:
        """Note that a client was heard, and return its line to write more into."""
        self.saw(client_id, seen_us)
        return self._lines[client_id]

    def take(self) -> list[Sighting]:
        """Return what waits, in the order of the clients' ids, and start anew."""
        lines = sorted(self._lines.values(), key=lambda line: line.client_id)
        self._lines = {}
        return lines

    def put_back(self, lines: list[Sighting]) -> None:
        """Return lines that could not be written; what came in the meantime is newer and wins."""
        for old in lines:
            new = self._lines.setdefault(old.client_id, old)
            if new is not old:
                _fill_gaps(new, old)


def _fill_gaps(new: Sighting, old: Sighting) -> None:
    for name in ("heartbeat_us", "instance", "agent_version", "buffered", "clock_offset_ms"):
        if getattr(new, name) is None:
            setattr(new, name, getattr(old, name))
