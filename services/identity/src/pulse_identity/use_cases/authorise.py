"""Who is asking, with the rights that hold now.

The access token was already checked; it may be ten minutes old. Every use case that answers or changes anything looks the
caller up in its own transaction: a disabled user, an ended session or a lost right counts at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from pulse_chassis.errors import ForbiddenError, UnauthorizedError
from pulse_contracts.permissions import Permission
from pulse_identity.domain.people import Actor
from pulse_identity.use_cases.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class Caller:
    """What the access token says about who asks."""

    user_id: UUID
    session_id: UUID


async def authorise(unit: UnitOfWork, caller: Caller, *needed: Permission) -> Actor:
    """Return the actor; raises UnauthorizedError when signed out or disabled, ForbiddenError without a permission."""
    actor = await unit.people.actor(caller.user_id, caller.session_id)
    if actor is None:
        message = "this session has ended"
        raise UnauthorizedError(message, code="session_ended")
    missing = [permission for permission in needed if not actor.can(permission)]
    if missing:
        message = f"this needs the permission {missing[0].value}"
        raise ForbiddenError(message, code="permission_missing")
    return actor
