"""What a topic of the live socket has to be able to do. A new topic is one module beside this one.

A topic owns the meaning of its entries: which channel they concern, what a snapshot is, what a replay is. Who may
subscribe, when a channel ticks and how a slow socket is treated is decided elsewhere, the same way for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar

from pulse_contracts.frames import Position, Topic
from pulse_contracts.permissions import Permission
from pulse_gateway.domain.pending import Pending
from pulse_gateway.domain.scope import Scope
from pulse_gateway.domain.selection import Audience
from pulse_gateway.use_cases.channel import Channel
from pulse_gateway.use_cases.stream_view import StreamView
from pulse_gateway.use_cases.subscription import Snapshot

RightsChanged = Callable[[Scope, Position], bool]
"""Tells whether a user's view of the devices may have changed since a position."""


class LiveTopic(ABC):
    """One topic: its stream, its permission, its channels."""

    name: ClassVar[Topic]
    permission: ClassVar[Permission]
    default_interval_ms: ClassVar[int]
    longest_interval_ms: ClassVar[int] = 60_000
    """A longer one that a client asks for is cut to this."""
    columns: ClassVar[tuple[str, ...] | None] = None

    def __init__(self, stream: StreamView[Any]) -> None:
        self.stream = stream
        """Whose ids are the offsets of this topic."""

    def interval_ms(self, asked: int | None) -> int:
        """Return the interval for a subscription that asks for this one (None: for none in particular)."""
        return self.default_interval_ms if asked is None else min(asked, self.longest_interval_ms)

    @abstractmethod
    def check(self, audience: Audience) -> None:
        """Raise RefusedError(invalid_filter) when this topic cannot serve such a filter."""

    @abstractmethod
    def new_pending(self) -> Pending[Any]:
        """Return an empty buffer for one subscription."""

    @abstractmethod
    def open(self, audience: Audience, interval_ms: int) -> Channel:
        """Return a channel that gets this topic's news from now on."""

    @abstractmethod
    def close(self, channel: Channel) -> None:
        """Give a channel no more news."""

    @abstractmethod
    def snapshot(self, audience: Audience) -> Snapshot | None:
        """Return the state as it is at the stream's position; None for a log, which has no state."""

    @abstractmethod
    def replay(self, pending: Pending[Any], audience: Audience, missed: Sequence[Any]) -> None:
        """Put what a client missed into its buffer."""

    def must_renew(self, scope: Scope, since: Position, missed: Sequence[Any]) -> bool:
        """Tell whether, after these entries, only a snapshot can bring this user's state up to date."""
        del scope, since, missed
        return False

    def regroup(self, channel: Channel, before: Collection[str] | None) -> None:
        """Follow a change of a channel's audience; `before` is what it saw until now."""
        del channel, before
