"""The shapes of answers about sync. A field may be added; nothing else changes."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pulse_sync.use_cases.view_ports import ConflictView, DesktopView, LogView


class Answer(BaseModel):
    """An answer's body."""

    model_config = ConfigDict(frozen=True)


class DesktopAnswer(Answer):
    """How far one desktop is."""

    device_id: str
    name: str
    is_active: bool
    is_workstation: bool
    cursor: Annotated[int, Field(description="how far in the change log it is")]
    head: Annotated[int, Field(description="the change log's newest cursor")]
    lag: Annotated[int, Field(description="rows in its scope that it has to hear of")]
    pending: Annotated[int, Field(description="operations of its own that were not answered when it last reported")]
    conflicts: Annotated[int, Field(description="of its operations, not resolved yet")]
    last_sync_at: datetime | None
    config_lag: Annotated[int, Field(description="configuration entries that are not in force there")]
    error: str | None

    @classmethod
    def of(cls, view: DesktopView) -> DesktopAnswer:
        """Return the answer for a desktop."""
        return cls(**asdict(view))


class DesktopPage(Answer):
    """A page of desktops; `total` counts all that match."""

    items: list[DesktopAnswer]
    total: int
    page: int
    limit: int


class LogAnswer(Answer):
    """One line of the sync log. `web` are changes made on the server; they belong to no desktop."""

    id: int
    desktop_id: str | None
    direction: Literal["up", "down", "web"]
    op_id: UUID | None
    entity: str | None
    row_id: str | None
    source: str
    status: str
    error: str | None
    at: datetime

    @classmethod
    def of(cls, view: LogView) -> LogAnswer:
        """Return the answer for a line."""
        return cls.model_validate(asdict(view))


class LogPage(Answer):
    """A page of the sync log, newest first."""

    items: list[LogAnswer]
    total: int
    page: int
    limit: int


class ConflictAnswer(Answer):
    """Both sides of a conflict, whole."""

    id: UUID
    desktop_id: str
    op_id: UUID
    entity: str
    row_id: str
    actor: Annotated[UUID, Field(description="who edited on the desktop")]
    winner: Literal["desktop", "server"]
    desktop_fields: Annotated[dict[str, Any], Field(description="the desktop's edit; a password only as true")]
    desktop_stamp: str
    server_fields: Annotated[dict[str, Any], Field(description="the row before")]
    server_stamp: str
    server_updated_by: str | None
    applied: Annotated[list[str], Field(description="keys of the edit that were applied all the same")]
    at: datetime
    resolution: Literal["restored", "dismissed"] | None
    resolved_by: UUID | None
    resolved_at: datetime | None

    @classmethod
    def of(cls, view: ConflictView) -> ConflictAnswer:
        """Return the answer for a conflict."""
        return cls(**asdict(view))


class ConflictPage(Answer):
    """A page of conflicts, newest first."""

    items: list[ConflictAnswer]
    total: int
    page: int
    limit: int
