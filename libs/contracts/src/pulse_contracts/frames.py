"""`precisionpulse.v1`: every frame of the live socket, in both directions, its close codes and its limits.

The source is gateway.md; `asyncapi.json` is generated from these models. Inside v1 there are only additions. Times are
integer Unix milliseconds. A receiver ignores unknown fields, and a client ignores unknown server types.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from pulse_contracts.telemetry import MetricValue

SUBPROTOCOL: Final = "precisionpulse.v1"
MAX_INBOUND_BYTES: Final = 64 * 1024
MAX_SNAPSHOT_ROWS: Final = 500
MAX_SNAPSHOT_BYTES: Final = 64 * 1024
HEARTBEAT_MS: Final = 15_000
AUTH_TIMEOUT_MS: Final = 10_000
TOKEN_WARNING_SECONDS: Final = 60
TOKEN_GRACE_SECONDS: Final = 25
RESUME_MAX_ENTRIES: Final = 5_000
RESUME_MAX_BYTES: Final = 1024 * 1024
TELEMETRY_COLUMNS: Final = ("device_id", "metric", "ts", "value", "quality")


class CloseCode(IntEnum):
    """Why the server closed. The range tells the client what to do: 40xx stop, 41xx mend then back off, 42xx resume."""

    PROTOCOL = 4000
    UNAUTHORIZED = 4001
    FORBIDDEN = 4003
    VERSION = 4006
    TOO_MANY_CONNECTIONS = 4009
    SESSION_REVOKED = 4010
    AUTH_TIMEOUT = 4100
    TOKEN_EXPIRED = 4101
    RATE_LIMITED = 4102
    OVERLOADED = 4103
    RESTART = 4200
    HEARTBEAT_LOST = 4201
    SLOW_CONSUMER = 4202
    POSITION_LOST = 4203
    PERMISSIONS_CHANGED = 4204


class ErrorCode(StrEnum):
    """Codes of an `error` frame."""

    BAD_REQUEST = "bad_request"
    UNKNOWN_TYPE = "unknown_type"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    UNKNOWN_TOPIC = "unknown_topic"
    INVALID_FILTER = "invalid_filter"
    DUPLICATE_SUB = "duplicate_sub"
    UNKNOWN_SUB = "unknown_sub"
    SUB_LIMIT = "sub_limit"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class Topic(StrEnum):
    """What can be subscribed to."""

    TELEMETRY_LATEST = "telemetry.latest"
    TELEMETRY_RAW = "telemetry.raw"
    DEVICES = "devices"
    SYSTEM = "system"
    SYNC = "sync"
    CONFIG = "config"
    ALERTS = "alerts"
    COMMANDS = "commands"
    AUDIT = "audit"


class GapReason(StrEnum):
    """Why rows are missing between two frames."""

    TRIMMED = "trimmed"
    EPOCH = "epoch"
    SLOW = "slow"
    LATE = "late"


class Frame(BaseModel):
    """One frame; unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


RequestId = Annotated[int, Field(gt=0, le=2**53 - 1)]
SubName = Annotated[str, Field(min_length=1, max_length=32)]
IntervalMs = Annotated[int, Field(ge=0, le=60_000)]


class ClientInfo(Frame):
    """Which program is speaking."""

    name: Annotated[str, Field(max_length=64)]
    version: Annotated[str, Field(max_length=32)]


class Position(Frame):
    """A place in a topic: opaque to the client, meaningful only under its epoch."""

    epoch: Annotated[str, Field(max_length=64)]
    offset: Annotated[str, Field(max_length=64)]


class Filter(Frame):
    """What of a topic a subscription wants; an absent field means everything in the user's scope."""

    device_ids: Annotated[list[str], Field(max_length=200)] | None = None
    groups: Annotated[list[str], Field(max_length=50)] | None = None
    metrics: Annotated[list[str], Field(max_length=64)] | None = None
    severity: Annotated[list[str], Field(max_length=8)] | None = None


class AuthFrame(Frame):
    """The first frame, within 10 s."""

    type: Literal["auth"]
    id: RequestId
    token: Annotated[str, Field(max_length=8192)]
    client: ClientInfo
    features: Annotated[list[str], Field(max_length=16)] = []


class AuthRefreshFrame(Frame):
    """A new token of the same user."""

    type: Literal["auth_refresh"]
    id: RequestId
    token: Annotated[str, Field(max_length=8192)]


class SubscribeFrame(Frame):
    """Ask for a topic under a name of the client's own."""

    type: Literal["subscribe"]
    id: RequestId
    sub: SubName
    topic: str
    filter: Filter = Filter()
    interval_ms: IntervalMs | None = None
    since: Position | None = None
    snapshot: bool = True


class TuneFrame(Frame):
    """Change the rate of a subscription, or pause it."""

    type: Literal["tune"]
    id: RequestId
    sub: SubName
    interval_ms: IntervalMs | None = None
    paused: bool | None = None


class UnsubscribeFrame(Frame):
    """End a subscription."""

    type: Literal["unsubscribe"]
    id: RequestId
    sub: SubName


class PingFrame(Frame):
    """Ask for a pong, to measure the round trip and the clock's offset."""

    type: Literal["ping"]
    id: RequestId


ClientFrame = Annotated[
    AuthFrame | AuthRefreshFrame | SubscribeFrame | TuneFrame | UnsubscribeFrame | PingFrame,
    Field(discriminator="type"),
]
CLIENT_FRAME: Final[TypeAdapter[ClientFrame]] = TypeAdapter(ClientFrame)


