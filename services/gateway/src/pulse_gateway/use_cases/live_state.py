"""The state in memory and the topics over it: how an entry of a stream becomes news of channels.

Nothing here waits: an entry is taken in, its channels are noted, and what is due is flushed, all in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pulse_contracts.frames import GapReason, Topic
from pulse_gateway.domain.devices import DeviceBook, DeviceEntry
from pulse_gateway.domain.stream_id import StreamId
from pulse_gateway.domain.telemetry import LatestValues, TelemetryEntry
from pulse_gateway.use_cases.channel import Ticker
from pulse_gateway.use_cases.ports import DevicesLoaded
from pulse_gateway.use_cases.stream_view import StreamView
from pulse_gateway.use_cases.summarise import Summarise
from pulse_gateway.use_cases.topics.devices import Devices
from pulse_gateway.use_cases.topics.live_topic import LiveTopic
from pulse_gateway.use_cases.topics.system import System
from pulse_gateway.use_cases.topics.telemetry_latest import RightsChanged, TelemetryLatest
from pulse_gateway.use_cases.topics.telemetry_raw import TelemetryRaw

from pulse_contracts.streams import DEVICES_STREAM, TELEMETRY_STREAM  # isort: skip


class LiveState:
    """Latest values, devices, their streams and their topics."""

    def __init__(self, ticker: Ticker, rights_changed: RightsChanged) -> None:
        self.ticker = ticker
        self.telemetry: StreamView[TelemetryEntry] = StreamView(TELEMETRY_STREAM)
        self.devices: StreamView[DeviceEntry] = StreamView(DEVICES_STREAM)
        self.latest = LatestValues()
        self.book = DeviceBook()
        self.summarise = Summarise(self.book)
        self._latest_topic = TelemetryLatest(self.telemetry, self.latest, ticker, rights_changed)
        self._raw_topic = TelemetryRaw(self.telemetry, self.book, ticker)
        self._devices_topic = Devices(self.devices, self.book, ticker, rights_changed)
        self._system_topic = System(self.devices, self.summarise, ticker)
        self.topics: dict[Topic, LiveTopic] = {
            topic.name: topic
            for topic in (self._latest_topic, self._raw_topic, self._devices_topic, self._system_topic)
        }
        self.on_registry_change: Callable[[], None] = lambda: None
        """Called when devices came, went, changed groups or owners: audiences may be others now."""
        self.on_position_lost: Callable[[str, GapReason, StreamId], None] = lambda _name, _reason, _last: None
        """Called with a stream's name when its news was interrupted and its state has been loaded anew."""

    @property
    def is_ready(self) -> bool:
        """Whether all state has been loaded once."""
        return self.telemetry.is_ready and self.devices.is_ready

    def take_telemetry(self, entries: Sequence[TelemetryEntry]) -> None:
        """Take in committed readings, in the order of the stream."""
        latest = self._latest_topic.interest
        raw = self._raw_topic.interest
        for entry in entries:
            for reading in entry.readings:
                newest = self.latest.apply(reading)
                for latest_channel in latest.of(reading.device_id):
                    latest_channel.offer(newest)
                for raw_channel in raw.of(reading.device_id):
                    raw_channel.offer(entry.id, reading.rows)
            for span in entry.late:
                for latest_channel in latest.of(span.device_id):
                    latest_channel.offer_late(span)
                for raw_channel in raw.of(span.device_id):
                    raw_channel.offer_late(span)
        self.telemetry.advance(entries[-1].id)
        self.ticker.settle()

    def take_devices(self, entries: Sequence[DeviceEntry]) -> None:
        """Take in changes of devices, in the order of the stream."""
        is_regrouped = False
        for entry in entries:
            device_id = entry.change.device_id
            is_regrouped |= self.book.apply(entry.change)
            for channel in self._devices_topic.interest.of(device_id):
                channel.offer(device_id)
            if entry.change.is_deleted:
                self.latest.forget(device_id)
        self.devices.advance(entries[-1].id)
        self._system_topic.touch()
        if is_regrouped:
            self.on_registry_change()
        self.ticker.settle()

    def replace_devices(self, loaded: DevicesLoaded) -> None:
        """Start again from what the database holds."""
        self.book.replace(loaded.registrations, loaded.statuses)
        self._system_topic.touch()
        self.ticker.settle()

    def parts_changed(self) -> None:
        """Tell the `system` topic that a part of the system came or went."""
        self._system_topic.touch()
        self.ticker.settle()
