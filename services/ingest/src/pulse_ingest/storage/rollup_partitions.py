"""The partitions of `telemetry.rollup_minute`: one a month, from the oldest reading that is kept to next month.

What lies outside (a clock gone mad) stays in the default partition, and goes by age like everything else.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pulse_ingest.storage.partitions import (
    Partition,
    Upkeep,
    create_partition,
    delete_before,
    drop_partition,
    partitions_of,
    turn_of,
)

if TYPE_CHECKING:
    from pulse_ingest.storage.postgres_link import Connection, Pool

_PREFIX: Final = "rollup_minute_"
_LOCK_KEY: Final = "telemetry.rollup_partitions"
_DELETE_BY_AGE: Final = ("rollup_minute_default", "rollup_hour")


class RollupPartitions:
    """Keeps the partitions. Safe in several workers at once: one works, the others skip their round."""

    def __init__(self, pool: Pool, *, retention: timedelta, samples_kept: timedelta) -> None:
        self._pool = pool
        self._retention = retention
        self._samples_kept = samples_kept

    async def tend(self, now: datetime) -> Upkeep:
        """Create what will be needed and drop what is too old. Raises DeferredError."""
        async with turn_of(self._pool, _LOCK_KEY) as connection:
            return Upkeep() if connection is None else await self._tend(connection, now.astimezone(UTC))

    async def _tend(self, connection: Connection, now: datetime) -> Upkeep:
        existing = await partitions_of(connection, "rollup_minute")
        month, created = _month_of((now - self._samples_kept).date()), []
        while month <= _next(_month_of(now.date())):
            if _name(month) not in existing:
                partition = Partition("rollup_minute", "bucket", _name(month), month, _next(month))
                await create_partition(connection, partition)
                created.append(partition.name)
            month = _next(month)
        oldest = now - self._retention
        kept_from = _name(_month_of(oldest.date()))
        # The names sort as their months do; the default partition has no digit behind the prefix.
        dropped = [name for name in sorted(existing) if name.removeprefix(_PREFIX).isdigit() and name < kept_from]
        for name in dropped:
            await drop_partition(connection, name)
        deleted = sum([await delete_before(connection, table, "bucket", oldest) for table in _DELETE_BY_AGE])
        return Upkeep(tuple(created), tuple(dropped), deleted)


def _month_of(day: date) -> date:
    return day.replace(day=1)


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _name(month: date) -> str:
    return f"{_PREFIX}{month:%Y%m}"
