"""`system`: the figures on top of the dashboard, counted over the devices in scope, under the one key `summary`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import orjson
from typing_extensions import override

from pulse_contracts.frames import Topic
from pulse_contracts.permissions import Permission
from pulse_gateway.domain.devices import DeviceEntry
from pulse_gateway.domain.pending import Pending
from pulse_gateway.domain.selection import Audience
from pulse_gateway.domain.ticks import StateTick
from pulse_gateway.use_cases.channel import Channel, Ticker
from pulse_gateway.use_cases.stream_view import StreamView
from pulse_gateway.use_cases.subscription import Snapshot
from pulse_gateway.use_cases.summarise import Summarise
from pulse_gateway.use_cases.topics.state_topic import StateTopic

KEY = "summary"


class SystemChannel(Channel):
    """Counts again at a tick, and is silent when nothing changed."""

    def __init__(
        self, audience: Audience, interval_ms: int, ticker: Ticker, stream: StreamView[DeviceEntry],
        summarise: Summarise,
    ) -> None:  # fmt: skip
        super().__init__(Topic.SYSTEM, audience, interval_ms, ticker)
        self._stream = stream
        self._summarise = summarise
        self._last = self.read()

    def read(self) -> str:
        """Return the summary as JSON."""
        return orjson.dumps(self._summarise(self.audience.devices).model_dump()).decode()

    @override
    def collect(self) -> StateTick | None:
        now = self.read()
        if now == self._last:
            return None
        self._last = now
        return StateTick(self._stream.position, {KEY: now})

    @override
    def gain(self, device_ids: Collection[str]) -> None:
        del device_ids
        self.touch()

    @override
    def lose(self, device_ids: Collection[str]) -> None:
        del device_ids
        self.touch()


class System(StateTopic):
    """The topic over the counts."""

    name = Topic.SYSTEM
    permission = Permission.SYSTEM_READ
    default_interval_ms = 1000

    def __init__(self, stream: StreamView[DeviceEntry], summarise: Summarise, ticker: Ticker) -> None:
        super().__init__(stream)
        self._summarise = summarise
        self._ticker = ticker
        self._channels: set[SystemChannel] = set()

    def touch(self) -> None:
        """Note that figures may have changed."""
        for channel in self._channels:
            channel.touch()

    @override
    def open(self, audience: Audience, interval_ms: int) -> Channel:
        channel = SystemChannel(audience, interval_ms, self._ticker, self.stream, self._summarise)
        self._channels.add(channel)
        return channel

    @override
    def close(self, channel: Channel) -> None:
        assert isinstance(channel, SystemChannel)  # noqa: S101 -- narrows a type
        self._channels.discard(channel)

    @override
    def snapshot(self, audience: Audience) -> Snapshot:
        summary = orjson.dumps(self._summarise(audience.devices).model_dump()).decode()
        return self.snapshot_of(iter([(KEY, summary)]))

    def replay(self, pending: Pending[StateTick], audience: Audience, missed: Sequence[DeviceEntry]) -> None:
        """Tell the figures as they are now: they depend on more than the entries of the stream."""
        del missed
        summary = orjson.dumps(self._summarise(audience.devices).model_dump()).decode()
        pending.absorb(StateTick(self.stream.position, {KEY: summary}), self.stream.position)
