"""Refusals of devices and by the service, told to the audit log."""

from __future__ import annotations

from pulse_chassis.audit import AuditTrail
from pulse_chassis.request_origin import RequestOrigin, request_origin
from pulse_commands.use_cases.ports import Refusal
from pulse_contracts.audit import AuditActor, AuditOutcome, AuditResource


class TrailedRefusals:
    """A `RefusalAudit` over the service's audit trail, which tells many alike as one."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    def note(self, refusal: Refusal) -> None:
        """Tell that a device refused a command, or that a device's report was refused."""
        actor = AuditActor(kind="device", id=refusal.device_id)
        action = "command.refused" if refusal.side == "device" else "command.report_refused"
        with request_origin(RequestOrigin(None, None, actor)):
            resource = AuditResource(type="device", id=refusal.device_id)
            self._trail.note(action, resource, AuditOutcome.REFUSED, refusal.code)
