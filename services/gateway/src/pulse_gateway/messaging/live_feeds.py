"""Every stream that the gateway follows, led to the state that it changes and the topics that tell of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from redis.asyncio import Redis

from pulse_chassis.tracing import Tracing
from pulse_contracts.frames import Topic
from pulse_contracts.streams import ACCESS_STREAM
from pulse_gateway.domain.devices import DeviceEntry
from pulse_gateway.domain.events import Event
from pulse_gateway.domain.stream_id import StreamId
from pulse_gateway.messaging.decoding import (
    AccessEntry,
    decode_access,
    decode_alarm,
    decode_audit,
    decode_command,
    decode_config,
    decode_desktop,
    decode_device,
    decode_telemetry,
)
from pulse_gateway.messaging.entry_traces import EntryTraces
from pulse_gateway.messaging.stream_feed import FeedHandlers, StreamFeed
from pulse_gateway.use_cases.desk import Desk
from pulse_gateway.use_cases.ports import PublishedState
from pulse_gateway.use_cases.stream_view import StreamView
from pulse_gateway.use_cases.topics.log_topic import LogTopic

LOGS: Final[Mapping[Topic, tuple[Callable[[StreamId, bytes], Event], str, str]]] = {
    Topic.COMMANDS: (decode_command, "commands", "command_view"),
    Topic.ALERTS: (decode_alarm, "alerts", "alarm_view"),
    Topic.AUDIT: (decode_audit, "identity", "audit_stored"),
}
"""Of each log how its entries are read, and the view that tells that the service behind it is there."""


def live_feeds(
    redis: Redis, desk: Desk, published: PublishedState, tracing: Tracing | None
) -> dict[str, StreamFeed[Any]]:
    """Return the feeds by name; each is to be run by a worker of its own."""
    return {
        "telemetry": _telemetry_feed(redis, desk, published, tracing),
        "devices": _devices_feed(redis, desk, published, tracing),
        "sync": _sync_feed(redis, desk, published, tracing),
        "config": _config_feed(redis, desk, published, tracing),
        **{name.value: _log_feed(redis, desk, published, tracing, name) for name in LOGS},
        "access": _access_feed(redis, desk),
    }


def _telemetry_feed(redis: Redis, desk: Desk, published: PublishedState, tracing: Tracing | None) -> StreamFeed[Any]:
    state = desk.state

    async def load() -> None:
        state.latest.replace(await published.load_latest())

    handlers = FeedHandlers(decode_telemetry, state.take_telemetry, load, desk.hub.position_lost)
    return StreamFeed(redis, state.telemetry, handlers, desk.stats, _traces(tracing, state.telemetry.name))


def _devices_feed(redis: Redis, desk: Desk, published: PublishedState, tracing: Tracing | None) -> StreamFeed[Any]:
    state = desk.state

    async def load() -> None:
        state.replace_devices(await published.load_devices())

    def preload(entry: DeviceEntry) -> None:
        if entry.change.is_deleted or entry.change.registration is not None:
            desk.directory.note_registry(entry.id)

    handlers = FeedHandlers(decode_device, state.take_devices, load, desk.hub.position_lost, preload)
    return StreamFeed(redis, state.devices, handlers, desk.stats, _traces(tracing, state.devices.name))


def _sync_feed(redis: Redis, desk: Desk, published: PublishedState, tracing: Tracing | None) -> StreamFeed[Any]:
    state = desk.state

    async def load() -> None:
        state.replace_desktops(await published.load_desktops())

    handlers = FeedHandlers(decode_desktop, state.take_desktops, load, desk.hub.position_lost)
    return StreamFeed(redis, state.desktops, handlers, desk.stats, _traces(tracing, state.desktops.name))


def _config_feed(redis: Redis, desk: Desk, published: PublishedState, tracing: Tracing | None) -> StreamFeed[Any]:
    state = desk.state

    async def load() -> None:
        state.replace_config(await published.load_config())

    handlers = FeedHandlers(decode_config, state.take_config, load, desk.hub.position_lost)
    return StreamFeed(redis, state.config, handlers, desk.stats, _traces(tracing, state.config.name))


def _log_feed(
    redis: Redis, desk: Desk, published: PublishedState, tracing: Tracing | None, name: Topic
) -> StreamFeed[Any]:
    topic = desk.state.topics[name]
    assert isinstance(topic, LogTopic)  # noqa: S101 -- narrows a type
    decode, schema, view = LOGS[name]

    async def check() -> None:
        await published.check_view(schema, view)

    handlers = FeedHandlers(decode, topic.take, check, desk.hub.position_lost)
    return StreamFeed(redis, topic.stream, handlers, desk.stats, _traces(tracing, topic.stream.name))


def _access_feed(redis: Redis, desk: Desk) -> StreamFeed[Any]:
    directory = desk.directory
    view: StreamView[AccessEntry] = StreamView(ACCESS_STREAM)

    def take(entries: Sequence[AccessEntry]) -> None:
        for entry in entries:
            directory.note(entry.id, entry.change)
        view.advance(entries[-1].id)

    async def load() -> None:
        directory.mark_all()

    handlers = FeedHandlers(
        decode_access,
        take,
        load,
        lost=lambda _stream, _reason, _last: directory.mark_all(),
        preload=lambda entry: directory.note(entry.id, entry.change),
    )
    return StreamFeed(redis, view, handlers, desk.stats)


def _traces(tracing: Tracing | None, stream: str) -> EntryTraces | None:
    return None if tracing is None else EntryTraces(tracing, stream)
