"""The one rule by which concurrent edits of a synced row converge (sync.md, 4). Pure; whoever owns a row applies it.

`base_version` equal to the row's version is a fast-forward. Anything else is a conflict: the later stamp wins, on a tie
the server; but a revocation (disable, delete, a role or permission taken away, a password reset) wins always, whichever
side made it; of two passwords the later one stands. A row's fields are told by keys: `email`, or `roles:<id>` for one
member of a set.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pulse_contracts.stamps import Stamp

DELETED: Final = "deleted"
"""The key of a row's end."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that an operation does to a row.

    `replaces` is a revocation that sets something new (a password): of two such, the later one stands.
    """

    key: str
    is_revocation: bool = False
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class RowState:
    """What the owner knows of a row: `revoked` is, by key, the version in which it was last revoked."""

    version: int
    stamp: Stamp
    is_deleted: bool = False
    revoked: Mapping[str, int] = field(default_factory=dict, hash=False)


class Winner(StrEnum):
    """Whose edit stands after a conflict."""

    DESKTOP = "desktop"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Decision:
    """Which keys of the operation to apply. `winner` is None without a conflict; else the loser is kept whole."""

    apply: frozenset[str]
    winner: Winner | None = None

    @property
    def is_conflict(self) -> bool:
        """Whether somebody else had changed the row since."""
        return self.winner is not None


def decide(base_version: int, stamp: Stamp, changes: Collection[Change], row: RowState) -> Decision:
    """Decide what an operation made on `base_version` at `stamp` (clamped) may still do to `row`."""
    keys = frozenset(change.key for change in changes)
    if row.is_deleted:
        # Whatever it wanted, the row is gone for good; deleting it once more loses nothing.
        return Decision(frozenset(), None if keys == {DELETED} else Winner.SERVER)
    if base_version == row.version:
        return Decision(keys)
    protected = frozenset(key for key, version in row.revoked.items() if version > base_version)
    revoking = frozenset(change.key for change in changes if change.is_revocation)
    if stamp > row.stamp:
        apply = (keys - protected) | revoking
        # Whoever may apply nothing has not won: the whole edit is what gets lost.
        return Decision(apply, Winner.DESKTOP if apply else Winner.SERVER)
    replacing = frozenset(change.key for change in changes if change.replaces)
    return Decision(revoking - (replacing & protected), Winner.SERVER)
