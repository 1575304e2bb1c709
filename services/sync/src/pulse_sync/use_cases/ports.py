"""What sync's use cases need from the outside, as roles. Adapters: `storage`, `messaging`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pulse_sync.domain.revocations import RevocationDraft
from pulse_sync.domain.rows import LogRow, RowKey

# -- writing the change log -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rescoped:
    """What a new look at scopes changed."""

    entities: frozenset[str] = frozenset()
    """Of the rows that entered or left somewhere."""
    left: tuple[tuple[str, str], ...] = ()
    """Desktop and user id, for each user who left the scope of a desktop."""
    gone: tuple[str, ...] = ()
    """Desktops that are no longer there."""


class LogWriter(Protocol):
    """One transaction on the change log. Nobody else writes to it until this one ends, so cursors are in commit order."""

    async def source_rows(self, keys: Collection[RowKey]) -> Mapping[RowKey, LogRow]:
        """Return what the owner of these rows has now; what is missing is deleted."""
        ...

    async def held_rows(self, keys: Collection[RowKey]) -> Mapping[RowKey, LogRow]:
        """Return what the log holds of these rows."""
        ...

    async def differing(self, limit: int) -> Sequence[RowKey]:
        """Return rows of which the log holds something else than their owner has, at most `limit`."""
        ...

    async def append(self, rows: Sequence[LogRow], at: datetime) -> int:
        """Give each row the next cursor, in this order, in place of what the log held; return the newest cursor."""
        ...

    async def holders_of(self, role_ids: Collection[str]) -> frozenset[str]:
        """Return the users who hold any of these roles, as the log has it."""
        ...

    async def desktops_of(self, user_ids: Collection[str]) -> frozenset[str]:
        """Return the desktops in whose scope these users are, or shall be."""
        ...

    async def rescope(self, desktops: Collection[str] | None, at: datetime) -> Rescoped:
        """Bring the scope of these desktops (None: of all, and the list of desktops) to what shall be now.

        A row that enters or leaves gets a new cursor for that desktop.
        """
        ...

    async def revoke(self, drafts: Sequence[RevocationDraft], at: datetime) -> None:
        """Number these revocations, in this order."""
        ...

    async def forget_before(self, at: datetime) -> None:
        """Forget ends of rows, revocations and log lines older than this, and note the horizon."""
        ...

    async def head(self) -> int:
        """Return the newest cursor."""
        ...


class ChangeLog(Protocol):
    """Where rows get their cursors."""

    def writing(self) -> AbstractAsyncContextManager[LogWriter]:
        """Give the log to one writer at a time; commit at the end, or nothing at all. Raises UnavailableError."""
        ...


class Pokes(Protocol):
    """Says on `sync/{entity}/update` that there is something new."""

    def touch(self, entities: Collection[str], cursor: int) -> None:
        """Have every desktop hear that these changed up to this cursor; several at once become one message each."""
        ...


class StateNews(Protocol):
    """Tells `pulse:sync` how far desktops are."""

    def note_log(self) -> None:
        """The log has grown: every desktop may lag."""
        ...

    def note_desktop(self, device_id: str) -> None:
        """This desktop has said something, or one of its conflicts has changed."""
        ...
