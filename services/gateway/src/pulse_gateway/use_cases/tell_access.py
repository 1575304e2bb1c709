"""Telling the audit log whose readings somebody looked at: by device where few are named, else as all in scope."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from pulse_contracts.audit import AuditOutcome, AuditResource
from pulse_gateway.use_cases.ports import AccessAudit

MAX_NAMED: Final = 20
"""Looking at more devices at once is told as looking at many."""
SOCKET: Final = AuditResource(type="route", id="WEBSOCKET /ws/live")


def tell_access(audit: AccessAudit, action: str, device_ids: Collection[str] | None) -> None:
    """Tell that the readings of these devices, of all in scope for None, were looked at."""
    if device_ids is None or len(device_ids) > MAX_NAMED:
        everything = AuditResource(type="device", id=None)
        audit.note(action, everything, AuditOutcome.SUCCESS)
        return
    for device_id in sorted(device_ids):
        audit.note(action, AuditResource(type="device", id=device_id), AuditOutcome.SUCCESS)


def tell_report(audit: AccessAudit, kind: str) -> None:
    """Tell that a report was made for somebody."""
    audit.note("report.read", AuditResource(type="report", id=kind), AuditOutcome.SUCCESS)


def tell_socket_refusal(audit: AccessAudit, reason: str) -> None:
    """Tell that a socket wanted what it may not have."""
    audit.note("request.refused", SOCKET, AuditOutcome.REFUSED, reason)
