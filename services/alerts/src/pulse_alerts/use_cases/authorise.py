"""Who is asking, with the rights that hold now: the access token may be ten minutes old."""

from __future__ import annotations

from pulse_alerts.use_cases.ports import Caller, Directory
from pulse_chassis.errors import ForbiddenError, UnauthorizedError
from pulse_chassis.principal import Principal
from pulse_contracts.permissions import Permission


async def authorise(directory: Directory, principal: Principal, *needed: Permission) -> Caller:
    """Return the caller; raises UnauthorizedError when disabled or gone, ForbiddenError without a permission."""
    caller = await directory.caller(principal.user_id)
    if caller is None:
        message = "this session has ended"
        raise UnauthorizedError(message, code="session_ended")
    missing = [permission for permission in needed if permission not in caller.permissions]
    if missing:
        message = f"this needs the permission {missing[0].value}"
        raise ForbiddenError(message, code="permission_missing")
    return caller
