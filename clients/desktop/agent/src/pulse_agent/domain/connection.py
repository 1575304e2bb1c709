"""The states of the connection, in the words that people read (desktop.md), and why it is in one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ConnectionState(StrEnum):
    """How delivery stands."""

    DISCONNECTED = "Disconnected"
    """Not running, or stopped."""
    CONNECTING = "Connecting"
    """Reaching for the broker, or waiting for the server's welcome."""
    ONLINE = "Online"
    """Welcomed, and nothing waits but what is on its way."""
    DRAINING = "Draining"
    """Welcomed, and catching up on what was kept."""
    OFFLINE_BUFFERING = "Offline buffering"
    """Not reachable, refused or not answered: readings are kept on this disk."""


class ConnectionReason(StrEnum):
    """Why; windows show it in words (`pulse_contracts.local_status.Reason`)."""

    STARTING = "starting"
    REACHING = "reaching"
    """The broker, over the network."""
    GREETING = "greeting"
    """The broker is reached; the server has not welcomed us yet."""
    WELCOMED = "welcomed"
    CATCHING_UP = "catching_up"
    NOT_REACHABLE = "not_reachable"
    NOT_AUTHORIZED = "not_authorized"
    TAKEN_OVER = "taken_over"
    LINK_LOST = "link_lost"
    NO_ANSWER = "no_answer"
    """The broker is there, and the server behind it says nothing."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """The state, since when (Unix seconds) and why; `retry_at` in Unix seconds where a next try is planned."""

    state: ConnectionState
    since: float
    reason: ConnectionReason
    detail: str = ""
    retry_at: float | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """What goes with a new state: its reason, what the network said, and the seconds until the next try."""

    reason: ConnectionReason
    detail: str = ""
    retry_seconds: float | None = None
