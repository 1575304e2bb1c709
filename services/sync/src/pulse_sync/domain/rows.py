"""Synced rows: as their owner has them, as the change log holds them, and as they go down to one desktop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pulse_contracts.stamps import Stamp
from pulse_contracts.sync import row_digest

RowKey = tuple[str, str]
"""Entity and id."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row as it is now: what the change log is given. `stamp` and `version` are its owner's."""

    entity: str
    id: str
    version: int
    stamp: Stamp
    updated_by: str | None
    source: str
    fields: Mapping[str, Any]
    is_deleted: bool = False
    revoked: Mapping[str, int] = field(default_factory=dict)
    """By key, the version in which it was last revoked (`pulse_contracts.reconciliation.RowState`)."""

    @property
    def key(self) -> RowKey:
        """Entity and id."""
        return self.entity, self.id

    @property
    def digest(self) -> int:
        """What both sides sum up; 0 for a row that is gone, which nobody counts."""
        return 0 if self.is_deleted else row_digest(self.entity, self.id, self.version, dict(self.fields))

    def says_the_same(self, other: LogRow) -> bool:
        """Whether the log need not move on: same version, stamp, end and fields."""
        mine = (self.version, self.stamp, self.is_deleted, dict(self.fields))
        return mine == (other.version, other.stamp, other.is_deleted, dict(other.fields))

    def ended(self, stamp: Stamp) -> LogRow:
        """Return the end of this row: nobody has it any more."""
        return LogRow(
            self.entity, self.id, self.version + 1, max(stamp, self.stamp), None, self.source, {}, is_deleted=True
        )


@dataclass(frozen=True, slots=True)
class DueRow:
    """A row that a desktop has to hear of: in its scope, or (deleted) no longer. `size` is its fields' JSON in bytes."""

    row: LogRow
    is_member: bool
    size: int

    @property
    def is_gone(self) -> bool:
        """Whether the desktop must not have it any more."""
        return self.row.is_deleted or not self.is_member


def role_ids(row: LogRow) -> frozenset[str]:
    """Return the roles of a user's row."""
    return frozenset(str(role) for role in row.fields.get("roles") or ())
