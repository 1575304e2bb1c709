"""Where the request at hand comes from and who makes it, for whoever writes the audit log.

The HTTP edge sets it for each request; the bearer check, a device key or a sign-in says who it is. Outside of a request
there is none. It lives as long as the request and is never shared with another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from pulse_chassis.principal import Principal
from pulse_contracts.audit import AuditActor

ANONYMOUS: Final = AuditActor(kind="anonymous")


@dataclass(slots=True)
class RequestOrigin:
    """One request's: the address (behind a trusted proxy the forwarded one), its id, and who asks once that is known."""

    address: str | None
    request_id: str | None
    actor: AuditActor = ANONYMOUS


_current: ContextVar[RequestOrigin | None] = ContextVar("pulse_request_origin", default=None)


def current_origin() -> RequestOrigin:
    """Return the request's origin; outside of a request one that knows nothing."""
    return _current.get() or RequestOrigin(None, None)


@contextmanager
def request_origin(origin: RequestOrigin) -> Iterator[RequestOrigin]:
    """Make it the current one within the block."""
    token = _current.set(origin)
    try:
        yield origin
    finally:
        _current.reset(token)


def note_actor(actor: AuditActor) -> None:
    """Say who makes the request at hand."""
    origin = _current.get()
    if origin is not None:
        origin.actor = actor


def note_principal(principal: Principal) -> Principal:
    """Say that a user whose token was verified makes the request at hand; return the same principal."""
    note_actor(AuditActor(kind="user", id=str(principal.user_id), name=principal.username))
    return principal
