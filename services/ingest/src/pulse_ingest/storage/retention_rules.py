"""The rules of retention in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_chassis.database import Database
from pulse_chassis.outbox import append
from pulse_contracts.audit import AuditEvent
from pulse_contracts.streams import AUDIT_STREAM
from pulse_ingest.domain.retention import KeptDays, RetentionRule, RetentionScope

_COLUMNS: Final = "device_id, metric, raw_days, minute_days, hour_days, version, updated_at, updated_by"
_LOCK: Final = text("select pg_advisory_xact_lock(hashtextextended('telemetry.retention_rules', 0))")
_ALL: Final = text(f"""
select {_COLUMNS} from telemetry.retention_rule r
where cast(:user_id as uuid) is null or r.device_id is null or exists (
    select from identity.device_access a where a.user_id = :user_id and a.device_id = r.device_id
)
order by device_id nulls first, metric nulls first
""")  # noqa: S608 -- put together from constants of this file
_SAME: Final = (
    "device_id is not distinct from cast(:device_id as text) and metric is not distinct from cast(:metric as text)"
)
_FIND: Final = text(f"select {_COLUMNS} from telemetry.retention_rule where {_SAME}")  # noqa: S608
_COUNT: Final = text("select count(*) from telemetry.retention_rule")
_WRITE: Final = text(f"""
insert into telemetry.retention_rule ({_COLUMNS})
values (:device_id, :metric, :raw_days, :minute_days, :hour_days, :version, :updated_at, :updated_by)
on conflict on constraint retention_rule_scope do update set
    raw_days = excluded.raw_days, minute_days = excluded.minute_days, hour_days = excluded.hour_days,
    version = excluded.version, updated_at = excluded.updated_at, updated_by = excluded.updated_by
""")  # noqa: S608 -- put together from constants of this file
_DELETE: Final = text(f"delete from telemetry.retention_rule where {_SAME}")  # noqa: S608


class PostgresRetentionRules:
    """The `RetentionStore` of production."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def work(self) -> AsyncIterator[PostgresRetentionUnit]:
        """Give a transaction; one at a time changes rules."""
        async with self._database.transaction() as session:
            await session.execute(_LOCK)
            yield PostgresRetentionUnit(session)


class PostgresRetentionUnit:
    """One transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def rules(self, seen_by: str | None) -> Sequence[RetentionRule]:
        """Return the rules."""
        return [_rule(row) for row in await self._session.execute(_ALL, {"user_id": seen_by})]

    async def find(self, scope: RetentionScope) -> RetentionRule | None:
        """Return the rule of this scope."""
        row = (await self._session.execute(_FIND, _named(scope))).first()
        return None if row is None else _rule(row)

    async def count(self) -> int:
        """Return how many rules there are."""
        return int((await self._session.execute(_COUNT)).scalar_one())

    async def write(self, rule: RetentionRule) -> None:
        """Add or replace a rule."""
        days = {"raw_days": rule.kept.raw, "minute_days": rule.kept.minute, "hour_days": rule.kept.hour}
        told = {"version": rule.version, "updated_at": rule.updated_at, "updated_by": rule.updated_by}
        await self._session.execute(_WRITE, {**_named(rule.scope), **days, **told})

    async def delete(self, scope: RetentionScope) -> None:
        """Delete a rule."""
        await self._session.execute(_DELETE, _named(scope))

    async def tell_audit(self, event: AuditEvent) -> None:
        """Append to the outbox of this transaction."""
        await append(self._session, AUDIT_STREAM, event)


def _named(scope: RetentionScope) -> dict[str, str | None]:
    return {"device_id": scope.device_id, "metric": scope.metric}


def _rule(row: Row[Any]) -> RetentionRule:
    return RetentionRule(
        RetentionScope(row.device_id, row.metric),
        KeptDays(row.raw_days, row.minute_days, row.hour_days),
        row.version,
        row.updated_at,
        row.updated_by,
    )
