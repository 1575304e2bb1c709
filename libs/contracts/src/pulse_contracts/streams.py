"""The Redis streams between services: their names, bounds and entries.

Each entry has the field `ENTRY_FIELD` with JSON; one that belongs to recorded traces also `TRACE_FIELD` with the W3C
`traceparent` of each, separated by commas, which a reader may leave unread. Beside a stream stands `<name>:epoch`, a
random id that is new when the stream is: an offset means something only together with it. A reader must survive fields
it does not know.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pulse_contracts.telemetry import MetricValue

ENTRY_FIELD: Final = "j"
TRACE_FIELD: Final = "traceparent"
TELEMETRY_STREAM: Final = "pulse:telemetry"
DEVICES_STREAM: Final = "pulse:devices"
ACCESS_STREAM: Final = "pulse:access"
AUDIT_STREAM: Final = "pulse:audit"
AUDIT_LOG_STREAM: Final = "pulse:audit_log"
CHANGES_STREAM: Final = "pulse:changes"
COMMANDS_STREAM: Final = "pulse:commands"
SYNC_STREAM: Final = "pulse:sync"
CONFIG_STREAM: Final = "pulse:config"
ALERTS_STREAM: Final = "pulse:alerts"
STREAM_MAXLEN: Final = {
    TELEMETRY_STREAM: 100_000,
    DEVICES_STREAM: 100_000,
    ACCESS_STREAM: 10_000,
    AUDIT_STREAM: 200_000,
    AUDIT_LOG_STREAM: 10_000,
    CHANGES_STREAM: 10_000,
    COMMANDS_STREAM: 100_000,
    SYNC_STREAM: 10_000,
    CONFIG_STREAM: 10_000,
    ALERTS_STREAM: 100_000,
}
"""Approximate bounds (`XADD … MAXLEN ~`): about 10 minutes of a busy site (gateway.md, resume, 7)."""
MAX_ENTRY_BYTES: Final = 64 * 1024
LATE_SECONDS: Final = 60.0
"""A reading older than this at ingest is late: history takes it, live screens get a gap (gateway.md, resume, 6)."""


def epoch_key(stream: str) -> str:
    """Return the key that holds a stream's epoch."""
    return f"{stream}:epoch"


class Quality(StrEnum):
    """Whether a reading's time can be believed: `suspect` outside [2015, now + 1 day] (delivery.md, ingest, 9)."""

    GOOD = "good"
    SUSPECT = "suspect"


class StreamEvent(BaseModel):
    """An entry of a stream; unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


AnnouncedRow = tuple[str, int, Quality, dict[str, MetricValue]]
"""Device id, recorded_at in milliseconds, quality, metrics."""


class LateSpan(StreamEvent):
    """A stretch of a device's history that just changed behind the live edge."""

    device_id: str
    from_ms: int
    to_ms: int
    count: Annotated[int, Field(ge=1)]


class TelemetryAnnounced(StreamEvent):
    """Readings that were just committed (never before), in the order in which they were stored."""

    v: Literal[1] = 1
    at: Annotated[int, Field(description="received_at of the batch, Unix milliseconds")]
    rows: list[AnnouncedRow] = []
    late: list[LateSpan] = []


class CompletenessReport(StreamEvent):
    """What of a client's current epoch is here."""

    epoch: int
    cum: int
    highest: int
    received: int
    missing: int
    lost: int


class DeviceStatus(StreamEvent):
    """How a device is doing, as ingest sees it; a field that is None did not change."""

    status: Literal["ONLINE", "OFFLINE"] | None = None
    since: Annotated[int | None, Field(description="Unix milliseconds")] = None
    last_seen: Annotated[int | None, Field(description="Unix milliseconds")] = None
    buffered: int | None = None
    clock_offset_ms: float | None = None
    agent_version: str | None = None
    reason: str | None = None
    completeness: CompletenessReport | None = None


