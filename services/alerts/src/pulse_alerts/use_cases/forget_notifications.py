"""Forget what was sent long ago; what still waits is never forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pulse_alerts.use_cases.notification_ports import NotifierWork
from pulse_chassis.clock import Clock

PASS_ROWS: Final = 1_000


@dataclass(eq=False)
class ForgetNotifications:
    """A few rows at a time, so that nobody waits for it."""

    work: NotifierWork
    clock: Clock
    kept_for: timedelta

    async def __call__(self) -> None:
        """Delete what is older. Raises UnavailableError."""
        before = self.clock.now() - self.kept_for
        deleted = PASS_ROWS
        while deleted >= PASS_ROWS:
            async with self.work.change() as unit:
                deleted = await unit.forget(before, PASS_ROWS)
