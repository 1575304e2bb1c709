"""What the routes of rules and alarms call, in one place that `app` fills, and how a route gets at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from pulse_alerts.use_cases.change_alarm import ChangeAlarm
from pulse_alerts.use_cases.edit_rules import EditRules
from pulse_alerts.use_cases.find_alerts import FindAlerts
from pulse_alerts.use_cases.try_rule import TryRule
from pulse_contracts.frames import LivePosition


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the service does for people with rules and alarms, ready to be called."""

    find_alerts: FindAlerts
    change_alarm: ChangeAlarm
    edit_rules: EditRules
    try_rule: TryRule
    live_position: Callable[[], Awaitable[LivePosition | None]]


async def use_cases_of(request: Request) -> UseCases:
    """Return the use cases of the app that a request came to."""
    return cast("UseCases", request.app.state.use_cases)


Given = Annotated[UseCases, Depends(use_cases_of)]
