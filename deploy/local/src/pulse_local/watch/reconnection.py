"""When to come back, and when to stop: the client's rules of gateway.md, decided by the range of the close code only.

40xx stops and tells the user; 41xx mends (a fresh token), then backs off at least a second; 42xx, and a link that
died without a word, come back with jitter and resume. Pure: nothing here waits or connects.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pulse_chassis.backoff import Backoff

FIRST_DELAY_S: Final = 0.5
LONGEST_DELAY_S: Final = 15.0
MEND_DELAY_S: Final = 1.0
DEAD_AFTER_HEARTBEATS: Final = 2.5


class Verdict(StrEnum):
    """What the end of a connection means for the client."""

    STOP = "stop"
    MEND = "mend"
    RESUME = "resume"


def verdict_for(close_code: int | None) -> Verdict:
    """Return what to do after this close code; None means that no close frame came."""
    if close_code is not None and 4000 <= close_code <= 4099:
        return Verdict.STOP
    if close_code is not None and 4100 <= close_code <= 4199:
        return Verdict.MEND
    return Verdict.RESUME


def verdict_for_http(status: int) -> Verdict:
    """Return what to do after the upgrade was answered with this HTTP status instead of 101."""
    # 408, 425 and 429 pass by themselves; every other 4xx will be the same next time.
    if 400 <= status <= 499 and status not in {408, 425, 429}:
        return Verdict.STOP
    return Verdict.RESUME


class LinkEndedError(Exception):
    """A connection ended or never came to be: `code` is the close code if one came, `retry_after_s` the server's
    wish."""

    def __init__(
        self,
        reason: str,
        *,
        code: int | None = None,
        verdict: Verdict | None = None,
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.verdict = verdict or verdict_for(code)
        self.retry_after_s = retry_after_s


@dataclass(slots=True)
class ReconnectPolicy:
    """Delays in seconds; the defaults are the protocol's, tests shorten them."""

    first_s: float = FIRST_DELAY_S
    longest_s: float = LONGEST_DELAY_S
    mend_s: float = MEND_DELAY_S
    dead_after_heartbeats: float = DEAD_AFTER_HEARTBEATS
    rng: random.Random | None = None
    _backoff: Backoff = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._backoff = Backoff(self.first_s, self.longest_s, rng=self.rng)

    def delay(self, end: LinkEndedError) -> float:
        """Return how long to wait before the next attempt; call it once for each end."""
        jitter = self._backoff.next_delay()
        if end.verdict is Verdict.MEND:
            jitter = max(self.mend_s, jitter)
        # The jitter comes on top of the server's wish: it told the same to everybody.
        return end.retry_after_s + jitter if end.retry_after_s else jitter

    def succeeded(self) -> None:
        """Start again at the first delay: the server really served us."""
        self._backoff.reset()
