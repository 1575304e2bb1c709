"""Who may call `/internal`: other services, by a key that they share and that no person has.

The door of a route under `/internal` is the dependency `from_a_service`; the app keeps the key as
`app.state.internal_key`. Without a key every call is refused, so that a forgotten variable opens nothing. The gateway
and the Ingress forward no `/internal`; this is what holds when they do.
"""

from __future__ import annotations

import hmac
import re
from typing import Annotated, Final

from fastapi import Header, Request

from pulse_chassis.bearer import declares_access
from pulse_chassis.errors import UnauthorizedError, UnavailableError

MIN_KEY_CHARS: Final = 24
_BEARER: Final = re.compile(r"bearer +(\S+) *", re.IGNORECASE | re.ASCII)


@declares_access("the services' own key, as a bearer token")
async def from_a_service(request: Request, authorization: Annotated[str | None, Header()] = None) -> None:
    """Let another service in; raises UnauthorizedError, UnavailableError (`internal_key_unset`)."""
    expected: str | None = getattr(request.app.state, "internal_key", None)
    if not expected:
        message = "PULSE_INTERNAL_KEY is not set here"
        raise UnavailableError(message, code="internal_key_unset")
    given = _BEARER.fullmatch(authorization or "")
    # Compared also when there is nothing to compare with: the time says nothing about what was sent.
    shown = given[1] if given is not None else ""
    if not hmac.compare_digest(expected.encode(), shown.encode("utf-8", "surrogatepass")):
        message = "this is for other services"
        raise UnauthorizedError(message, code="internal_key_wrong")
