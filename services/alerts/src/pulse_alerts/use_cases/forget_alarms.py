"""Delete cleared alarms, with their steps, that are older than they have to be kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pulse_alerts.use_cases.ports import Work
from pulse_chassis.clock import Clock

ROWS_AT_ONCE: Final = 1_000


@dataclass(eq=False)
class ForgetAlarms:
    """Acts in small transactions, so that nobody waits for it."""

    work: Work
    clock: Clock
    kept_for: timedelta

    async def __call__(self) -> None:
        """Delete until none is too old. Raises UnavailableError."""
        while True:
            async with self.work.change() as unit:
                rows = await unit.forget_alarms(self.clock.now() - self.kept_for, ROWS_AT_ONCE)
            if rows == 0:
                return
