"""`telemetry.latest`: the newest value of every device and metric; conflated, the newest timestamp wins."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from typing_extensions import override

from pulse_contracts.frames import TELEMETRY_COLUMNS, Position, TelemetryRow, Topic
from pulse_contracts.permissions import Permission
from pulse_contracts.streams import LateSpan
from pulse_gateway.domain.late import LateSpans
from pulse_gateway.domain.pending import LatestPending, Pending, rows_pages
from pulse_gateway.domain.scope import Scope
from pulse_gateway.domain.selection import Audience
from pulse_gateway.domain.telemetry import Key, LatestValues, TelemetryEntry
from pulse_gateway.domain.ticks import LatestTick
from pulse_gateway.use_cases.channel import Channel, Ticker
from pulse_gateway.use_cases.interest import Interest
from pulse_gateway.use_cases.stream_view import StreamView
from pulse_gateway.use_cases.subscription import Snapshot
from pulse_gateway.use_cases.topics.live_topic import LiveTopic, RightsChanged


class LatestChannel(Channel):
    """One row per key until the next tick."""

    def __init__(
        self, audience: Audience, interval_ms: int, ticker: Ticker, stream: StreamView[TelemetryEntry],
        latest: LatestValues,
    ) -> None:  # fmt: skip
        super().__init__(Topic.TELEMETRY_LATEST, audience, interval_ms, ticker)
        self._stream = stream
        self._latest = latest
        self._rows: dict[Key, TelemetryRow] = {}
        self._n = 0
        self._late = LateSpans()

    def offer(self, rows: Sequence[TelemetryRow]) -> None:
        """Take rows of one device, in the order of storing."""
        metrics = self.audience.metrics
        for row in rows:
            if metrics is None or row[1] in metrics:
                self._rows[(row[0], row[1])] = row
                self._n += 1
        if self._rows:
            self.touch()

    def offer_late(self, span: LateSpan) -> None:
        """Take a span of late readings."""
        self._late.add(span)
        self.touch()

    @override
    def collect(self) -> LatestTick | None:
        if not self._rows and not self._late:
            return None
        tick = LatestTick(self._stream.position, self._rows, self._n, self._late)
        self._rows, self._n, self._late = {}, 0, LateSpans()
        return tick

    @override
    def gain(self, device_ids: Collection[str]) -> None:
        for device_id in device_ids:
            self.offer(list(self._latest.rows_of(device_id)))

    @override
    def lose(self, device_ids: Collection[str]) -> None:
        self._rows = {key: row for key, row in self._rows.items() if key[0] not in device_ids}
        self._late.drop(device_ids)


class TelemetryLatest(LiveTopic):
    """The topic over the values held in memory."""

    name = Topic.TELEMETRY_LATEST
    permission = Permission.TELEMETRY_READ
    default_interval_ms = 250
    columns = TELEMETRY_COLUMNS

    def __init__(
        self,
        stream: StreamView[TelemetryEntry],
        latest: LatestValues,
        ticker: Ticker,
        rights_changed: RightsChanged,
    ) -> None:
        super().__init__(stream)
        self._latest = latest
        self._ticker = ticker
        self._rights_changed = rights_changed
        self.interest: Interest[LatestChannel] = Interest()

    @override
    def check(self, audience: Audience) -> None:
        del audience

    @override
    def new_pending(self) -> Pending[LatestTick]:
        return LatestPending()

    @override
    def open(self, audience: Audience, interval_ms: int) -> Channel:
        channel = LatestChannel(audience, interval_ms, self._ticker, self.stream, self._latest)
        self.interest.add(channel)
        return channel

    @override
    def close(self, channel: Channel) -> None:
        assert isinstance(channel, LatestChannel)  # noqa: S101 -- narrows a type
        self.interest.remove(channel, channel.audience.devices)

    @override
    def regroup(self, channel: Channel, before: Collection[str] | None) -> None:
        assert isinstance(channel, LatestChannel)  # noqa: S101 -- narrows a type
        self.interest.remove(channel, before)
        self.interest.add(channel)

    @override
    def snapshot(self, audience: Audience) -> Snapshot:
        devices = sorted(self._latest.device_ids() if audience.devices is None else audience.devices)
        metrics = audience.metrics
        rows = [
            row
            for device_id in devices
            for row in self._latest.rows_of(device_id)
            if metrics is None or row[1] in metrics
        ]
        return Snapshot(self.stream.epoch, self.stream.position, "rows", rows_pages(_visible(rows, audience)))

    @override
    def replay(self, pending: Pending[LatestTick], audience: Audience, missed: Sequence[TelemetryEntry]) -> None:
        newest = LatestValues()
        late = LateSpans()
        n = 0
        for entry in missed:
            for span in entry.late:
                if audience.sees(span.device_id):
                    late.add(span)
            for reading in entry.readings:
                if audience.sees(reading.device_id):
                    newest.apply(reading)
                    n += len(reading.rows)
        metrics = audience.metrics
        rows = {
            (row[0], row[1]): row
            for device_id in newest.device_ids()
            for row in newest.rows_of(device_id)
            if metrics is None or row[1] in metrics
        }
        n = n if metrics is None else len(rows)
        if rows or late:
            pending.absorb(LatestTick(self.stream.position, rows, n, late), missed[0].id)

    @override
    def must_renew(self, scope: Scope, since: Position, missed: Sequence[TelemetryEntry]) -> bool:
        del missed
        return self._rights_changed(scope, since)


def _visible(rows: Sequence[TelemetryRow], audience: Audience) -> Iterator[TelemetryRow]:
    # Asked again for each page: rights may have changed since the first one.
    return (row for row in rows if audience.sees(row[0]))
