"""Where people's dashboards and preferences are kept: the roles that the use cases need."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from pulse_contracts.audit import AuditEvent
from pulse_gateway.domain.saved_dashboard import Dashboard, Preferences


class PersonalReads(Protocol):
    """One view of what is kept."""

    async def dashboards(self, user_id: UUID) -> Sequence[Dashboard]:
        """Return a person's dashboards, the oldest first."""
        ...

    async def preferences(self, user_id: UUID) -> Preferences | None:
        """Return a person's preferences; None: never saved."""
        ...


class PersonalUnit(PersonalReads, Protocol):
    """One transaction."""

    async def take_turn(self, user_id: UUID) -> None:
        """Wait until nobody else changes what this person keeps."""
        ...

    async def save_dashboard(self, dashboard: Dashboard) -> None:
        """Add a dashboard, or put it in the place of the one with its id."""
        ...

    async def delete_dashboard(self, dashboard_id: UUID) -> None:
        """Delete a dashboard."""
        ...

    async def save_preferences(self, kept: Preferences) -> None:
        """Keep a person's preferences."""
        ...

    async def forget_strangers(self) -> None:
        """Delete what is kept for people whom identity does not know any more."""
        ...

    async def tell_audit(self, event: AuditEvent) -> None:
        """Tell the audit log in this transaction."""
        ...


class PersonalStore(Protocol):
    """Begins transactions. Raises UnavailableError while the database is away."""

    def read(self) -> AbstractAsyncContextManager[PersonalReads]:
        """Give a view of what is kept."""
        ...

    def change(self) -> AbstractAsyncContextManager[PersonalUnit]:
        """Give a transaction; it is committed when the block ends."""
        ...