class Limits(Frame):
    """What this server allows, told in `ready`."""

    max_frame_bytes: int = MAX_INBOUND_BYTES
    messages_per_s: int = 10
    burst: int = 30
    subscriptions: int = 32
    device_ids: int = 200
    connections_per_user: int = 10


class UserInfo(Frame):
    """Who the socket belongs to."""

    id: UUID
    username: str
    roles: list[str]
    permissions: list[str]


class HelloFrame(Frame):
    """The server's first frame."""

    type: Literal["hello"] = "hello"
    protocol: str = SUBPROTOCOL
    server: str
    server_time: int
    conn: str
    auth_timeout_ms: int = AUTH_TIMEOUT_MS


class ReadyFrame(Frame):
    """The answer to a good `auth`."""

    type: Literal["ready"] = "ready"
    id: RequestId
    user: UserInfo
    token_expires_in: Annotated[int, Field(description="seconds")]
    heartbeat_ms: int = HEARTBEAT_MS
    limits: Limits = Limits()


class AckFrame(Frame):
    """A request was carried out."""

    type: Literal["ack"] = "ack"
    id: RequestId
    sub: str | None = None
    topic: str | None = None
    epoch: str | None = None
    offset: str | None = None
    recovered: bool | None = None
    interval_ms: int | None = None
    columns: list[str] | None = None
    token_expires_in: int | None = None


class ErrorFrame(Frame):
    """A request was refused, or a frame could not be read (then without `id`)."""

    type: Literal["error"] = "error"
    id: int | None = None
    sub: str | None = None
    code: ErrorCode
    message: str
    retryable: bool
    retry_after_ms: int | None = None


TelemetryRow = tuple[str, str, int, MetricValue, str]
"""`[device_id, metric, ts, value, quality]`"""


class SnapshotFrame(Frame):
    """State at a position, in pages; `rows` for telemetry, `set` for keyed state."""

    type: Literal["snapshot"] = "snapshot"
    sub: str
    epoch: str
    offset: str
    page: int
    last: bool
    rows: list[TelemetryRow] | None = None
    set: dict[str, dict[str, Any]] | None = None


class DataFrame(Frame):
    """Telemetry rows; `n` above the number of rows means that some were conflated."""

    type: Literal["data"] = "data"
    sub: str
    offset: str
    rows: list[TelemetryRow]
    n: int


class StateFrame(Frame):
    """Changed and removed keys of a state topic."""

    type: Literal["state"] = "state"
    sub: str
    offset: str
    set: dict[str, dict[str, Any]] = {}
    del_: Annotated[list[str], Field(alias="del")] = []

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True, serialize_by_alias=True)


class EventItem(Frame):
    """One event of a log topic."""

    id: Annotated[str, Field(description="names the event for ever: one that comes again is the same")]
    ts: Annotated[int, Field(description="when it happened, Unix ms")]
    kind: Annotated[
        str, Field(description="`command`, `alarm`: a step of its life; `audit`: a row that the audit log now has")
    ]
    data: Annotated[
        dict[str, Any],
        Field(
            description="`command`, `alarm`: the fields of `stream.command-changed`, `stream.alarm-changed` but v,"
            " event_id and at; `audit`: those of `stream.audit-written`"
        ),
    ]


class EventFrame(Frame):
    """Events of a log topic: never conflated, never dropped."""

    type: Literal["event"] = "event"
    sub: str
    offset: str
    items: list[EventItem]


class GapFrame(Frame):
    """Rows are missing here: shade the span, fetch it over REST."""

    type: Literal["gap"] = "gap"
    sub: str
    reason: GapReason
    from_ts: int
    to_ts: int
    device_ids: list[str] | None = None
    count: int | None = None


class HeartbeatFrame(Frame):
    """Every 15 s; advances the offsets of quiet subscriptions."""

    type: Literal["hb"] = "hb"
    server_time: int
    pos: dict[str, str]


class TokenExpiringFrame(Frame):
    """60 s before the token ends."""

    type: Literal["token_expiring"] = "token_expiring"
    expires_in: int


class UnsubscribedFrame(Frame):
    """The server ended a subscription."""

    type: Literal["unsubscribed"] = "unsubscribed"
    sub: str
    code: ErrorCode
    retryable: bool


class UserFrame(Frame):
    """The rights of this socket's user are others now; `ready` told what they were."""

    type: Literal["user"] = "user"
    user: UserInfo


class PongFrame(Frame):
    """The answer to `ping`."""

    type: Literal["pong"] = "pong"
    id: RequestId
    server_time: int


class ByeFrame(Frame):
    """Always precedes a close by the server."""

    type: Literal["bye"] = "bye"
    code: int
    reason: str
    retry_after_ms: int | None = None


ServerFrame = Annotated[
    HelloFrame
    | ReadyFrame
    | AckFrame
    | ErrorFrame
    | SnapshotFrame
    | DataFrame
    | StateFrame
    | EventFrame
    | GapFrame
    | HeartbeatFrame
    | TokenExpiringFrame
    | UnsubscribedFrame
    | UserFrame
    | PongFrame
    | ByeFrame,
    Field(discriminator="type"),
]
SERVER_FRAME: Final[TypeAdapter[ServerFrame]] = TypeAdapter(ServerFrame)


class LivePosition(Frame):
    """In every REST list, latest and history reply: taken before its query, so that a socket can go on from there."""

    topic: Topic
    epoch: str
    offset: str
