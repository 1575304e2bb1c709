"""How far each desktop is, read from the published view, and told through the outbox."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Row, text

from pulse_chassis import outbox
from pulse_chassis.database import Database
from pulse_contracts.streams import SYNC_STREAM, DesktopSyncChanged

_STATES: Final = text(
    "select device_id, cursor, head, lag, pending, conflicts, last_sync_at, config_lag, error from sync.desktop_state"
    " where cast(:devices as text[]) is null or device_id = any(cast(:devices as text[])) order by device_id"
)


class PostgresStateBook:
    """The `StateBook` of production."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def states(self, device_ids: Collection[str] | None) -> Sequence[DesktopSyncChanged]:
        """Return how far these desktops are."""
        given = {"devices": None if device_ids is None else sorted(device_ids)}
        async with self._database.read() as session:
            return [_state(row) for row in await session.execute(_STATES, given)]

    async def tell(self, states: Sequence[DesktopSyncChanged]) -> None:
        """Have these published."""
        async with self._database.transaction() as session:
            for state in states:
                await outbox.append(session, SYNC_STREAM, state)


def _state(row: Row[Any]) -> DesktopSyncChanged:
    at = row.last_sync_at
    return DesktopSyncChanged(
        device_id=row.device_id,
        cursor=row.cursor,
        head=row.head,
        lag=row.lag,
        pending=row.pending,
        conflicts=row.conflicts,
        last_sync_at=None if at is None else int(at.timestamp() * 1000),
        config_lag=row.config_lag,
        error=row.error,
    )
