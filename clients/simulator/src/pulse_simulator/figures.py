"""What a run counted: the figures that are shown while it runs and summarised at its end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, Final


@dataclass(slots=True)
class Figures:
    """Readings (not metrics) of one kind of client, or of all.

    `acked` means: for agents committed in the server's database, for plain devices accepted by the broker.
    """

    clients: int = 0
    generated: int = 0
    sent: int = 0
    """Readings put on the wire, each sending counted."""
    acked: int = 0
    outstanding: int = 0
    """Kept or on their way, and not acknowledged yet."""
    resent: int = 0
    """Sendings beyond the first of each reading; the server must store none of them twice."""
    dropped: int = 0
    """Readings that a plain device had to give up: it has no link and no outbox."""
    unconfirmed: int = 0
    """Readings of plain devices that were sent without an answer: the broker may have them or not."""
    rejected: int = 0
    """Readings that the server refused for good, now in quarantine."""
    lost: int = 0
    """Readings that an agent's outbox refused or dropped, declared as lost."""
    skipped: int = 0
    """Beats missed because this machine was too slow."""
    connected: int = 0
    connections: int = 0

    @classmethod
    def sum(cls, parts: Iterable[Figures]) -> Figures:
        """Return the sum of all."""
        total = cls()
        for part in parts:
            for name in _NAMES:
                setattr(total, name, getattr(total, name) + getattr(part, name))
        return total


_NAMES: Final = tuple(field.name for field in fields(Figures))


@dataclass(frozen=True, slots=True)
class Summary:
    """A whole run: totals, what each kind did, and how the link was."""

    devices: Figures
    agents: Figures
    seconds: float
    outages: int
    outage_seconds: float
    drain_seconds: float | None
    """From the end of generation (and of the last outage) until nothing was outstanding; None if that never came."""

    @property
    def total(self) -> Figures:
        """Both kinds together."""
        return Figures.sum((self.devices, self.agents))

    @property
    def is_drained(self) -> bool:
        """Tell whether nothing is outstanding."""
        return self.total.outstanding == 0

    def as_json(self) -> dict[str, Any]:
        """Return the summary for machines: totals at the top, the two kinds below."""
        return {
            **asdict(self.total),
            "duplicates_resent": self.total.resent,
            "seconds": round(self.seconds, 3),
            "outages": self.outages,
            "outage_seconds": self.outage_seconds,
            "time_to_drain_seconds": None if self.drain_seconds is None else round(self.drain_seconds, 3),
            "devices": asdict(self.devices),
            "agents": asdict(self.agents),
        }
