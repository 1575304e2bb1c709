"""The state in memory and the topics over it: how an entry of a stream becomes news of channels.

Nothing here waits: an entry is taken in, its channels are noted, and what is due is flushed, all in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pulse_chassis.logging import get_logger, is_debugging
from pulse_contracts.correlation import reading_correlation
from pulse_contracts.frames import GapReason, Topic
from pulse_contracts.streams import (
    ALERTS_STREAM,
    AUDIT_LOG_STREAM,
    COMMANDS_STREAM,
    CONFIG_STREAM,
    DEVICES_STREAM,
    SYNC_STREAM,
    TELEMETRY_STREAM,
    ConfigChanged,
    DesktopSyncChanged,
)
from pulse_gateway.domain.desktops import DesktopBook, DesktopEntry
from pulse_gateway.domain.devices import DeviceBook, DeviceEntry
from pulse_gateway.domain.settings_book import ConfigEntry, SettingsBook
from pulse_gateway.domain.stream_id import StreamId
from pulse_gateway.domain.telemetry import LatestValues, TelemetryEntry
from pulse_gateway.use_cases.channel import Ticker
from pulse_gateway.use_cases.ports import DevicesLoaded
from pulse_gateway.use_cases.stream_view import StreamView
from pulse_gateway.use_cases.summarise import Summarise
from pulse_gateway.use_cases.topics.alerts import Alerts
from pulse_gateway.use_cases.topics.audit import Audit
from pulse_gateway.use_cases.topics.commands import Commands
from pulse_gateway.use_cases.topics.config import Config
from pulse_gateway.use_cases.topics.devices import Devices
from pulse_gateway.use_cases.topics.live_topic import LiveTopic, RightsChanged
from pulse_gateway.use_cases.topics.sync import Sync
from pulse_gateway.use_cases.topics.system import System
from pulse_gateway.use_cases.topics.telemetry_latest import TelemetryLatest
from pulse_gateway.use_cases.topics.telemetry_raw import TelemetryRaw

_log = get_logger("live_state")


class LiveState:
    """Latest values, devices, desktops and configuration, their streams and their topics.

    `desktops`, `config` and the logs become ready when the service behind them publishes something: their topics are
    unavailable until then, and nothing else waits for them.
    """

    def __init__(self, ticker: Ticker, rights_changed: RightsChanged) -> None:
        self.ticker = ticker
        self.telemetry: StreamView[TelemetryEntry] = StreamView(TELEMETRY_STREAM)
        self.devices: StreamView[DeviceEntry] = StreamView(DEVICES_STREAM)
        self.desktops: StreamView[DesktopEntry] = StreamView(SYNC_STREAM)
        self.config: StreamView[ConfigEntry] = StreamView(CONFIG_STREAM)
        self.latest = LatestValues()
        self.book = DeviceBook()
        self._desktop_book = DesktopBook()
        self._settings_book = SettingsBook()
        self.summarise = Summarise(self.book, self._desktop_book)
        self._latest_topic = TelemetryLatest(self.telemetry, self.latest, ticker, rights_changed)
        self._raw_topic = TelemetryRaw(self.telemetry, self.book, ticker)
        self._devices_topic = Devices(self.devices, self.book, ticker, rights_changed)
        self._system_topic = System(self.devices, self.summarise, ticker)
        self._sync_topic = Sync(self.desktops, self._desktop_book, ticker, rights_changed)
        self._config_topic = Config(self.config, self._settings_book, ticker, rights_changed)
        self.commands = Commands(StreamView(COMMANDS_STREAM), ticker)
        self.alerts = Alerts(StreamView(ALERTS_STREAM), ticker)
        self.audit = Audit(StreamView(AUDIT_LOG_STREAM), ticker)
        topics: tuple[LiveTopic, ...] = (
            self._latest_topic, self._raw_topic, self._devices_topic, self._system_topic,
            self._sync_topic, self._config_topic, self.commands, self.alerts, self.audit,
        )  # fmt: skip
        self.topics: dict[Topic, LiveTopic] = {topic.name: topic for topic in topics}
        self.on_registry_change: Callable[[StreamId], None] = lambda _entry_id: None
        """Called when devices came, went, changed groups or owners: audiences may be others now."""
        self.on_position_lost: Callable[[str, GapReason, StreamId], None] = lambda _name, _reason, _last: None
        """Called with a stream's name when its news was interrupted and its state has been loaded anew."""

    @property
    def is_ready(self) -> bool:
        """Whether all state has been loaded once."""
        return self.telemetry.is_ready and self.devices.is_ready

    def take_telemetry(self, entries: Sequence[TelemetryEntry]) -> None:
        """Take in committed readings, in the order of the stream."""
        if is_debugging():
            self._tell_each(entries)
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

    def _tell_each(self, entries: Sequence[TelemetryEntry]) -> None:
        for entry in entries:
            for reading in entry.readings:
                device_id = reading.device_id
                recorded_ms = reading.rows[0][2] if reading.rows else reading.order
                channels = [*self._latest_topic.interest.of(device_id), *self._raw_topic.interest.of(device_id)]
                _log.debug(
                    "reading_taken",
                    correlation_id=reading_correlation(device_id, recorded_ms),
                    entry=str(entry.id),
                    subscriptions=sum(len(channel.members) for channel in channels),
                )

    def take_devices(self, entries: Sequence[DeviceEntry]) -> None:
        """Take in changes of devices, in the order of the stream."""
        is_regrouped = False
        for entry in entries:
            device_id = entry.change.device_id
            is_regrouped |= self.book.apply(entry.change)
            self._devices_topic.offer(device_id)
            if entry.change.is_deleted:
                self.latest.forget(device_id)
        self.devices.advance(entries[-1].id)
        self._system_topic.touch()
        if is_regrouped:
            self.on_registry_change(entries[-1].id)
        self.ticker.settle()

    def replace_devices(self, loaded: DevicesLoaded) -> None:
        """Start again with the devices that the database holds."""
        self.book.replace(loaded.registrations, loaded.statuses)
        self._system_topic.touch()
        self.ticker.settle()

    def take_desktops(self, entries: Sequence[DesktopEntry]) -> None:
        """Take in how far desktops are, in the order of the stream."""
        for entry in entries:
            self._desktop_book.apply(entry.change)
            self._sync_topic.offer(entry.change.device_id)
        self.desktops.advance(entries[-1].id)
        self._system_topic.touch()
        self.ticker.settle()

    def replace_desktops(self, desktops: Iterable[DesktopSyncChanged]) -> None:
        """Start again with the desktops that the database holds."""
        self._desktop_book.replace(desktops)
        self._system_topic.touch()
        self.ticker.settle()

    def take_config(self, entries: Sequence[ConfigEntry]) -> None:
        """Take in changes of configuration, in the order of the stream."""
        for entry in entries:
            self._settings_book.apply(entry.change)
            self._config_topic.offer(entry.change.id)
        self.config.advance(entries[-1].id)
        self.ticker.settle()

    def replace_config(self, entries: Iterable[ConfigChanged]) -> None:
        """Start again with the configuration that the database holds."""
        self._settings_book.replace(entries)

    def system_changed(self) -> None:
        """Tell the `system` topic that a part of the system came or went, or that there is more or less room."""
        self._system_topic.touch()
        self.ticker.settle()
