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


@dataclass(frozen=True, slots=True)
class LinkState:
    """Times are Unix seconds. `detail` is in English, from the agent or the system; `restarts` since the window opened."""

    phase: LinkPhase
    since: float
    detail: str = ""
    exit_code: int | None = None
    restarts: int = 0
    retry_at: float | None = None
