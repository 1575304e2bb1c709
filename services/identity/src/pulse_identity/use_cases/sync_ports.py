"""What desktops' edits and keys need from outside; `ports` has the transaction that these stores are parts of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from pulse_contracts.operations import OperationOutcome, SyncedRow
from pulse_contracts.reconciliation import RowState
from pulse_identity.domain.desktops import Desktop, DesktopKeys

SyncedEntity = Literal["users", "roles"]


@dataclass(frozen=True, slots=True)
class KnownRow:
    """A synced row, or its tombstone: as the rule sees it, and as desktops see it."""

    state: RowState
    row: SyncedRow


class SyncedRowStore(Protocol):
    """Users and roles as sync sees them."""

    async def known(self, entity: SyncedEntity, row_id: UUID) -> KnownRow | None:
        """Return a row, locked until the transaction ends, or its tombstone; None: there never was one, or long ago."""
        ...

    async def row(self, entity: SyncedEntity, row_id: UUID) -> SyncedRow | None:
        """Return a row as it is now in this transaction, deleted or not."""
        ...

    async def forget_tombstones(self, before: datetime) -> int:
        """Delete tombstones of rows that were deleted before then; return how many."""
        ...


class OperationStore(Protocol):
    """Operations that were answered."""

    async def find(self, op_id: UUID) -> tuple[str, OperationOutcome] | None:
        """Return who sent an operation and how it was answered."""
        ...

    async def add(self, desktop_id: str, outcome: OperationOutcome, now: datetime) -> None:
        """Keep an answer."""
        ...

    async def forget(self, before: datetime) -> int:
        """Delete answers from before then; return how many."""
        ...


class DesktopStore(Protocol):
    """Desktops' keys, and whose people they are."""

    async def get(self, device_id: str) -> Desktop | None:
        """Return a desktop; None for a device without keys."""
        ...

    async def put_keys(self, device_id: str, keys: DesktopKeys, sealed_verifier_key: bytes, now: datetime) -> None:
        """Give a device keys, in place of those that it had."""
        ...

    async def remove_keys(self, device_id: str) -> None:
        """Take a device's keys away: it is no desktop any more."""
        ...

    async def has_access(self, device_id: str, user_id: UUID) -> bool:
        """Whether a user owns a device or has it shared with them."""
        ...

    async def password_hashes(self, device_id: str, user_ids: Sequence[UUID]) -> dict[UUID, str]:
        """Return the password hashes of those of these users who are active and have access to a device."""
        ...


class PasswordBoxStore(Protocol):
    """The key that passwords are sealed to on their way here, private half sealed."""

    async def get(self) -> tuple[str, bytes] | None:
        """Return the public key and the sealed private one; None before the first start."""
        ...

    async def add(self, public_key: str, sealed_private: bytes, now: datetime) -> None:
        """Keep the key; the first one stays."""
        ...


class PasswordBox(Protocol):
    """Opens what was sealed to identity's password key."""

    async def public_key(self) -> str:
        """Return what to seal to, in base 64."""
        ...

    async def open(self, sealed: str) -> str:
        """Return the password in a sealed box (base 64); raises InvalidError (`bad_password_box`)."""
        ...
