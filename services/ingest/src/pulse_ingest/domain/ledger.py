"""The ledger of one (client, epoch): which sequences are here, refused or declared lost, and what follows from it.

PostgreSQL keeps the same ledger as `int8multirange` columns and applies the same algebra under a row lock
(`storage/`); this is the algebra in words, used by the in-memory store and as the model that tests compare with.
Sequences up to `origin` were settled before the epoch began; those in `carried` are settled in a later epoch, so they
are no holes here, yet never part of an ack: another instance may still be sending under this epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pulse_ingest.domain.ranges import Ranges


@dataclass(frozen=True, slots=True)
class Ledger:
    """An immutable value: `extend` returns the next one."""

    origin: int = 0
    received: Ranges = field(default=Ranges.EMPTY)
    rejected: Ranges = field(default=Ranges.EMPTY)
    lost: Ranges = field(default=Ranges.EMPTY)
    carried: Ranges = field(default=Ranges.EMPTY)

    @property
    def known(self) -> Ranges:
        """What must not be stored again."""
        return self.received | self.rejected

    @property
    def settled(self) -> Ranges:
        """What the client may delete."""
        before = Ranges.of((1, self.origin)) if self.origin else Ranges.EMPTY
        return before | self.received | self.rejected | self.lost

    @property
    def cum(self) -> int:
        """The highest n with 1..n all settled."""
        return self.settled.prefix_from_one()

    @property
    def highest(self) -> int:
        """The highest sequence heard of, `origin` when none was."""
        return max(self.origin, (self.received | self.rejected | self.lost).highest or 0)

    @property
    def missing(self) -> Ranges:
        """Sequences below the highest that nobody accounts for."""
        if self.highest <= self.origin:
            return Ranges.EMPTY
        return Ranges.of((self.origin + 1, self.highest)) - self.settled - self.carried

    @property
    def lost_for_good(self) -> Ranges:
        """Declared lost, and did not come after all."""
        return self.lost - self.received - self.rejected

    def extend(self, received: Ranges, rejected: Ranges, lost: Ranges) -> Ledger:
        """Return the ledger with these sequences in it."""
        return replace(
            self,
            received=self.received | (received - self.rejected),
            rejected=self.rejected | (rejected - self.received - received),
            lost=self.lost | lost,
        )

    def carry(self, first: int, before: int) -> Ledger:
        """Return the ledger with [first, before) settled in a later epoch."""
        return replace(self, carried=self.carried | Ranges.of((first, before - 1))) if first < before else self
