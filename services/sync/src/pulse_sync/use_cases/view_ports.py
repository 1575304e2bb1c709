"""What people look at and decide over HTTP: desktops, the sync log and conflicts, as far as they may see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class DeviceScope:
    """Whose devices somebody sees: those that `viewer` may use; None: all."""

    viewer: UUID | None


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a list."""

    limit: int
    offset: int


class DesktopSort(StrEnum):
    """In which order desktops are listed; a minus turns it around. Equals follow by id."""

    ID = "device_id"
    NAME = "name"
    NAME_DOWN = "-name"
    LAG = "lag"
    LAG_DOWN = "-lag"
    PENDING = "pending"
    PENDING_DOWN = "-pending"
    CONFLICTS = "conflicts"
    CONFLICTS_DOWN = "-conflicts"
    LAST_SYNC = "last_sync_at"
    LAST_SYNC_DOWN = "-last_sync_at"


@dataclass(frozen=True, slots=True)
class DesktopFilter:
    """Which of the desktops."""

    search: str | None = None
    is_lagging: bool | None = None
    sort: DesktopSort = DesktopSort.ID


@dataclass(frozen=True, slots=True)
class DesktopView:
    """How far one desktop is."""

    device_id: str
    name: str
    is_active: bool
    is_workstation: bool
    cursor: int
    head: int
    lag: int
    pending: int
    conflicts: int
    last_sync_at: datetime | None
    config_lag: int
    error: str | None


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines of the sync log."""

    desktop_id: str | None = None
    direction: str | None = None
    entity: str | None = None
    row_id: str | None = None
    source: str | None = None
    status: str | None = None
    begins: datetime | None = None
    ends: datetime | None = None


@dataclass(frozen=True, slots=True)
class LogView:
    """One line of the sync log."""

    id: int
    desktop_id: str | None
    direction: str
    op_id: UUID | None
    entity: str | None
    row_id: str | None
    source: str
    status: str
    error: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class ConflictFilter:
    """Which of the conflicts; `is_open` None: both kinds."""

    is_open: bool | None = None
    desktop_id: str | None = None
    entity: str | None = None
    winner: str | None = None


@dataclass(frozen=True, slots=True)
class ConflictView:
    """Both sides of a conflict."""

    id: UUID
    desktop_id: str
    op_id: UUID
    entity: str
    row_id: str
    actor: UUID
    winner: Literal["desktop", "server"]
    desktop_fields: Mapping[str, Any]
    desktop_stamp: str
    server_fields: Mapping[str, Any]
    server_stamp: str
    server_updated_by: str | None
    applied: Sequence[str]
    at: datetime
    resolution: Literal["restored", "dismissed"] | None
    resolved_by: UUID | None
    resolved_at: datetime | None


class SyncViews(Protocol):
    """Reads what people look at. Raises UnavailableError."""

    async def desktops(
        self, scope: DeviceScope, wanted: DesktopFilter, part: Part
    ) -> tuple[Sequence[DesktopView], int]:
        """Return desktops and how many match."""
        ...

    async def desktop(self, scope: DeviceScope, device_id: str) -> DesktopView:
        """Return one; raises NotFoundError, also for one out of sight."""
        ...

    async def log(self, scope: DeviceScope, wanted: LogFilter, part: Part) -> tuple[Sequence[LogView], int]:
        """Return lines, newest first, and how many match."""
        ...

    async def conflicts(
        self, scope: DeviceScope, wanted: ConflictFilter, part: Part
    ) -> tuple[Sequence[ConflictView], int]:
        """Return conflicts, newest first, and how many match."""
        ...

    async def conflict(self, scope: DeviceScope, conflict_id: UUID) -> ConflictView:
        """Return one; raises NotFoundError, also for one out of sight."""
        ...


class OpenConflict(Protocol):
    """A conflict that is held so that nobody else resolves it."""

    @property
    def view(self) -> ConflictView:
        """Return both sides."""
        ...

    async def resolve(self, resolution: Literal["restored", "dismissed"], by: UUID, at: datetime) -> ConflictView:
        """Mark it, and tell the audit log; return what it has become."""
        ...


class ConflictBook(Protocol):
    """Where conflicts are resolved."""

    def settling(self, scope: DeviceScope, conflict_id: UUID) -> AbstractAsyncContextManager[OpenConflict]:
        """Hold one that is open; what was resolved is kept at the end, or nothing is.

        Raises NotFoundError, ConflictError when it is resolved or being resolved.
        """
        ...


class ForceBook(Protocol):
    """Tells the audit log that somebody forced a sync."""

    async def note_forced(self, device_id: str, at: datetime) -> None:
        """Tell it. Raises UnavailableError."""
        ...
