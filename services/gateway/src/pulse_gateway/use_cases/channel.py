"""A channel: everybody who gets the same frames, that is the same topic, filter, scope and interval.

An interval bounds the rate, it does not delay: the first change after a quiet interval goes at once, and what follows
within it goes together at its end. A tick is serialised once, whatever the number of members.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Final

from pulse_contracts.frames import Topic
from pulse_gateway.domain.selection import Audience
from pulse_gateway.use_cases.subscription import Subscription, Tick


class Ticker:
    """Flushes channels that have news: at once when their interval has passed, else by a timer."""

    def __init__(self, on_flush: Callable[[Tick, int], None] | None = None) -> None:
        self._touched: list[Channel] = []
        self.on_flush = on_flush
        """Told of each tick and the number of its members: for metrics."""

    def touch(self, channel: Channel) -> None:
        """Note that a channel has its first news since its last flush."""
        self._touched.append(channel)

    def settle(self) -> None:
        """Flush what is due, once all entries that came together are taken in."""
        if not self._touched:
            return
        touched, self._touched = self._touched, []
        for channel in touched:
            channel.settle()


class Channel(ABC):
    """The members, their audience, and when they hear the next time."""

    def __init__(self, topic: Topic, audience: Audience, interval_ms: int, ticker: Ticker) -> None:
        self.topic: Final = topic
        self.audience: Final = audience
        self.interval_ms: Final = interval_ms
        self.members: dict[Subscription, None] = {}
        self._ticker = ticker
        self._is_dirty = False
        self._flushed_at = -1e9
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_dirty(self) -> bool:
        """Whether there is news that has not been flushed."""
        return self._is_dirty

    @abstractmethod
    def collect(self) -> Tick | None:
        """Take the news as one tick; None when there is none after all."""

    @abstractmethod
    def gain(self, device_ids: Collection[str]) -> None:
        """Take in devices that came into view."""

    @abstractmethod
    def lose(self, device_ids: Collection[str]) -> None:
        """Drop devices that went out of view."""

    def touch(self) -> None:
        """Say that there is news."""
        if not self._is_dirty:
            self._is_dirty = True
            self._ticker.touch(self)

    def settle(self) -> None:
        """Flush now if the interval has passed, else at its end."""
        if self._timer is not None or not self._is_dirty:
            return
        loop = asyncio.get_running_loop()
        due = self._flushed_at + self.interval_ms / 1000
        if due <= loop.time():
            self.flush()
        else:
            self._timer = loop.call_at(due, self._on_time)

    def flush(self) -> None:
        """Tell all members what is new."""
        if not self._is_dirty:
            return
        self._is_dirty = False
        tick = self.collect()
        if tick is None:
            return
        self._flushed_at = asyncio.get_running_loop().time()
        for member in list(self.members):
            member.deliver(tick)
        if self._ticker.on_flush is not None:
            self._ticker.on_flush(tick, len(self.members))

    def discard(self) -> None:
        """Drop the news: the members are about to be told the whole state."""
        self._is_dirty = False
        self.collect()

    def close(self) -> None:
        """Stop the timer: nobody is left."""
        self._is_dirty = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_time(self) -> None:
        self._timer = None
        self.flush()
