"""What the audit log needs from outside."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from pulse_contracts.audit import AuditEvent
from pulse_identity.domain.audit_chain import AuditFilter, AuditRow, Checkpoint


class AuditLog(Protocol):
    """The table of all audit events. Nothing in it can be changed or removed through this."""

    async def append(self, events: Sequence[AuditEvent]) -> int:
        """Add those that are not there yet, in this order; return how many. Of several appenders one works at a time."""
        ...

    async def page(self, wanted: AuditFilter, before: int | None, limit: int) -> list[AuditRow]:
        """Return matching rows below number `before`, newest first."""
        ...

    def walk(self) -> AsyncGenerator[AuditRow, None]:
        """Give all rows in order, in a bounded amount of memory, as of one moment."""
        ...

    async def checkpoints(self) -> list[Checkpoint]:
        """Return all checkpoints, oldest first."""
        ...

    async def head(self) -> Checkpoint | None:
        """Return the head; None when nothing was ever written."""
        ...


class CheckpointSigner(Protocol):
    """Signs and verifies places in the chain, with a key that is not in the database."""

    def sign(self, payload: bytes) -> bytes:
        """Return the signature."""
        ...

    def is_ours(self, payload: bytes, signature: bytes) -> bool:
        """Whether this key signed that."""
        ...
