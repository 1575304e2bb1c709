"""Which events a window gets, by who is signed in at it."""

from __future__ import annotations

from pulse_agent.local_access.session import LocalSession
from pulse_contracts.local_protocol import EVENTS, EventName


def may_get(session: LocalSession | None, name: EventName) -> bool:
    """Tell whether an event is for this session, by its rights when they were last looked at."""
    spec = EVENTS[name]
    if not spec.needs_session:
        return True
    return session is not None and (spec.permission is None or session.can(spec.permission))
