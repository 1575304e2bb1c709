"""Who is signed in: what they may do, what the lease allows, and what a refused sign-in is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pulse_contracts.local_people import Session
from pulse_contracts.local_protocol import ErrorBody
from pulse_contracts.permissions import Permission
from pulse_desktop.texts.catalogue import Texts
from pulse_desktop.theme.tokens import Tone

LEASE_WARNING_SECONDS: Final = 86_400.0
"""A day before the lease ends there is still time to find a network."""
_LOCKED_OUT: Final = "locked_out"


@dataclass(frozen=True, slots=True)
class SessionView:
    """What is shown of who is signed in; `warning` when the lease ends soon."""

    name: str
    roles: str
    state: str
    lease: str
    warning: str
    tone: Tone


def may(session: Session | None, permission: Permission) -> bool:
    """Whether somebody is signed in who has a right."""
    return session is not None and permission.value in session.permissions


def session_view(session: Session, now: float, texts: Texts) -> SessionView:
    """Work out what is shown at `now` (Unix seconds)."""
    home = texts.home
    until = session.lease_until_ms / 1000
    left = until - now
    is_short = left < LEASE_WARNING_SECONDS
    return SessionView(
        name=session.username,
        roles=", ".join(session.roles),
        state=home.signed_in_online if session.is_online else home.signed_in_offline,
        lease=home.lease_until.format(time=texts.format.date_time(until)),
        warning=home.lease_ends.format(span=texts.format.duration(max(0.0, left))) if is_short else "",
        tone=Tone.WARN if is_short else Tone.OK if session.is_online else Tone.INFO,
    )


def sign_in_problem(error: ErrorBody, texts: Texts) -> str:
    """Say why a sign-in was refused, with the wait where there is one."""
    if error.code == _LOCKED_OUT:
        return texts.home.wait.of(max(1, round(error.retry_after or 1)))
    return texts.problem(error.code, error.message)
