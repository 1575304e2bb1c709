"""A desktop's edit of a configuration entry, and what of it stands beside what happened meanwhile. Pure.

It is the one rule of `pulse_contracts.reconciliation`, with what follows from an entry being a single value: a deletion
takes back what was set and wins whichever side made it, and after it the entry may begin anew with the next version.
Guaranteed: whatever the order in which edits of the same version arrive, the same value stands in the end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from pulse_contracts.configuration import ConfigAddress
from pulse_contracts.operations import ConflictReport
from pulse_contracts.reconciliation import DELETED, Change, Decision, RowState, Winner, decide
from pulse_contracts.stamps import Stamp, next_stamp, stamp_milliseconds
from pulse_sync.domain.config_entries import ConfigEntry

VALUE: Final = "value"


@dataclass(frozen=True, slots=True)
class ConfigEdit:
    """What somebody at a desktop did to the version that they saw (0: to none); `stamp` is clamped already."""

    address: ConfigAddress
    base_version: int
    stamp: Stamp
    actor: str
    value: Any
    is_deletion: bool

    @property
    def change(self) -> Change:
        """The one thing that it does."""
        return Change(DELETED, is_revocation=True) if self.is_deletion else Change(VALUE)

    @property
    def mask(self) -> dict[str, Any]:
        """Its fields, as they are kept when it loses."""
        return {DELETED: True} if self.is_deletion else {VALUE: self.value}


def decide_edit(edit: ConfigEdit, before: ConfigEntry | None) -> Decision:
    """Decide whether an edit stands beside the entry as it is (None: there never was one)."""
    everything = Decision(frozenset({edit.change.key}))
    if before is None:
        return Decision(frozenset()) if edit.is_deletion else everything
    if before.is_deleted and not edit.is_deletion and edit.base_version in {0, before.version}:
        # Set anew by somebody who knows of no former value: stands, unless the entry was deleted after that.
        return everything if edit.stamp > before.stamp else Decision(frozenset(), Winner.SERVER)
    row = RowState(before.version, before.stamp, before.is_deleted)
    decision = decide(edit.base_version, edit.stamp, [edit.change], row)
    # An edit of an entry does but one thing: whoever's stands has won.
    return replace(decision, winner=Winner.DESKTOP) if decision.is_conflict and decision.apply else decision


def edited(edit: ConfigEdit, before: ConfigEntry | None) -> ConfigEntry:
    """Return the entry after an edit that stands. Which version that is, is counted here: a desktop may claim any."""
    stamp, version = edit.stamp, 1
    if before is not None:
        version = before.version + 1
        # A slow clock's edit of what it had seen is later all the same.
        stamp = stamp if stamp > before.stamp else next_stamp(before.stamp, stamp_milliseconds(stamp))
    value = None if edit.is_deletion else edit.value
    return ConfigEntry(edit.address, value, version, stamp, edit.actor, "desktop", is_deleted=edit.is_deletion)


def conflict_report(edit: ConfigEdit, before: ConfigEntry | None, decision: Decision) -> ConflictReport | None:
    """Return both sides of a conflict, whole; None without one."""
    if decision.winner is None or before is None:
        return None
    return ConflictReport(
        winner="desktop" if decision.winner is Winner.DESKTOP else "server",
        desktop_fields=edit.mask,
        desktop_stamp=edit.stamp,
        server_fields=before.fields,
        server_stamp=before.stamp,
        server_updated_by=before.updated_by,
        applied=sorted(decision.apply),
    )
