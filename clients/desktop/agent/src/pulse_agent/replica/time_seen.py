"""The highest time that this desktop knows to have been: what a clock set back is found out by.

It grows with the wall clock while the agent runs and at each sign-in, and is set, also back, by a fresh message of
the server: so a clock that once ran ahead locks nobody out longer than until the next contact.
"""

from __future__ import annotations

from typing import Final

from pulse_agent.replica.database import ReplicaDatabase

TOLERANCE_MS: Final = 2 * 60 * 1000
"""A clock is set right by seconds; whoever wants a longer lease needs hours."""
NOTE_EVERY_MS: Final = 60 * 1000
_KEY: Final = "highest_ms"


class TimeSeen:
    """Kept in sync_state, durably. Methods that write expect no open transaction."""

    def __init__(self, database: ReplicaDatabase) -> None:
        self._database = database

    @property
    def highest_ms(self) -> int:
        """Unix milliseconds."""
        return self._database.number(_KEY)

    def note(self, now_ms: int, every_ms: int = NOTE_EVERY_MS) -> None:
        """Note the wall clock's time, at most once in `every_ms`."""
        if now_ms > self.highest_ms + every_ms:
            with self._database.transaction(durable=True):
                self._database.set_value(_KEY, max(now_ms, self.highest_ms))

    def hear(self, server_ms: int) -> None:
        """Take the server's time from a fresh message, within the transaction that is open."""
        self._database.set_value(_KEY, server_ms)

    def is_set_back(self, now_ms: int) -> bool:
        """Tell whether the clock shows a time that is past for sure."""
        return now_ms < self.highest_ms - TOLERANCE_MS
