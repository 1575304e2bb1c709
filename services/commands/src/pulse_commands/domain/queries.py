"""Which commands somebody asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pulse_contracts.commands import CommandState


@dataclass(frozen=True, slots=True)
class CommandFilter:
    """Which of the commands in scope; `start` is inclusive, `end` exclusive."""

    device_id: str | None = None
    states: tuple[CommandState, ...] = ()
    name: str | None = None
    batch_id: UUID | None = None
    actor_id: UUID | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list, newest first: what is older than `cursor`."""

    limit: int
    cursor: int | None = None
