"""How the window's own line to the agent stands, as an immutable value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LinkPhase(StrEnum):
    """Where the line is in its life."""

    STARTING = "starting"
    """The agent is looked for, or was started and does not answer yet."""
    CONNECTED = "connected"
    LOST = "lost"
    """It answered once and does no longer, or it cannot be started."""
    INCOMPATIBLE = "incompatible"
    """An agent answers that speaks no version of ours, or refuses this window."""


class LinkCause(StrEnum):
    """Why the line is not there, as far as this window can tell; the catalogue has words for each."""

    CLOSED = "closed"
    """The agent, or its end, closed the connection."""
    SILENT = "silent"
    """It is there, or should be, and does not answer."""
    GARBLED = "garbled"
    """It sent what is no line of the protocol."""
    NOT_STARTED = "not_started"
    """The system does not let us start it; `detail` is the system's."""
    IN_USE = "in_use"
    """Another agent holds the folder and does not answer."""


@dataclass(frozen=True, slots=True)
class LinkState:
    """Times are Unix seconds; `restarts` since the window opened.

    `cause` is a `LinkCause`, or the agent's own `RefusalCode`; `detail` its last words or the system's, in English.
    """

    phase: LinkPhase
    since: float
    detail: str = ""
    cause: str = ""
    exit_code: int | None = None
    restarts: int = 0
    retry_at: float | None = None
