"""`devices`: every device in scope with what identity and ingest know of it, as keyed state."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from typing_extensions import override

from pulse_contracts.frames import Position, Topic
from pulse_contracts.permissions import Permission
from pulse_gateway.domain.devices import DeviceBook, DeviceEntry
from pulse_gateway.domain.pending import Pending, StatePending, set_pages
from pulse_gateway.domain.scope import Scope
from pulse_gateway.domain.selection import Audience
from pulse_gateway.domain.ticks import StateTick
from pulse_gateway.use_cases.channel import Channel, Ticker
from pulse_gateway.use_cases.interest import Interest
from pulse_gateway.use_cases.stream_view import StreamView
from pulse_gateway.use_cases.subscription import Snapshot
from pulse_gateway.use_cases.topics.live_topic import LiveTopic
from pulse_gateway.use_cases.topics.telemetry_latest import RightsChanged


class DevicesChannel(Channel):
    """The ids that changed until the next tick; their objects are read when it comes."""

    def __init__(
        self, audience: Audience, interval_ms: int, ticker: Ticker, stream: StreamView[DeviceEntry], book: DeviceBook
    ) -> None:  # fmt: skip
        super().__init__(Topic.DEVICES, audience, interval_ms, ticker)
        self._stream = stream
        self._book = book
        self._changed: dict[str, None] = {}

    def offer(self, device_id: str) -> None:
        """Note that a device changed."""
        self._changed[device_id] = None
        self.touch()

    @override
    def collect(self) -> StateTick | None:
        if not self._changed:
            return None
        # Whoever is out of view is told of as gone: only what was in view ever gets here.
        changes = {
            device_id: self._book.json(device_id) if self.audience.sees(device_id) else None
            for device_id in self._changed
        }
        self._changed = {}
        return StateTick(self._stream.position, changes)

    @override
    def gain(self, device_ids: Collection[str]) -> None:
        for device_id in device_ids:
            if device_id in self._book:
                self.offer(device_id)

    @override
    def lose(self, device_ids: Collection[str]) -> None:
        for device_id in device_ids:
            self.offer(device_id)


class Devices(LiveTopic):
    """The topic over the devices held in memory."""

    name = Topic.DEVICES
    permission = Permission.DEVICES_READ
    default_interval_ms = 250

    def __init__(
        self, stream: StreamView[DeviceEntry], book: DeviceBook, ticker: Ticker, rights_changed: RightsChanged
    ) -> None:
        super().__init__(stream)
        self._book = book
        self._ticker = ticker
        self._rights_changed = rights_changed
        self.interest: Interest[DevicesChannel] = Interest()

    @override
    def check(self, audience: Audience) -> None:
        del audience

    @override
    def new_pending(self) -> Pending[StateTick]:
        return StatePending()

    @override
    def open(self, audience: Audience, interval_ms: int) -> Channel:
        channel = DevicesChannel(audience, interval_ms, self._ticker, self.stream, self._book)
        self.interest.add(channel)
        return channel

    @override
    def close(self, channel: Channel) -> None:
        assert isinstance(channel, DevicesChannel)  # noqa: S101 -- narrows a type
        self.interest.remove(channel, channel.audience.devices)

    @override
    def regroup(self, channel: Channel, before: Collection[str] | None) -> None:
        assert isinstance(channel, DevicesChannel)  # noqa: S101 -- narrows a type
        self.interest.remove(channel, before)
        self.interest.add(channel)

    @override
    def snapshot(self, audience: Audience) -> Snapshot:
        ids = sorted(self._book.ids() if audience.devices is None else audience.devices)
        objects = [(device_id, found) for device_id in ids if (found := self._book.json(device_id)) is not None]
        return Snapshot(self.stream.epoch, self.stream.position, "set", set_pages(_visible(objects, audience)))

    @override
    def replay(self, pending: Pending[StateTick], audience: Audience, missed: Sequence[DeviceEntry]) -> None:
        changed = dict.fromkeys(entry.change.device_id for entry in missed)
        changes = {device_id: self._book.json(device_id) for device_id in changed if audience.sees(device_id)}
        if changes:
            pending.absorb(StateTick(self.stream.position, changes), missed[0].id)

    @override
    def must_renew(self, scope: Scope, since: Position, missed: Sequence[DeviceEntry]) -> bool:
        if self._rights_changed(scope, since):
            return True
        if scope.sees_all:
            return False
        # A device that is not visible now may have been: naming it as gone would tell a stranger that it existed.
        return any(
            (entry.change.is_deleted or entry.change.registration is not None)
            and not scope.sees(entry.change.device_id)
            for entry in missed
        )


def _visible(objects: Sequence[tuple[str, str]], audience: Audience) -> Iterator[tuple[str, str]]:
    # Asked again for each page: rights may have changed since the first one.
    return (item for item in objects if audience.sees(item[0]))
