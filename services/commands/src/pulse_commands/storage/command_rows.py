"""Commands, steps and events as rows, and back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pulse_commands.domain.asking import Schedule
from pulse_commands.domain.command import By, Changed, Command, Step
from pulse_commands.domain.life import Life
from pulse_commands.storage.tables import commands
from pulse_contracts.commands import CommandError, CommandState
from pulse_contracts.streams import CommandChanged

COMMAND_COLUMNS = tuple(column for column in commands.c if column.name != "token")
"""A token is read only where it is published."""


def command_of(row: sa.Row[Any]) -> Command:
    """Return the command of a row."""
    life = Life(
        state=CommandState(row.state),
        has_started=row.has_started,
        progress=row.progress,
        message=row.message,
        told_at_ms=row.told_at_ms,
        progress_steps=row.progress_steps,
        is_settled=row.is_settled,
    )
    return Command(
        id=row.id,
        batch_id=row.batch_id,
        device_id=row.device_id,
        name=row.name,
        args=row.args,
        counter=row.counter,
        actor_id=row.actor_id,
        actor_name=row.actor_name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        life=life,
        updated_at=row.updated_at,
        schedule=Schedule(row.published_at, row.attempts, row.ask_at, row.ask_until, row.heard_at),
        result=row.result,
        error=None if row.error is None else CommandError.model_validate(row.error),
    )


def changing(command: Command) -> dict[str, Any]:
    """Return the values that change during a command's life."""
    life, schedule = command.life, command.schedule
    return {
        "state": life.state.value,
        "updated_at": command.updated_at,
        "has_started": life.has_started,
        "progress": life.progress,
        "progress_steps": life.progress_steps,
        "message": life.message,
        "told_at_ms": life.told_at_ms,
        "is_settled": life.is_settled,
        "result": command.result,
        "error": None if command.error is None else command.error.model_dump(),
        "published_at": schedule.published_at,
        "attempts": schedule.attempts,
        "ask_at": schedule.ask_at,
        "ask_until": schedule.ask_until,
        "heard_at": schedule.heard_at,
    }


def new_row(command: Command, token: str) -> dict[str, Any]:
    """Return the row of a new command."""
    return {
        "id": command.id,
        "batch_id": command.batch_id,
        "device_id": command.device_id,
        "name": command.name,
        "args": command.args,
        "counter": command.counter,
        "actor_id": command.actor_id,
        "actor_name": command.actor_name,
        "created_at": command.created_at,
        "expires_at": command.expires_at,
        "token": token,
        **changing(command),
    }


def step_row(step: Step) -> dict[str, Any]:
    """Return the row of a step."""
    return {
        "id": step.id,
        "command_id": step.command_id,
        "state": step.state.value,
        "at": step.at,
        "device_at": step.told_at,
        "actor_kind": step.by.kind,
        "actor_id": step.by.id,
        "actor_name": step.by.name,
        "progress": step.progress,
        "detail": step.detail,
        "error_code": step.error_code,
    }


def step_of(row: sa.Row[Any]) -> Step:
    """Return the step of a row."""
    by = By(row.actor_kind, row.actor_id, row.actor_name)
    return Step(
        row.id,
        row.command_id,
        CommandState(row.state),
        row.at,
        by,
        row.device_at,
        row.progress,
        row.detail,
        row.error_code,
    )


def announced(changed: Changed) -> list[CommandChanged]:
    """Return what the streams are told of a command's steps: by whom a user's step was, else who sent the command."""
    command = changed.command
    return [
        CommandChanged(
            event_id=step.id,
            at=int(step.at.timestamp() * 1000),
            command_id=command.id,
            batch_id=command.batch_id,
            device_id=command.device_id,
            name=command.name,
            state=step.state.value,
            progress=step.progress,
            message=step.detail,
            error_code=step.error_code,
            actor_id=UUID(step.by.id) if step.by.kind == "user" and step.by.id else command.actor_id,
            actor_name=step.by.name if step.by.kind == "user" else command.actor_name,
        )
        for step in changed.steps
    ]
