"""People's dashboards and preferences in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_chassis import outbox
from pulse_chassis.database import Database
from pulse_contracts.audit import AuditEvent
from pulse_contracts.streams import AUDIT_STREAM
from pulse_gateway.domain.saved_dashboard import Dashboard, Preferences
from pulse_gateway.storage.tables import dashboards, preferences
from pulse_gateway.use_cases.personal_ports import PersonalReads, PersonalUnit

_TAKE_TURN: Final = sa.text("select pg_advisory_xact_lock(hashtextextended('personal:' || :user_id, 0))")
_KNOWN: Final = "(select 1 from identity.user_authority u where u.user_id = kept.user_id)"
_FORGET: Final = tuple(
    sa.text(f"delete from gateway.{table} kept where not exists {_KNOWN}")  # noqa: S608 -- our own tables
    for table in ("dashboard", "preferences")
)


class PostgresPersonalUnit:
    """A `PersonalUnit` on one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def dashboards(self, user_id: UUID) -> Sequence[Dashboard]:
        """Return a person's dashboards, the oldest first."""
        wanted = sa.select(dashboards).where(dashboards.c.user_id == user_id)
        rows = await self._session.execute(wanted.order_by(dashboards.c.created_at, dashboards.c.id))
        return [Dashboard(**row) for row in rows.mappings()]

    async def preferences(self, user_id: UUID) -> Preferences | None:
        """Return a person's preferences; None: never saved."""
        rows = await self._session.execute(sa.select(preferences).where(preferences.c.user_id == user_id))
        row = rows.mappings().one_or_none()
        return None if row is None else Preferences(**row)

    async def take_turn(self, user_id: UUID) -> None:
        """Wait until nobody else changes what this person keeps."""
        await self._session.execute(_TAKE_TURN, {"user_id": str(user_id)})

    async def save_dashboard(self, dashboard: Dashboard) -> None:
        """Add a dashboard, or put it in the place of the one with its id."""
        changing = {
            "name": dashboard.name,
            "is_default": dashboard.is_default,
            "document": dict(dashboard.document),
            "version": dashboard.version,
            "updated_at": dashboard.updated_at,
        }
        statement = insert(dashboards).values(
            id=dashboard.id, user_id=dashboard.user_id, created_at=dashboard.created_at, **changing
        )
        await self._session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changing))

    async def delete_dashboard(self, dashboard_id: UUID) -> None:
        """Delete a dashboard."""
        await self._session.execute(sa.delete(dashboards).where(dashboards.c.id == dashboard_id))

    async def save_preferences(self, kept: Preferences) -> None:
        """Keep a person's preferences."""
        changing = {"document": dict(kept.document), "version": kept.version, "updated_at": kept.updated_at}
        statement = insert(preferences).values(user_id=kept.user_id, **changing)
        await self._session.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=changing))

    async def forget_strangers(self) -> None:
        """Delete what is kept for people whom identity does not know any more."""
        for statement in _FORGET:
            await self._session.execute(statement)

    async def tell_audit(self, event: AuditEvent) -> None:
        """Tell the audit log in this transaction."""
        await outbox.append(self._session, AUDIT_STREAM, event)


class PostgresPersonalStore:
    """Implements `PersonalStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def read(self) -> AsyncIterator[PersonalReads]:
        """Give a view of what is kept."""
        async with self._database.read() as session:
            yield PostgresPersonalUnit(session)

    @asynccontextmanager
    async def change(self) -> AsyncIterator[PersonalUnit]:
        """Give a transaction; it is committed when the block ends."""
        async with self._database.transaction() as session:
            yield PostgresPersonalUnit(session)