class DeviceRegistration(StreamEvent):
    """What identity knows of a device."""

    name: str
    owner_id: UUID | None
    is_active: bool
    kind: str
    groups: list[str] = []
    metadata: dict[str, Any] = {}


class DeviceChanged(StreamEvent):
    """`pulse:devices`: one device changed. Ingest sends `status`, identity `registration` or `is_deleted`."""

    v: Literal[1] = 1
    device_id: str
    status: DeviceStatus | None = None
    registration: DeviceRegistration | None = None
    is_deleted: bool = False


class AccessChanged(StreamEvent):
    """`pulse:access`: somebody's rights changed. Readers look up what holds now; the event carries no rights itself."""

    v: Literal[1] = 1
    user_id: UUID | None = None
    device_id: str | None = None
    session_id: UUID | None = None
    kind: Literal["user", "role", "share", "session_revoked"]


class RowChanged(StreamEvent):
    """`pulse:changes`: a synced row of identity changed; what it is now, its published view says."""

    v: Literal[1] = 1
    entity: Literal["permissions", "roles", "users"]
    id: str
    version: int


class CommandChanged(StreamEvent):
    """`pulse:commands`: one step of a command's life, in order; the progress that dashboards see.

    `event_id` names the step for ever; arguments and results are on `GET /api/commands/{id}`.
    """

    v: Literal[1] = 1
    event_id: UUID
    at: Annotated[int, Field(description="Unix milliseconds")]
    command_id: UUID
    batch_id: UUID | None = None
    device_id: str
    name: str
    state: str
    progress: float | None = None
    message: str | None = None
    error_code: str | None = None
    actor_id: UUID | None = None
    actor_name: str | None = None


class DesktopSyncChanged(StreamEvent):
    """`pulse:sync`: how far one desktop is; `lag` is log entries in its scope that it has not fetched."""

    v: Literal[1] = 1
    device_id: str
    cursor: int
    head: int
    lag: int
    pending: int = 0
    conflicts: Annotated[int, Field(description="conflicts of this desktop that nobody resolved yet")] = 0
    last_sync_at: Annotated[int | None, Field(description="Unix milliseconds")] = None
    config_lag: Annotated[int, Field(description="config entries in scope not yet in force there")] = 0
    error: str | None = None
    is_gone: bool = False


class ConfigChanged(StreamEvent):
    """`pulse:config`: one entry changed or went away (`value` None and `is_deleted`)."""

    v: Literal[1] = 1
    id: str
    scope: Literal["all", "group", "device"]
    target: str
    key: str
    value: Any = None
    version: int
    updated_at: Annotated[int, Field(description="Unix milliseconds")]
    updated_by: str | None = None
    source: Literal["web", "desktop"] = "web"
    is_deleted: bool = False


class AlarmChanged(StreamEvent):
    """`pulse:alerts`: one step of an alarm's life, in order; `event_id` names the step for ever.

    A rule has at most one alarm that is not cleared on a device. `state` is what holds after the step.
    """

    v: Literal[1] = 1
    event_id: UUID
    at: Annotated[int, Field(description="Unix milliseconds")]
    kind: Literal["raised", "acknowledged", "commented", "shelved", "unshelved", "cleared"]
    alarm_id: UUID
    rule_id: UUID
    rule_name: str
    device_id: str
    metric: str | None = None
    severity: Literal["info", "warning", "critical"]
    state: Literal["active", "acknowledged", "cleared"]
    message: str
    value: MetricValue | None = None
    raised_at: Annotated[int, Field(description="Unix milliseconds, by the reading's own time")]
    acknowledged_at: Annotated[int | None, Field(description="Unix milliseconds")] = None
    cleared_at: Annotated[int | None, Field(description="Unix milliseconds")] = None
    shelved_until: Annotated[int | None, Field(description="Unix milliseconds")] = None
    is_late: Annotated[bool, Field(description="found in readings that came late: never notified")] = False
    actor_id: UUID | None = None
    actor_name: str | None = None
    comment: str | None = None
