"""From a rule's refusal to the error that the caller sees."""

from __future__ import annotations

from pulse_chassis.errors import ConflictError, ForbiddenError, InvalidError
from pulse_identity.domain.refusal import Refusal, RefusalKind

_ERRORS = {
    RefusalKind.FORBIDDEN: ForbiddenError,
    RefusalKind.CONFLICT: ConflictError,
    RefusalKind.INVALID: InvalidError,
}


def enforce(*refusals: Refusal | None) -> None:
    """Raise the error of the first refusal, if there is one."""
    for refusal in refusals:
        if refusal is not None:
            raise _ERRORS[refusal.kind](refusal.message, code=refusal.code, field=refusal.field)
