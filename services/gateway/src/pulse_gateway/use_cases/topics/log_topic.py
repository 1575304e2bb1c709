"""Topics that are logs of events: told within 20 ms, each event once, in order, nothing conflated or dropped."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from typing_extensions import override

from pulse_contracts.frames import Topic
from pulse_gateway.domain.events import Event, EventPending, EventTick
from pulse_gateway.domain.pending import Pending
from pulse_gateway.domain.selection import Audience
from pulse_gateway.use_cases.channel import Channel, Ticker
from pulse_gateway.use_cases.interest import Interest
from pulse_gateway.use_cases.stream_view import StreamView
from pulse_gateway.use_cases.subscription import Snapshot
from pulse_gateway.use_cases.topics.live_topic import LiveTopic

LOG_INTERVAL_MS: Final = 20
"""How long an event may wait for others (gateway.md, topics); a client may ask for less."""


class LogChannel(Channel):
    """All events until the next tick."""

    def __init__(
        self, topic: Topic, audience: Audience, interval_ms: int, ticker: Ticker, stream: StreamView[Event]
    ) -> None:
        super().__init__(topic, audience, interval_ms, ticker)
        self._stream = stream
        self._events: list[Event] = []

    def offer(self, event: Event) -> None:
        """Take an event of a device in view, or of none; what was not asked for is left out."""
        if self.audience.wants(event.severity):
            self._events.append(event)
            self.touch()

    @override
    def collect(self) -> EventTick | None:
        if not self._events:
            return None
        tick = EventTick(self._stream.position, self._events)
        self._events = []
        return tick

    def gain(self, device_ids: Collection[str]) -> None:
        """Do nothing: a log begins where a device came into view."""

    @override
    def lose(self, device_ids: Collection[str]) -> None:
        self._events = [event for event in self._events if not event.is_of(device_ids)]


class LogTopic(LiveTopic):
    """A log of what happens, to devices or to anything; any filter will do."""

    default_interval_ms = LOG_INTERVAL_MS
    longest_interval_ms = LOG_INTERVAL_MS

    def __init__(self, stream: StreamView[Event], ticker: Ticker) -> None:
        super().__init__(stream)
        self._ticker = ticker
        self._interest: Interest[LogChannel] = Interest()
        self._channels: set[LogChannel] = set()

    def take(self, events: Sequence[Event]) -> None:
        """Tell everybody who may see them, in the order of the stream."""
        for event in events:
            for channel in self._channels if event.device_id is None else self._interest.of(event.device_id):
                channel.offer(event)
        self.stream.advance(events[-1].id)
        self._ticker.settle()

    @override
    def check(self, audience: Audience) -> None:
        del audience

    @override
    def new_pending(self) -> Pending[EventTick]:
        return EventPending()

    @override
    def open(self, audience: Audience, interval_ms: int) -> Channel:
        channel = LogChannel(self.name, audience, interval_ms, self._ticker, self.stream)
        self._interest.add(channel)
        self._channels.add(channel)
        return channel

    @override
    def close(self, channel: Channel) -> None:
        assert isinstance(channel, LogChannel)  # noqa: S101 -- narrows a type
        self._interest.remove(channel, channel.audience.devices)
        self._channels.discard(channel)

    @override
    def regroup(self, channel: Channel, before: Collection[str] | None) -> None:
        assert isinstance(channel, LogChannel)  # noqa: S101 -- narrows a type
        self._interest.remove(channel, before)
        self._interest.add(channel)

    @override
    def snapshot(self, audience: Audience) -> Snapshot | None:
        del audience
        return None

    @override
    def replay(self, pending: Pending[EventTick], audience: Audience, missed: Sequence[Event]) -> None:
        assert isinstance(pending, EventPending)  # noqa: S101 -- narrows a type
        pending.replay(
            event
            for event in missed
            if (event.device_id is None or audience.sees(event.device_id)) and audience.wants(event.severity)
        )
