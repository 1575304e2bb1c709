"""A device's completeness, from the view that ingest publishes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pulse_gateway.domain.completeness import EpochCompleteness, Range
from pulse_gateway.storage.pool import ReadPool

_EPOCHS: Final = """
select epoch, highest, received, missing, lost, missing_ranges, lost_ranges
from telemetry.completeness where client_id = $1 order by epoch desc limit $2
"""


class PostgresCompletenessReader:
    """Reads one device at a time. Implements `CompletenessReader`."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    async def epochs(self, device_id: str, limit: int) -> Sequence[EpochCompleteness]:
        """Return the newest epochs of a device, the newest first. Raises UnavailableError."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(_EPOCHS, device_id, limit)
        return [
            EpochCompleteness(
                epoch=row["epoch"],
                highest=row["highest"],
                received=row["received"],
                missing=row["missing"],
                lost=row["lost"],
                missing_ranges=_ranges(row["missing_ranges"]),
                lost_ranges=_ranges(row["lost_ranges"]),
            )
            for row in rows
        ]


def _ranges(found: Sequence[Any]) -> list[Range]:
    # PostgreSQL writes ranges of integers with an upper end that is not in them.
    return [(one.lower, one.upper - 1) for one in found]
