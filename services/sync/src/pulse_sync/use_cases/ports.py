"""What sync's use cases need from the outside, as roles. Adapters: `storage`, `messaging`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from pulse_contracts.operations import Operation, OperationOutcome
from pulse_contracts.sync import AppliedConfig, PasswordVerifier, Report, Revocation
from pulse_sync.domain.page_position import PagePosition
from pulse_sync.domain.revocations import RevocationDraft
from pulse_sync.domain.rows import DueRow, LogRow, RowKey

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

    async def rescope_rows(self, keys: Collection[RowKey], at: datetime) -> Rescoped:
        """Bring these roles and permissions, which came or ended, into and out of every scope.

        It costs by these rows and not by what is in scope; the same as `rescope` of all when nothing else has changed.
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


# -- what desktops ask ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Desktop:
    """A device that enrolled with keys, as identity has it now."""

    device_id: str
    sign_jwk: Mapping[str, Any] = field(repr=False)
    seal_key: str
    is_workstation: bool
    is_active: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the log is, and who asks (None: nobody we know). `is_scoped`: its scope has been worked out."""

    head: int
    horizon: int
    revocation_no: int
    desktop: Desktop | None
    is_scoped: bool


@dataclass(frozen=True, slots=True)
class DueQuestion:
    """Which rows of a desktop's scope to send: what changed after `since`, or (live only) all that it has.

    `gap` is how far the log is ahead of `since`.
    """

    since: int
    gap: int
    is_live_only: bool
    position: PagePosition
    limit: int


@dataclass(frozen=True, slots=True)
class RoleRights:
    """A role as a lease names it."""

    name: str
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checksum:
    """Rows in scope and the sum of their digests, by entity, as they were when the log was at `head`."""

    head: int
    entities: Mapping[str, tuple[int, str]]


class ScopeReader(Protocol):
    """Reads what a desktop may have. Raises UnavailableError."""

    async def standing(self, device_id: str) -> Standing:
        """Return where the log is and who asks."""
        ...

    async def revocations(self, device_id: str, position: PagePosition, limit: int) -> Sequence[Revocation]:
        """Return the newest revocation of each user who is or was in this scope, by number.

        Of those up to `position.revoked_until`, what lies above `position.revocations_sent`.
        """
        ...

    async def due_rows(self, device_id: str, question: DueQuestion) -> Sequence[DueRow]:
        """Return rows after the question's position, in the order of entity and id.

        Beside what is due: users in scope, all of them when leases are renewed, else those revoked since.
        """
        ...

    async def known_rows(self, device_id: str, keys: Collection[RowKey]) -> Mapping[RowKey, bool]:
        """Return those of these rows that are in the scope (True), or were in it and have ended (False)."""
        ...

    async def role_rights(self, role_ids: Collection[str]) -> Mapping[str, RoleRights]:
        """Return what these roles allow; one that is gone is missing."""
        ...

    async def checksum(self, device_id: str) -> Checksum:
        """Return the checksum of this desktop's scope."""
        ...


class Verifiers(Protocol):
    """Knows how each desktop checks its users' passwords."""

    async def verifiers(self, desktop: Desktop, versions: Mapping[str, int]) -> Mapping[str, PasswordVerifier | None]:
        """Return the verifier of each of these users at these versions, None for one who has no password.

        A user of whom it cannot be known now is missing.
        """
        ...


class PeopleOwner(Protocol):
    """Identity, which owns users and roles."""

    async def apply(self, device_id: str, operations: Sequence[str]) -> Sequence[OperationOutcome]:
        """Apply operations in this order; one outcome for each. Raises UnavailableError: then nothing is known."""
        ...

    async def restore(self, actor: UUID, entity: str, row_id: str, fields: Mapping[str, Any]) -> None:
        """Make these fields stand as a new edit by `actor`. Raises PulseError when that is refused."""
        ...


class ConfigOwner(Protocol):
    """The owner of configuration entries, here in this service."""

    async def apply(self, desktop: Desktop, operation: Operation) -> OperationOutcome:
        """Apply one operation, idempotent by its id, with the actor's rights of now. Raises UnavailableError."""
        ...

    async def restore(self, actor: UUID, row_id: str, fields: Mapping[str, Any]) -> None:
        """Make these fields stand as a new edit by `actor`. Raises PulseError when that is refused."""
        ...


class AppliedConfigs(Protocol):
    """Knows which config entries are in force where."""

    async def note(self, desktop_id: str, applied: Sequence[AppliedConfig], at: datetime) -> None:
        """Note what a desktop made of its entries. Raises UnavailableError."""
        ...


OutcomeNote = tuple[Operation | None, OperationOutcome]
"""An operation and what became of it; None for one whose signature or form was bad, of which nothing can be believed."""


class DesktopBook(Protocol):
    """What desktops said and what became of their operations. Raises UnavailableError."""

    async def note_report(self, device_id: str, report: Report, at: datetime) -> None:
        """Note how far a desktop is."""
        ...

    async def note_refusal(self, device_id: str, code: str, at: datetime) -> None:
        """Note in the sync log that a pull could not be served."""
        ...

    async def accepted(self, device_id: str, op_ids: Collection[UUID]) -> frozenset[UUID]:
        """Return those of these operations that the owner of their row has taken before, and not rejected."""
        ...

    async def note_outcomes(self, device_id: str, outcomes: Sequence[OutcomeNote], at: datetime) -> Mapping[UUID, UUID]:
        """Log outcomes, once for each operation, and keep their conflicts; return conflict ids by operation."""
        ...
