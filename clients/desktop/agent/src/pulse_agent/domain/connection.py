"""The states of the connection, in the words that people read (desktop.md)."""

from __future__ import annotations

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
