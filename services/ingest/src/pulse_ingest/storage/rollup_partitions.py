"""The partitions of `telemetry.rollup_minute`: one a month, for this month, the next, and every other that needs one.

A few stray minutes (a clock gone mad) stay in the default partition; a month of which many are there gets a partition.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pulse_ingest.storage.partitions import Partition, Upkeep, create_partition, partitions_of, turn_of

if TYPE_CHECKING:
    from pulse_ingest.storage.postgres_link import Connection, Pool

PREFIX: Final = "rollup_minute_"
STRAYS: Final = 1_000
"""Minutes of a month that may stay in the default partition."""
_LOCK_KEY: Final = "telemetry.rollup_partitions"
_CROWDED: Final = """
select date_trunc('month', bucket, 'UTC') from telemetry.rollup_minute_default group by 1 having count(*) > $1 order by 1
"""


class RollupPartitions:
    """Makes the partitions. Safe in several workers at once: one works, the others skip their round."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def tend(self, now: datetime) -> Upkeep:
        """Create what is needed, and what will be. Raises DeferredError."""
        async with turn_of(self._pool, _LOCK_KEY) as connection:
            return Upkeep() if connection is None else await self._tend(connection, now.astimezone(UTC).date())

    async def _tend(self, connection: Connection, today: date) -> Upkeep:
        existing = await partitions_of(connection, "rollup_minute")
        crowded = [record[0].date() for record in await connection.fetch(_CROWDED, STRAYS)]
        this_month = today.replace(day=1)
        created = []
        for month in dict.fromkeys([*crowded, this_month, _next(this_month)]):
            name = f"{PREFIX}{month:%Y%m}"
            if name not in existing:
                await create_partition(connection, Partition("rollup_minute", "bucket", name, month, _next(month)))
                created.append(name)
        return Upkeep(tuple(created))


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)
