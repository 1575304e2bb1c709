"""Where conflicts are resolved: held by a row lock, marked and told to the audit log in one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_chassis import outbox
from pulse_chassis.audit_events import audit_event
from pulse_chassis.database import Database
from pulse_chassis.errors import ConflictError
from pulse_contracts.audit import AuditResource
from pulse_contracts.streams import AUDIT_STREAM
from pulse_sync.storage.sync_views import conflict_view, one_conflict
from pulse_sync.use_cases.view_ports import ConflictView, DeviceScope, OpenConflict

_SERVICE: Final = "sync"
_RESOLVE: Final = text(
    "update sync.sync_conflict set resolution = :resolution, resolved_by = :by, resolved_at = :at where id = :id"
)


class PostgresConflictBook:
    """The `ConflictBook` and `ForceBook` of production."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def settling(self, scope: DeviceScope, conflict_id: UUID) -> AsyncIterator[OpenConflict]:
        """Hold one that is open."""
        async with self._database.transaction() as session:
            try:
                row = await one_conflict(session, scope, conflict_id, lock="for update nowait")
            except DBAPIError as error:
                if isinstance(_driver_error(error), asyncpg.LockNotAvailableError):
                    message = "somebody is resolving this conflict"
                    raise ConflictError(message, code="conflict_being_resolved", retry_after=1.0) from error
                raise
            view = conflict_view(row)
            if view.resolution is not None:
                message = f"this conflict has been {view.resolution} already"
                raise ConflictError(message, code="conflict_resolved")
            yield _HeldConflict(session, view)

    async def note_forced(self, device_id: str, at: datetime) -> None:
        """Tell the audit log."""
        event = audit_event(_SERVICE, "desktop.sync_forced", AuditResource(type="device", id=device_id), at)
        async with self._database.transaction() as session:
            await outbox.append(session, AUDIT_STREAM, event)


class _HeldConflict:
    """A conflict whose row is locked by a session."""

    def __init__(self, session: AsyncSession, view: ConflictView) -> None:
        self._session = session
        self._view = view

    @property
    def view(self) -> ConflictView:
        """Return both sides."""
        return self._view

    async def resolve(self, resolution: Literal["restored", "dismissed"], by: UUID, at: datetime) -> ConflictView:
        """Mark it, and tell the audit log."""
        view = self._view
        given: dict[str, Any] = {"id": view.id, "resolution": resolution, "by": by, "at": at}
        await self._session.execute(_RESOLVE, given)
        told = {"desktop": view.desktop_id, "entity": view.entity, "row": view.row_id, "winner": view.winner}
        resource = AuditResource(type="conflict", id=str(view.id))
        event = audit_event(_SERVICE, f"conflict.{resolution}", resource, at, after=told)
        await outbox.append(self._session, AUDIT_STREAM, event)
        return replace(view, resolution=resolution, resolved_by=by, resolved_at=at)


def _driver_error(error: DBAPIError) -> BaseException | None:
    return error.orig.__cause__ if error.orig is not None else None
