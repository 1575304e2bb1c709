"""All that the routes call, in one place that `app` fills, and how a route gets at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from pulse_commands.use_cases.cancel_command import CancelCommand
from pulse_commands.use_cases.find_commands import FindCommands
from pulse_commands.use_cases.read_catalogue import ReadCatalogue
from pulse_commands.use_cases.send_commands import SendCommands
from pulse_contracts.frames import LivePosition
from pulse_contracts.sync import ServiceKeys


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the service does for people, ready to be called."""

    send_commands: SendCommands
    cancel_command: CancelCommand
    find_commands: FindCommands
    read_catalogue: ReadCatalogue
    keys: ServiceKeys
    live_position: Callable[[], Awaitable[LivePosition | None]]


async def use_cases_of(request: Request) -> UseCases:
    """Return the use cases of the app that a request came to."""
    return cast("UseCases", request.app.state.use_cases)


Given = Annotated[UseCases, Depends(use_cases_of)]
