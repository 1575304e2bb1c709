"""From the JSON of stream entries to what the domain works with. A reader survives fields that it does not know.

Telemetry is decoded by hand: it is the hot path, and ingest has validated every value before it committed it. A test
holds this decoder to what the contract accepts. Raises BadEntryError for what is not an entry at all.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

import orjson
from pydantic import ValidationError

from pulse_contracts.audit import AuditWritten
from pulse_contracts.streams import (
    AccessChanged,
    AlarmChanged,
    CommandChanged,
    ConfigChanged,
    DesktopSyncChanged,
    DeviceChanged,
    LateSpan,
)
from pulse_gateway.domain.desktops import DesktopEntry
from pulse_gateway.domain.devices import DeviceEntry
from pulse_gateway.domain.events import Event
from pulse_gateway.domain.settings_book import ConfigEntry
from pulse_gateway.domain.stream_id import StreamId
from pulse_gateway.domain.telemetry import Reading, TelemetryEntry
from pulse_gateway.domain.times import to_ms


class BadEntryError(ValueError):
    """The entry does not have the form of its stream."""


class AccessEntry:
    """One entry of the access stream, decoded."""

    __slots__ = ("change", "id", "size")

    def __init__(self, entry_id: StreamId, size: int, change: AccessChanged) -> None:
        self.id = entry_id
        self.size = size
        self.change = change


def decode_telemetry(entry_id: StreamId, payload: bytes) -> TelemetryEntry:
    """Decode an announcement of committed readings."""
    try:
        entry = orjson.loads(payload)
        at = int(entry["at"])
        readings = tuple(
            Reading(
                device_id,
                min(ts, at),
                tuple([(device_id, metric, ts, value, quality) for metric, value in metrics.items()]),
            )
            for device_id, ts, quality, metrics in entry.get("rows", ())
        )
        late = tuple(LateSpan.model_validate(span) for span in entry.get("late", ()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadEntryError(str(error)) from error
    return TelemetryEntry(entry_id, len(payload), readings, late)


def decode_device(entry_id: StreamId, payload: bytes) -> DeviceEntry:
    """Decode a change of a device."""
    try:
        return DeviceEntry(entry_id, len(payload), DeviceChanged.model_validate_json(payload))
    except ValidationError as error:
        raise BadEntryError(str(error)) from error


def decode_access(entry_id: StreamId, payload: bytes) -> AccessEntry:
    """Decode a change of somebody's rights."""
    try:
        return AccessEntry(entry_id, len(payload), AccessChanged.model_validate_json(payload))
    except ValidationError as error:
        raise BadEntryError(str(error)) from error


def decode_desktop(entry_id: StreamId, payload: bytes) -> DesktopEntry:
    """Decode how far a desktop is with syncing."""
    try:
        return DesktopEntry(entry_id, len(payload), DesktopSyncChanged.model_validate_json(payload))
    except ValidationError as error:
        raise BadEntryError(str(error)) from error


def decode_config(entry_id: StreamId, payload: bytes) -> ConfigEntry:
    """Decode a change of a configuration entry."""
    try:
        return ConfigEntry(entry_id, len(payload), ConfigChanged.model_validate_json(payload))
    except ValidationError as error:
        raise BadEntryError(str(error)) from error


def decode_command(entry_id: StreamId, payload: bytes) -> Event:
    """Decode a step of a command into the event that is told of it."""
    try:
        step = CommandChanged.model_validate_json(payload)
    except ValidationError as error:
        raise BadEntryError(str(error)) from error
    return _event(entry_id, payload, step.device_id, _Item(step.event_id, step.at, "command", _told(step)))


def decode_alarm(entry_id: StreamId, payload: bytes) -> Event:
    """Decode a step of an alarm into the event that is told of it."""
    try:
        step = AlarmChanged.model_validate_json(payload)
    except ValidationError as error:
        raise BadEntryError(str(error)) from error
    item = _Item(step.event_id, step.at, "alarm", _told(step))
    return _event(entry_id, payload, step.device_id, item)._replace(severity=step.severity)


def decode_audit(entry_id: StreamId, payload: bytes) -> Event:
    """Decode a row of the audit log into the event that is told of it."""
    try:
        row = AuditWritten.model_validate_json(payload)
    except ValidationError as error:
        raise BadEntryError(str(error)) from error
    return _event(entry_id, payload, None, _Item(row.id, to_ms(row.at), "audit", row.model_dump(mode="json")))


class _Item(NamedTuple):
    """An event as it is told: its name for ever, when it happened, what kind it is, and the rest."""

    id: UUID
    ts: int
    kind: str
    data: dict[str, Any]


def _event(entry_id: StreamId, payload: bytes, device_id: str | None, item: _Item) -> Event:
    return Event(entry_id, len(payload), device_id, orjson.dumps(item._asdict()).decode())


def _told(step: CommandChanged | AlarmChanged) -> dict[str, Any]:
    return step.model_dump(mode="json", exclude={"v", "event_id", "at"})
