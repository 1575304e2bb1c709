"""`telemetry.raw`: every sample of at most 200 devices, in the order in which they were stored."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from typing_extensions import override

from pulse_contracts.frames import TELEMETRY_COLUMNS, ErrorCode, TelemetryRow, Topic
from pulse_contracts.permissions import Permission
from pulse_contracts.streams import LateSpan
from pulse_gateway.domain.devices import DeviceBook
from pulse_gateway.domain.late import LateSpans
from pulse_gateway.domain.pending import Pending, RawPending
from pulse_gateway.domain.refusal import RefusedError
from pulse_gateway.domain.selection import Audience
from pulse_gateway.domain.stream_id import StreamId
from pulse_gateway.domain.telemetry import Reading, TelemetryEntry
from pulse_gateway.domain.ticks import Batch, RawTick
from pulse_gateway.use_cases.channel import Channel, Ticker
from pulse_gateway.use_cases.interest import Interest
from pulse_gateway.use_cases.stream_view import StreamView
from pulse_gateway.use_cases.subscription import Snapshot
from pulse_gateway.use_cases.topics.live_topic import LiveTopic

MAX_DEVICES: Final = 200


class RawChannel(Channel):
    """All rows until the next tick, entry by entry."""

    def __init__(
        self, audience: Audience, interval_ms: int, ticker: Ticker, stream: StreamView[TelemetryEntry]
    ) -> None:
        super().__init__(Topic.TELEMETRY_RAW, audience, interval_ms, ticker)
        self._stream = stream
        self._batches: list[tuple[StreamId, list[TelemetryRow]]] = []
        self._late = LateSpans()

    def offer(self, entry_id: StreamId, rows: Sequence[TelemetryRow]) -> None:
        """Take rows of one device out of an entry."""
        metrics = self.audience.metrics
        wanted = list(rows) if metrics is None else [row for row in rows if row[1] in metrics]
        if not wanted:
            return
        if self._batches and self._batches[-1][0] == entry_id:
            self._batches[-1][1].extend(wanted)
        else:
            self._batches.append((entry_id, wanted))
        self.touch()

    def offer_late(self, span: LateSpan) -> None:
        """Take a span of late readings."""
        self._late.add(span)
        self.touch()

    @override
    def collect(self) -> RawTick | None:
        if not self._batches and not self._late:
            return None
        batches: list[Batch] = list(self._batches)
        tick = RawTick(self._stream.position, batches, self._late)
        self._batches, self._late = [], LateSpans()
        return tick

    def gain(self, device_ids: Collection[str]) -> None:
        """Do nothing: a log begins where a device came into view."""

    @override
    def lose(self, device_ids: Collection[str]) -> None:
        self._batches = [
            (entry_id, [row for row in rows if row[0] not in device_ids]) for entry_id, rows in self._batches
        ]
        self._late.drop(device_ids)


class TelemetryRaw(LiveTopic):
    """The topic: a log without a snapshot."""

    name = Topic.TELEMETRY_RAW
    permission = Permission.TELEMETRY_READ
    default_interval_ms = 50
    columns = TELEMETRY_COLUMNS

    def __init__(self, stream: StreamView[TelemetryEntry], devices: DeviceBook, ticker: Ticker) -> None:
        super().__init__(stream)
        self._devices = devices
        self._ticker = ticker
        self.interest: Interest[RawChannel] = Interest()

    @override
    def check(self, audience: Audience) -> None:
        count = sum(1 for _ in self._devices.ids()) if audience.devices is None else len(audience.devices)
        if count > MAX_DEVICES:
            message = f"telemetry.raw takes at most {MAX_DEVICES} devices: name them in filter.device_ids"
            raise RefusedError(ErrorCode.INVALID_FILTER, message)

    @override
    def new_pending(self) -> Pending[RawTick]:
        return RawPending()

    @override
    def open(self, audience: Audience, interval_ms: int) -> Channel:
        channel = RawChannel(audience, interval_ms, self._ticker, self.stream)
        self.interest.add(channel)
        return channel

    @override
    def close(self, channel: Channel) -> None:
        assert isinstance(channel, RawChannel)  # noqa: S101 -- narrows a type
        self.interest.remove(channel, channel.audience.devices)

    @override
    def regroup(self, channel: Channel, before: Collection[str] | None) -> None:
        assert isinstance(channel, RawChannel)  # noqa: S101 -- narrows a type
        self.interest.remove(channel, before)
        self.interest.add(channel)

    @override
    def snapshot(self, audience: Audience) -> Snapshot | None:
        del audience
        return None

    @override
    def replay(self, pending: Pending[RawTick], audience: Audience, missed: Sequence[TelemetryEntry]) -> None:
        assert isinstance(pending, RawPending)  # noqa: S101 -- narrows a type
        late = LateSpans()
        batches: list[Batch] = []
        for entry in missed:
            for span in entry.late:
                if audience.sees(span.device_id):
                    late.add(span)
            rows = [row for reading in entry.readings for row in _wanted(reading, audience)]
            if rows:
                batches.append((entry.id, rows))
        pending.replay(batches, late)


def _wanted(reading: Reading, audience: Audience) -> Iterator[TelemetryRow]:
    if not audience.sees(reading.device_id):
        return iter(())
    metrics = audience.metrics
    return (row for row in reading.rows if metrics is None or row[1] in metrics)
