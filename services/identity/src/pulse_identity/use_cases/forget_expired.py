"""Deleting what has expired, so that tables stay as small as what is in use."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_identity.use_cases.ports import Work

KEPT: Final = timedelta(days=1)
"""Expired rows stay for a day, for whoever looks into an incident."""
_log = get_logger("housekeeping")


class ForgetExpired:
    """Deletes expired sessions, refresh tokens and enrolment codes."""

    def __init__(self, work: Work, clock: Clock) -> None:
        self._work = work
        self._clock = clock

    async def __call__(self) -> None:
        """Make one pass."""
        before = self._clock.now() - KEPT
        async with self._work() as unit:
            gone = await unit.sessions.forget(before) + await unit.shares.forget_codes(before)
        if gone:
            _log.info("expired_rows_deleted", count=gone)
