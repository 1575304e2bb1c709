"""One subscription and its place in the stream: what to ask for again after a cut.

The rules (gateway.md, resume): an offset counts only after its frame was applied; while a snapshot is coming in pages
there is no place to resume from, so a cut in its middle asks for a whole one; an epoch and an offset belong together.
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pulse_contracts.frames import (
    AckFrame,
    DataFrame,
    EventFrame,
    Filter,
    Position,
    SnapshotFrame,
    StateFrame,
    SubscribeFrame,
    Topic,
)

STATE_TOPICS: Final = frozenset({Topic.TELEMETRY_LATEST, Topic.DEVICES, Topic.SYSTEM, Topic.SYNC, Topic.CONFIG})
"""Topics that are a snapshot and its changes; the others are logs."""


@dataclass(slots=True)
class Subscription:
    """What was asked for under `name`, and how far it was applied."""

    name: str
    topic: str
    filter: Filter = field(default_factory=Filter)
    interval_ms: int | None = None
    snapshot: bool = True
    is_paused: bool = False
    position: Position | None = None
    """After which frame to resume; None asks afresh."""
    _epoch: str | None = field(default=None, init=False)
    _is_loading: bool = field(default=False, init=False)

    @property
    def has_state(self) -> bool:
        """Tell whether the topic is a state, of which a snapshot comes first."""
        return self.topic in STATE_TOPICS

    def request(self, request_id: int) -> SubscribeFrame:
        """Return the frame that asks for it, from where it was applied last."""
        return SubscribeFrame(
            type="subscribe",
            id=request_id,
            sub=self.name,
            topic=self.topic,
            filter=self.filter,
            interval_ms=self.interval_ms,
            since=self.position,
            snapshot=self.snapshot,
        )

    def forget_position(self) -> None:
        """Ask afresh the next time."""
        self.position = None

    def acknowledged(self, ack: AckFrame) -> None:
        """Take the server's answer: resumed, or begun afresh at the place it names."""
        self._epoch = ack.epoch or (self.position.epoch if self.position else None)
        self._is_loading = False
        if ack.recovered:
            return
        if self.has_state and self.snapshot:
            self._is_loading = True
            self.position = None
        else:
            self._advance(ack.offset)

    def applied(self, frame: SnapshotFrame | DataFrame | StateFrame | EventFrame) -> None:
        """Move on: this frame's content is now part of what the client shows."""
        if isinstance(frame, SnapshotFrame):
            self._epoch = frame.epoch
            self._is_loading = not frame.last
        self._advance(frame.offset)

    def quiet_until(self, offset: str) -> None:
        """Move on over a stretch in which nothing was for this subscription (`hb.pos`)."""
        if self.position is not None:
            self._advance(offset)

    def _advance(self, offset: str | None) -> None:
        if self._epoch is not None and offset is not None and not self._is_loading:
            self.position = Position(epoch=self._epoch, offset=offset)
