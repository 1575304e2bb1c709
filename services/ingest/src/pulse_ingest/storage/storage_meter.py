"""Measures how much room the database takes, and remembers one measurement a day."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pulse_ingest.domain.storage_use import StorageDay, StorageOutlook
from pulse_ingest.storage.postgres_errors import verdicts

if TYPE_CHECKING:
    from pulse_ingest.storage.postgres_link import Pool

KEPT_DAYS: Final = 400
SHOWN_DAYS: Final = 90

_MEASURE: Final = """
insert into telemetry.storage_day as d
    (day, measured_at, raw_bytes, minute_bytes, hour_bytes, other_bytes, used_bytes, capacity_bytes)
select (now() at time zone 'UTC')::date, now(), raw, minute, hour, greatest(0, total - raw - minute - hour),
       coalesce($1::bigint, case when $2::bigint is not null then total end), $2::bigint
from (
    select (select coalesce(sum(pg_total_relation_size(relid)), 0) from pg_partition_tree('telemetry.sample')) as raw,
           (select coalesce(sum(pg_total_relation_size(relid)), 0)
            from pg_partition_tree('telemetry.rollup_minute')) as minute,
           pg_total_relation_size('telemetry.rollup_hour') as hour,
           pg_database_size(current_database()) as total
) as measured
on conflict (day) do update set
    measured_at = excluded.measured_at, raw_bytes = excluded.raw_bytes, minute_bytes = excluded.minute_bytes,
    hour_bytes = excluded.hour_bytes, other_bytes = excluded.other_bytes, used_bytes = excluded.used_bytes,
    capacity_bytes = excluded.capacity_bytes
"""
_FORGET: Final = "delete from telemetry.storage_day where day < (now() at time zone 'UTC')::date - $1::int"
_KEEP: Final = "update telemetry.storage_day set state = $2, days_left = $3 where day = $1"
_DAYS: Final = """
select day, measured_at, raw_bytes, minute_bytes, hour_bytes, other_bytes, used_bytes, capacity_bytes
from telemetry.storage_day where day >= (now() at time zone 'UTC')::date - $1::int order by day
"""


class StorageMeter:
    """Measures. `path` is a directory on the volume of the database where that is this machine's.

    Without a path the volume cannot be seen from here: `capacity` then says how much the database may take, if anybody
    said so.
    """

    def __init__(self, pool: Pool, *, path: Path | None, capacity: int | None) -> None:
        self._pool = pool
        self._path = path
        self._capacity = capacity

    async def measure(self) -> None:
        """Replace today's measurement. Raises DeferredError."""
        used, capacity = await asyncio.to_thread(self._volume)
        with verdicts():
            await self._pool.execute(_MEASURE, used, capacity)
            await self._pool.execute(_FORGET, KEPT_DAYS)

    async def days(self) -> Sequence[StorageDay]:
        """Return the measurements of the last months, oldest first. Raises DeferredError."""
        with verdicts():
            return [StorageDay(*record) for record in await self._pool.fetch(_DAYS, SHOWN_DAYS)]

    async def keep(self, found: StorageOutlook) -> None:
        """Keep beside the newest measurement what it means, for others to read. Raises DeferredError."""
        with verdicts():
            await self._pool.execute(_KEEP, found.now.day, found.state.value, found.days_left)

    def _volume(self) -> tuple[int | None, int | None]:
        if self._path is None:
            return None, self._capacity
        try:
            usage = shutil.disk_usage(self._path)
        except OSError:
            return None, self._capacity
        # What is free to us: a file system keeps some back for root.
        return usage.total - usage.free, usage.total
