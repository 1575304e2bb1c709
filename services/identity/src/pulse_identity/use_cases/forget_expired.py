"""Deleting what has expired, so that tables stay as small as what is in use."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_contracts.sync import TOMBSTONE_SECONDS
from pulse_identity.use_cases.apply_operations import KEPT as OPERATIONS_KEPT
from pulse_identity.use_cases.ports import Work

KEPT: Final = timedelta(days=1)
"""Expired rows stay for a day, for whoever looks into an incident."""
TOMBSTONES_KEPT: Final = timedelta(seconds=TOMBSTONE_SECONDS)
_log = get_logger("housekeeping")


class ForgetExpired:
    """Deletes expired sessions, refresh tokens, enrolment codes, tombstones and answers to operations."""

    def __init__(self, work: Work, clock: Clock) -> None:
        self._work = work
        self._clock = clock

    async def __call__(self) -> None:
        """Make one pass."""
        now = self._clock.now()
        before = now - KEPT
        async with self._work() as unit:
            gone = await unit.sessions.forget(before) + await unit.shares.forget_codes(before)
            gone += await unit.synced_rows.forget_tombstones(now - TOMBSTONES_KEPT)
            gone += await unit.operations.forget(now - OPERATIONS_KEPT)
        if gone:
            _log.info("expired_rows_deleted", count=gone)
