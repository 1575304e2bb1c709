"""The events of the audit log, as a change makes them: who by the request at hand, and nothing secret in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from pulse_chassis.logging import without_secrets
from pulse_chassis.request_origin import current_origin
from pulse_contracts.audit import AuditActor, AuditEvent, AuditOutcome, AuditResource


def audit_event(  # noqa: PLR0913 -- the fields of an event, each by name
    service: str,
    action: str,
    resource: AuditResource,
    at: datetime,
    *,
    actor: AuditActor | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Return the event of a change by the request at hand; by `actor` where that is somebody else."""
    origin = current_origin()
    return AuditEvent(
        id=uuid4(),
        at=at,
        service=service,
        actor=actor or origin.actor,
        action=action,
        resource=resource,
        outcome=AuditOutcome.SUCCESS,
        address=origin.address,
        request_id=origin.request_id,
        before=None if before is None else _tellable(before),
        after=None if after is None else _tellable(after),
    )


def _tellable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what may be told of these fields: no secrets, and no text that is not Unicode."""
    text = json.dumps(without_secrets(dict(fields)), ensure_ascii=False, default=str)
    told: dict[str, Any] = json.loads(text.encode("utf-8", "replace"))
    return told


def noted_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return only what differs: the old and the new values of the same names."""
    names: Sequence[str] = [name for name in after if before.get(name) != after[name]]
    return {name: before.get(name) for name in names}, {name: after[name] for name in names}
