"""What every service tells the audit log, on `pulse:audit`: who did, or tried to do, what to which thing.

An event carries no secret: `before` and `after` hold what changed, without passwords, keys and tokens. Identity writes
the events of all services into one hash-chained table and drops an `id` that it has already written. What it wrote, it
tells on `pulse:audit_log`, once and in the order of the log.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from pulse_contracts.streams import StreamEvent


class AuditOutcome(StrEnum):
    """How it ended: done, not allowed, or allowed but not possible."""

    SUCCESS = "success"
    REFUSED = "refused"
    FAILED = "failed"


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class AuditActor(_Part):
    """Who: `id` is a user's or a device's; a service acts under its own name; anonymous is anybody without proof."""

    kind: Literal["user", "device", "service", "anonymous"]
    id: str | None = None
    name: str | None = None


class AuditResource(_Part):
    """To what: a user, a role, a device, a session, a route."""

    type: str
    id: str | None = None


class _Told(StreamEvent):
    v: Literal[1] = 1
    id: UUID
    at: AwareDatetime
    service: str
    actor: AuditActor
    action: Annotated[str, Field(description="thing.past_tense: `user.created`, `session.opened`, `request.refused`")]
    resource: AuditResource
    outcome: AuditOutcome
    address: Annotated[str | None, Field(description="where the request came from")] = None
    request_id: Annotated[str | None, Field(description="X-Request-ID, as in the logs")] = None
    reason: Annotated[str | None, Field(description="problem code of a refusal or failure")] = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    count: Annotated[int, Field(ge=1)] = 1
    last_at: AwareDatetime | None = None


class AuditEvent(_Told):
    """One entry of the audit log. `count` > 1: so many alike between `at` and `last_at`."""


class AuditWritten(_Told):
    """`pulse:audit_log`: a row that the log now has, as `GET /api/audit` shows it.

    A row that would not fit into a stream's entry comes without `before` and `after`, and `is_cut`.
    """

    seq: int
    digest: Annotated[str, Field(description="SHA-256 over the previous row's digest, the number and the event, hex")]
    is_cut: bool = False
