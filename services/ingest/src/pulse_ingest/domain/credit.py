"""How much a client is told that it may send: its row rate, and its fair share of what the broker lets be in flight."""

from __future__ import annotations

from typing import Final

from pulse_contracts.ids import ClientId

WIDEST: Final = 32
"""Unacknowledged messages of one client; more only moves its backlog from its disk to our memory."""
NARROWEST: Final = 2
TURN_SECONDS: Final = 5.0


class FairShare:
    """Counts the clients of the last five to ten seconds and divides the receive window between them."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._now: set[ClientId] = set()
        self._before: set[ClientId] = set()
        self._turned_at = 0.0

    def note(self, client_id: ClientId) -> None:
        """Note that a client sends."""
        self._now.add(client_id)

    def window(self, now: float) -> int:
        """Return how many unacknowledged messages a client may have on their way."""
        if now - self._turned_at >= TURN_SECONDS:
            self._before, self._now = self._now, set()
            self._turned_at = now
        clients = max(len(self._now), len(self._before), 1)
        return max(NARROWEST, min(WIDEST, self._window // clients))
