"""How an agent is doing and what it measures, as it tells the windows of its machine (`local_protocol`).

Times are Unix milliseconds (`_ms`), durations seconds, unless a name says otherwise.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

MAX_PAGE: Final = 500
"""Rows of one answer."""
RECENT_SECONDS: Final = 900
"""How far back the agent remembers samples for the small chart; older ones are the server's."""


class LocalModel(BaseModel):
    """Unknown fields are ignored; built when first used, as an agent without a window needs none of them."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class LocalParams(BaseModel):
    """What a method takes; an unknown parameter is an error, so that a typing error is found."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class NoParams(LocalParams):
    """Nothing to say."""


class Done(LocalModel):
    """Nothing to tell, but that it is done."""


class Mode(StrEnum):
    """What the agent can do: deliver, or only be enrolled."""

    ENROLLED = "enrolled"
    UNENROLLED = "unenrolled"


# -- how the agent is doing -------------------------------------------------------------------------------------------


class Connection(StrEnum):
    """The states of delivery (desktop.md)."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    ONLINE = "online"
    DRAINING = "draining"
    OFFLINE_BUFFERING = "offline_buffering"


class Reason(StrEnum):
    """Why the connection is in its state."""

    STARTING = "starting"
    REACHING = "reaching"
    GREETING = "greeting"
    WELCOMED = "welcomed"
    CATCHING_UP = "catching_up"
    NOT_REACHABLE = "not_reachable"
    NOT_AUTHORIZED = "not_authorized"
    TAKEN_OVER = "taken_over"
    LINK_LOST = "link_lost"
    NO_ANSWER = "no_answer"
    STOPPED = "stopped"


class ConnectionStatus(LocalModel):
    """The state of delivery, since when and why; `detail` is what the network or the server said, in English."""

    state: Connection
    since_ms: int
    reason: Annotated[str, Field(description="one of `Reason`")]
    detail: str = ""
    next_try_ms: Annotated[int | None, Field(description="when it is tried again")] = None


class Drain(LocalModel):
    """Catching up on what was kept, from `started_ms` with `started_with` readings."""

    started_ms: int
    started_with: int
    left: int
    rate_per_s: Annotated[float | None, Field(description="over the last seconds; none: not known yet")] = None
    seconds_left: float | None = None


class Backlog(LocalModel):
    """What waits on this disk."""

    readings: int
    bytes: int
    max_bytes: int
    fullness: Annotated[str, Field(description="`normal`, `warning` (70 %), `critical` (90 %)")]
    is_disk_low: bool = False
    oldest_ms: int | None = None
    last_ack_ms: int | None = None
    drain: Drain | None = None


class Recovery(LocalModel):
    """The outbox was damaged once: what was saved of it."""

    at: str
    detail: str
    set_aside_as: str
    salvaged: int
    declared_lost: int


class SyncStatus(LocalModel):
    """How sync stands; `note` says in English why this desktop takes no part, or not yet."""

    is_taking_part: bool
    note: str = ""
    last_sync_ms: int | None = None
    behind: Annotated[int, Field(description="changes that the server has and this desktop not yet")] = 0
    pending: Annotated[int, Field(description="edits made here that the server has not answered")] = 0
    unread_notices: int = 0
    error: str | None = None
    keys_missing: list[str] = Field(default_factory=list)
    lease_until_ms: Annotated[int | None, Field(description="the earliest end of a lease on this desktop")] = None


class DeviceInfo(LocalModel):
    """Who this machine is to the server: from its enrolment, not to be changed here."""

    device_id: str
    name: str
    server_url: str
    broker_host: str
    broker_port: int
    is_tls: bool
    key_store: Annotated[str, Field(description="`keyring`, or `file` (mode 0600)")]


class Versions(LocalModel):
    """For the about box."""

    agent: str
    protocol: int
    python: str
    sqlite: str
    platform: str


class Status(LocalModel):
    """Everything about the agent but the values measured. Unenrolled: no device, and the connection is `disconnected`."""

    mode: Mode
    connection: ConnectionStatus
    backlog: Backlog
    sync: SyncStatus
    device: DeviceInfo | None = None
    quarantined: int = 0
    losses: Annotated[int, Field(description="ranges of lost readings that the server was not told of yet")] = 0
    refused: Annotated[int, Field(description="readings of sources that could not be kept since the start")] = 0
    recovery: Recovery | None = None
    data_folder: str
    pid: int
    started_ms: int
    now_ms: int
    server_offset_ms: Annotated[int | None, Field(description="server's clock less this machine's")] = None
    versions: Versions


# -- readings ---------------------------------------------------------------------------------------------------------

MetricValue = bool | int | float | str


class LatestValue(LocalModel):
    """The newest value of a metric."""

    value: MetricValue
    at_ms: int


class Latest(LocalModel):
    """The newest value of each metric."""

    values: dict[str, LatestValue]


class RecentParams(LocalParams):
    """Which samples."""

    metric: Annotated[str, Field(max_length=128)]
    seconds: Annotated[int, Field(ge=1, le=RECENT_SECONDS)] = RECENT_SECONDS


class Recent(LocalModel):
    """Samples of one metric, oldest first, thinned to at most 2,000."""

    metric: str
    samples: list[tuple[int, MetricValue]]
