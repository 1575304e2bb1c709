"""Delete what is older than it has to be kept: ended commands with their steps, and refusals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pulse_chassis.clock import Clock
from pulse_commands.use_cases.ports import Work

ROWS_AT_ONCE: Final = 1_000


@dataclass(eq=False)
class ForgetOld:
    """Acts in small transactions, so that nobody waits for it."""

    work: Work
    clock: Clock
    commands_for: timedelta
    refusals_for: timedelta

    async def __call__(self) -> None:
        """Delete until nothing is too old. Raises UnavailableError."""
        now = self.clock.now()
        while True:
            async with self.work.change() as unit:
                rows = await unit.forget(now - self.commands_for, now - self.refusals_for, ROWS_AT_ONCE)
            if rows == 0:
                return
