"""A command as the service knows it, and what is kept of each of its steps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from pulse_commands.domain.asking import NOTHING_TRIED, Schedule
from pulse_commands.domain.life import Life
from pulse_contracts.commands import CommandError, CommandState


@dataclass(frozen=True, slots=True)
class By:
    """Who made a step: a user, the device, or the service itself."""

    kind: Literal["user", "device", "service"]
    id: str | None = None
    name: str | None = None


BY_SERVICE = By("service", "commands", "commands")


@dataclass(frozen=True, slots=True)
class Command:
    """One command to one device. Times are UTC; `counter` rises with each command of a device."""

    id: UUID
    batch_id: UUID
    device_id: str
    name: str
    args: dict[str, Any]
    counter: int
    actor_id: UUID
    actor_name: str
    created_at: datetime
    expires_at: datetime
    life: Life
    updated_at: datetime
    schedule: Schedule = NOTHING_TRIED
    result: Any = None
    error: CommandError | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a command's life, as it is written down and told."""

    id: UUID
    command_id: UUID
    state: CommandState
    at: datetime
    by: By
    told_at: datetime | None = None
    """The device's time, for a step that it reported."""
    progress: float | None = None
    detail: str | None = None
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A command as it is now, with the steps that made it so, in their order; without any only its schedule changed."""

    command: Command
    steps: tuple[Step, ...] = ()


def stepped(command: Command, life: Life, by: By, at: datetime, detail: str | None = None) -> Changed:
    """Return a command after a step that the service or a user made."""
    step = Step(uuid4(), command.id, life.state, at, by, detail=detail)
    return Changed(replace(command, life=life, updated_at=at), (step,))


@dataclass(frozen=True, slots=True)
class Refused:
    """A device that a command was not sent to, and why."""

    device_id: str
    code: str
    detail: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one request sent."""

    id: UUID
    actor_id: UUID
    actor_name: str
    name: str
    created_at: datetime
    refused: tuple[Refused, ...] = ()
    counts: dict[CommandState, int] = field(default_factory=dict)
    """How many of its commands, of those that the asker sees, are in which state."""
