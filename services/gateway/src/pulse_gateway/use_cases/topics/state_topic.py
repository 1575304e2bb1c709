"""Topics of keyed state: a snapshot, then the keys that changed and those that are gone.

`StateTopic` is what all of them share. `KeyedTopic` is the one over a book of objects that belong to devices: a channel
notes keys and reads their objects when its tick comes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from typing_extensions import override

from pulse_contracts.frames import Position, Topic
from pulse_gateway.domain.keyed import KeyedBook
from pulse_gateway.domain.pending import Pending, StatePending, set_pages
from pulse_gateway.domain.scope import Scope
from pulse_gateway.domain.selection import Audience
from pulse_gateway.domain.ticks import StateTick
from pulse_gateway.use_cases.channel import Channel, Ticker
from pulse_gateway.use_cases.interest import Interest
from pulse_gateway.use_cases.stream_view import StreamView
from pulse_gateway.use_cases.subscription import Snapshot
from pulse_gateway.use_cases.topics.live_topic import LiveTopic, RightsChanged


class StateTopic(LiveTopic):
    """A topic of objects by key; any filter will do."""

    @override
    def check(self, audience: Audience) -> None:
        del audience

    @override
    def new_pending(self) -> Pending[StateTick]:
        return StatePending()

    def snapshot_of(self, objects: Iterator[tuple[str, str]]) -> Snapshot:
        """Return a snapshot of these objects (key and JSON) at the stream's position."""
        return Snapshot(self.stream.epoch, self.stream.position, "set", set_pages(objects))


class KeyedChannel(Channel):
    """The keys that changed until the next tick; their objects are read when it comes."""

    def __init__(
        self, topic: Topic, audience: Audience, interval_ms: int, ticker: Ticker, *,
        stream: StreamView[Any], book: KeyedBook,
    ) -> None:  # fmt: skip
        super().__init__(topic, audience, interval_ms, ticker)
        self._stream = stream
        self._book = book
        self._changed: dict[str, None] = {}

    def offer(self, key: str) -> None:
        """Note that an object changed."""
        self._changed[key] = None
        self.touch()

    @override
    def collect(self) -> StateTick | None:
        if not self._changed:
            return None
        # Whatever is out of view is told of as gone: only what was in view ever gets here.
        changes = {
            key: self._book.json(key) if is_visible(self._book, key, self.audience) else None for key in self._changed
        }
        self._changed = {}
        return StateTick(self._stream.position, changes)

    @override
    def gain(self, device_ids: Collection[str]) -> None:
        for device_id in device_ids:
            for key in self._book.keys_of(device_id):
                self.offer(key)

    @override
    def lose(self, device_ids: Collection[str]) -> None:
        self.gain(device_ids)


class KeyedTopic(StateTopic):
    """The topic over a book held in memory."""

    def __init__(self, stream: StreamView[Any], book: KeyedBook, ticker: Ticker, rights_changed: RightsChanged) -> None:
        super().__init__(stream)
        self._book = book
        self._ticker = ticker
        self._rights_changed = rights_changed
        self._interest: Interest[KeyedChannel] = Interest()
        self._channels: set[KeyedChannel] = set()

    @abstractmethod
    def key_of(self, entry: Any) -> str:
        """Return the key of what an entry of the stream changed."""

    def offer(self, key: str) -> None:
        """Tell everybody who may see it that an object changed; the book holds it already."""
        device_id = self._book.device_of(key)
        for channel in self._channels if device_id is None else self._interest.of(device_id):
            channel.offer(key)

    @override
    def new_pending(self) -> Pending[StateTick]:
        return StatePending(self._book.device_of)

    @override
    def open(self, audience: Audience, interval_ms: int) -> Channel:
        channel = KeyedChannel(
            self.name, audience, interval_ms, self._ticker, stream=self.stream, book=self._book
        )  # fmt: skip
        self._interest.add(channel)
        self._channels.add(channel)
        return channel

    @override
    def close(self, channel: Channel) -> None:
        assert isinstance(channel, KeyedChannel)  # noqa: S101 -- narrows a type
        self._interest.remove(channel, channel.audience.devices)
        self._channels.discard(channel)

    @override
    def regroup(self, channel: Channel, before: Collection[str] | None) -> None:
        assert isinstance(channel, KeyedChannel)  # noqa: S101 -- narrows a type
        self._interest.remove(channel, before)
        self._interest.add(channel)

    @override
    def snapshot(self, audience: Audience) -> Snapshot:
        objects = [(key, found) for key in sorted(self._book.keys(audience.devices)) if (found := self._book.json(key))]
        # Asked again for each page: rights may have changed since the first one.
        return self.snapshot_of(item for item in objects if is_visible(self._book, item[0], audience))

    @override
    def replay(self, pending: Pending[StateTick], audience: Audience, missed: Sequence[Any]) -> None:
        changed = dict.fromkeys(self.key_of(entry) for entry in missed)
        changes = {key: self._book.json(key) for key in changed if is_visible(self._book, key, audience)}
        if changes:
            pending.absorb(StateTick(self.stream.position, changes), missed[0].id)

    @override
    def must_renew(self, scope: Scope, since: Position, missed: Sequence[Any]) -> bool:
        del missed
        return self._rights_changed(scope, since)


def is_visible(book: KeyedBook, key: str, audience: Audience) -> bool:
    """Tell whether an object of this key may go out."""
    device_id = book.device_of(key)
    return device_id is None or audience.sees(device_id)
