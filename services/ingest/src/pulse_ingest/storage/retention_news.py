"""What retention removed, on its way from the tally beside the data into the audit log: in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text

from pulse_chassis.audit_events import audit_event
from pulse_chassis.clock import Clock
from pulse_chassis.database import Database
from pulse_chassis.outbox import append
from pulse_contracts.audit import AuditActor, AuditResource
from pulse_contracts.streams import AUDIT_STREAM
from pulse_ingest.storage.retention_sweep import PARTITION
from pulse_ingest.use_cases.keep_retention import Removed

_TAKE: Final = text("delete from telemetry.retention_tally returning what, removed")


class PostgresRemovedNews:
    """The `RemovedNews` of production."""

    def __init__(self, database: Database, service: str, clock: Clock) -> None:
        self._database = database
        self._service = service
        self._clock = clock

    async def tell(self) -> Removed | None:
        """Take the tally, and tell the audit log of it, if there is any. Raises UnavailableError."""
        async with self._database.transaction() as session:
            taken = [(row.what, row.removed) for row in await session.execute(_TAKE)]
            if not taken:
                return None
            removed = _removed(taken)
            event = audit_event(
                self._service,
                "retention.applied",
                AuditResource(type="retention"),
                self._clock.now(),
                actor=AuditActor(kind="service", id=self._service),
                after={**removed.rows, "partitions": removed.partitions},
            )
            await append(session, AUDIT_STREAM, event)
        return removed


def _removed(taken: Sequence[tuple[str, int]]) -> Removed:
    return Removed(
        rows={what: number for what, number in sorted(taken) if not what.startswith(PARTITION)},
        partitions=sorted(what.removeprefix(PARTITION) for what, _ in taken if what.startswith(PARTITION)),
    )
