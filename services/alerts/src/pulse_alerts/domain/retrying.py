"""What became of an attempt to send, and when the next one is.

An attempt of which nobody knows how it ended is made again, under the same id: an alarm that nobody hears of is worse than
one that somebody hears of twice, and receivers can tell the second by its id.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

_NAMESPACE: Final = UUID("6a5f4f0e-6c6b-5b0a-9b53-0c4f3f1a2d77")
_MAX_DOUBLINGS: Final = 30


def message_id(channel_id: UUID, first_step_id: UUID) -> UUID:
    """Return the id of the message that tells a channel of this step first; the same for ever."""
    return uuid5(_NAMESPACE, f"{channel_id}:{first_step_id}")


@dataclass(frozen=True, slots=True)
class Sent:
    """The receiver took it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The receiver will never take it."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class NotTaken:
    """It may be taken later; not before `pause` where the receiver says so. `is_doubtful`: it may have been taken."""

    reason: str
    detail: str
    pause: timedelta | None = None
    is_doubtful: bool = False


Outcome = Sent | Refused | NotTaken


@dataclass(frozen=True, slots=True)
class Perseverance:
    """How long and how often a message is tried."""

    first: timedelta = timedelta(seconds=2)
    longest: timedelta = timedelta(minutes=5)
    longest_asked: timedelta = timedelta(hours=1)
    """However long a receiver asks us to wait."""
    give_up_after: timedelta = timedelta(hours=24)

    def next_attempt(self, attempts: int, pause: timedelta | None, now: datetime, rng: random.Random) -> datetime:
        """Return when to try again after so many attempts: twice as long each time, and somewhere in its second half."""
        doublings = min(max(attempts - 1, 0), _MAX_DOUBLINGS)
        bound = min(self.longest.total_seconds(), self.first.total_seconds() * 2.0**doublings)
        wait = timedelta(seconds=bound * rng.uniform(0.5, 1.0))
        if pause is not None:
            wait = max(wait, min(pause, self.longest_asked))
        return now + wait
