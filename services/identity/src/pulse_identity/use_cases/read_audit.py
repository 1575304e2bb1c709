"""Reading the audit log. Reading it is itself told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from pulse_contracts.audit import AuditResource
from pulse_contracts.permissions import Permission
from pulse_identity.domain.audit_chain import AuditFilter, AuditRow
from pulse_identity.use_cases.audit_ports import AuditLog
from pulse_identity.use_cases.authorise import Caller, authorise
from pulse_identity.use_cases.ports import Work
from pulse_identity.use_cases.tell_audit import tell_audit

EXPORT_ROWS: Final = 1_000
"""Rows held in memory at a time while an export goes out."""
_LOG: Final = AuditResource(type="audit_log")


class ReadAudit:
    """Gives pages of the audit log to whoever may read it."""

    def __init__(self, work: Work, log: AuditLog) -> None:
        self._work = work
        self._log = log

    async def page(self, caller: Caller, wanted: AuditFilter, before: int | None, limit: int) -> list[AuditRow]:
        """Return matching rows below number `before`, newest first; raises ForbiddenError, UnauthorizedError."""
        await self._admit(caller, "audit.read", wanted)
        return await self._log.page(wanted, before, limit)

    async def export(self, caller: Caller, wanted: AuditFilter, before: int | None) -> AsyncIterator[list[AuditRow]]:
        """Return all matching rows page by page, newest first; raises as `page`, before the first page."""
        await self._admit(caller, "audit.exported", wanted)
        return self._pages(wanted, before)

    async def _pages(self, wanted: AuditFilter, before: int | None) -> AsyncIterator[list[AuditRow]]:
        while rows := await self._log.page(wanted, before, EXPORT_ROWS):
            yield rows
            before = rows[-1].seq

    async def _admit(self, caller: Caller, action: str, wanted: AuditFilter) -> None:
        async with self._work() as unit:
            actor = await authorise(unit, caller, Permission.AUDIT_READ)
            await tell_audit(unit, action, _LOG, by=actor, after={"filter": _shown(wanted)})


def _shown(wanted: AuditFilter) -> dict[str, Any]:
    asked = {
        "actor": wanted.actor,
        "action": wanted.action,
        "resource": wanted.resource,
        "outcome": None if wanted.outcome is None else wanted.outcome.value,
        "from": None if wanted.start is None else wanted.start.isoformat(),
        "to": None if wanted.end is None else wanted.end.isoformat(),
    }
    return {name: value for name, value in asked.items() if value is not None}
