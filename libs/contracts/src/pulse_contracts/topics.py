"""Every MQTT topic of the product: the only place that spells one.

Builders return the topic of one client; filters are what a subscriber asks for; `parse_uplink` reads a topic that
a client published to. Nothing here knows payloads.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pulse_contracts.ids import ClientId, is_client_id


class UplinkKind(StrEnum):
    """What a client publishes, by the shape of its topic."""

    LIVE = "live"
    BUFFER = "buffer"
    HEARTBEAT = "heartbeat"
    DEVICE_DATA = "device_data"
    APP_TELEMETRY = "app_telemetry"


@dataclass(frozen=True, slots=True)
class Uplink:
    """A parsed topic: who published, and which of the forms its payload may have."""

    kind: UplinkKind
    client_id: ClientId


TELEMETRY_LIVE_FILTER: Final = "telemetry/+/live"
TELEMETRY_BUFFER_FILTER: Final = "telemetry/+/buffer"
TELEMETRY_BUFFERED_FILTER: Final = "telemetry/+/buffered"
HEARTBEAT_FILTER: Final = "heartbeat/+"
DEVICE_DATA_FILTER: Final = "devices/+/data"
APP_TELEMETRY_FILTER: Final = "app/device/+/telemetry"
SYNC_UPDATE_FILTER: Final = "sync/+/update"
SYNC_UP_FILTER: Final = "sync/+/up"
COMMAND_STATUS_FILTER: Final = "command/+/status"
BROKER_NOTICES: Final = "$SYS/broker/log/N"
"""Mosquitto's own log at level notice: where it says that it refused a connection."""

UPLINK_FILTERS: Final = (
    TELEMETRY_LIVE_FILTER,
    TELEMETRY_BUFFER_FILTER,
    TELEMETRY_BUFFERED_FILTER,
    HEARTBEAT_FILTER,
    DEVICE_DATA_FILTER,
    APP_TELEMETRY_FILTER,
)


def shared(group: str, topic_filter: str) -> str:
    """Return the shared-subscription form of a filter: one member of `group` gets each message."""
    return f"$share/{group}/{topic_filter}"


def telemetry_live(client_id: ClientId) -> str:
    """Where a client publishes its newest readings, QoS 0."""
    return f"telemetry/{client_id}/live"


def telemetry_buffer(client_id: ClientId) -> str:
    """Where a client publishes runs from its outbox, QoS 1."""
    return f"telemetry/{client_id}/buffer"


def ack(client_id: ClientId) -> str:
    """Where a client hears what the database committed, and its welcome, QoS 1."""
    return f"ack/{client_id}"


def heartbeat(client_id: ClientId) -> str:
    """Where a client says hello (QoS 1), that it lives (QoS 0) and, as its last will, that it doesn't."""
    return f"heartbeat/{client_id}"


def command(client_id: ClientId) -> str:
    """Where a client receives signed commands, QoS 2."""
    return f"command/{client_id}"


def command_status(client_id: ClientId) -> str:
    """Where a client says what became of a command, QoS 1."""
    return f"command/{client_id}/status"


def sync_up(client_id: ClientId) -> str:
    """Where a desktop sends its operations, QoS 1."""
    return f"sync/{client_id}/up"


def sync_down(client_id: ClientId) -> str:
    """Where a desktop receives pages and answers, QoS 1."""
    return f"sync/{client_id}/down"


def sync_update(entity: str) -> str:
    """Where every desktop hears that `entity` (users, roles, permissions, config) changed, QoS 1."""
    return f"sync/{entity}/update"


def alert(client_id: ClientId) -> str:
    """Where a client hears of its own alarms, QoS 1."""
    return f"alert/{client_id}"


def device_data(client_id: ClientId) -> str:
    """Where a simple device publishes flat JSON, QoS 1."""
    return f"devices/{client_id}/data"


def app_telemetry(client_id: ClientId) -> str:
    """Where an ESP32 of the app family publishes, QoS 1."""
    return f"app/device/{client_id}/telemetry"


def device_writes(client_id: ClientId) -> tuple[str, ...]:
    """Return every topic that a device may publish to; a broker's placeholder in place of an id gives its pattern."""
    return (
        telemetry_live(client_id),
        telemetry_buffer(client_id),
        TELEMETRY_BUFFERED_FILTER.replace("+", client_id),
        heartbeat(client_id),
        device_data(client_id),
        app_telemetry(client_id),
        command_status(client_id),
        sync_up(client_id),
    )


def device_reads(client_id: ClientId) -> tuple[str, ...]:
    """Return every topic that is a device's own to read; `SYNC_UPDATE_FILTER` is for all of them."""
    return (ack(client_id), command(client_id), sync_down(client_id), alert(client_id))


def sender_of(topic: str, topic_filter: str) -> ClientId | None:
    """Return who published on a topic of one `+` (`SYNC_UP_FILTER`, `COMMAND_STATUS_FILTER`); None: nobody could."""
    before, _, after = topic_filter.partition("+")
    name = topic[len(before) : len(topic) - len(after)]
    is_match = topic.startswith(before) and topic.endswith(after) and is_client_id(name)
    return ClientId(name) if is_match else None


_TELEMETRY_KINDS: Final = {"live": UplinkKind.LIVE, "buffer": UplinkKind.BUFFER, "buffered": UplinkKind.BUFFER}


def parse_uplink(topic: str) -> Uplink | None:
    """Read a topic that a client published to; None when it is no uplink topic or names no possible client."""
    kind: UplinkKind | None = None
    name = ""
    match topic.split("/"):
        case ["telemetry", name, channel]:
            kind = _TELEMETRY_KINDS.get(channel)
        case ["heartbeat", name]:
            kind = UplinkKind.HEARTBEAT
        case ["devices", name, "data"]:
            kind = UplinkKind.DEVICE_DATA
        case ["app", "device", name, "telemetry"]:
            kind = UplinkKind.APP_TELEMETRY
        case _:
            pass
    if kind is None or not is_client_id(name):
        return None
    return Uplink(kind, ClientId(name))
