"""What a live client tells: the frames it yields, how its link is, what it counted, and where its tokens come from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pulse_contracts.frames import (
    AckFrame,
    DataFrame,
    ErrorFrame,
    EventFrame,
    GapFrame,
    SnapshotFrame,
    StateFrame,
    UnsubscribedFrame,
)

AppliedFrame = (
    AckFrame | ErrorFrame | SnapshotFrame | DataFrame | StateFrame | EventFrame | GapFrame | UnsubscribedFrame
)
"""What the iterator yields. An AckFrame says that a subscription began (`recovered` tells whether it went on); an
ErrorFrame or UnsubscribedFrame that it ended, for good unless `retryable`."""


class TokenRefusedError(Exception):
    """The credentials are wrong or no longer valid: a person must act."""


class TokenUnavailableError(Exception):
    """No token can be had at the moment; later it may."""


class TokenSource(Protocol):
    """Where access tokens come from."""

    async def token(self, *, renew: bool = False) -> str:
        """Return a token good for some while, a new one if `renew`; raise one of the two errors above."""
        ...


class LiveStoppedError(Exception):
    """The client will not come back by itself: the server's rule says stop, or the credentials are refused."""

    def __init__(self, reason: str, code: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class LinkState(StrEnum):
    """How the link is, in words."""

    CONNECTING = "connecting"
    LIVE = "live"
    WAITING = "waiting to reconnect"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """The link's state, why, and when it began (and when the next attempt is due) by `time.monotonic()`."""

    state: LinkState
    detail: str = ""
    since: float = 0.0
    retry_at: float | None = None


@dataclass(slots=True)
class Counters:
    """What happened since the client began."""

    connections: int = 0
    resumed: int = 0
    begun_afresh: int = 0
    frames: int = 0
    rows: int = 0
    conflated: int = 0
    events: int = 0
    gaps: int = 0
    discarded: int = 0
    """Frames received but not applied when a link ended; they came again or were told as a gap."""
    unknown_frames: int = 0
    bytes_received: int = 0
    token_refreshes: int = 0

    def count(self, frame: AppliedFrame) -> None:
        """Count one frame that is handed to the application."""
        self.frames += 1
        match frame:
            case DataFrame(rows=rows, n=n):
                self.rows += len(rows)
                self.conflated += max(0, n - len(rows))
            case SnapshotFrame(rows=list(rows)):
                self.rows += len(rows)
            case EventFrame(items=items):
                self.events += len(items)
            case GapFrame():
                self.gaps += 1
            case AckFrame(recovered=True):
                self.resumed += 1
            case AckFrame():
                self.begun_afresh += 1
            case _:
                pass
