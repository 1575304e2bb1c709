"""What a desktop window and the agent of the same user say to each other over a local socket: frames, methods, events.

One JSON object a line, UTF-8. The window begins with `hello` and names the versions it speaks; the agent answers
`welcome` with the highest that both do, or `refused`, and closes. Then requests and answers, in any order, and events.
Inside a version there are only additions: a receiver ignores fields and events that it does not know, and an unknown
method is answered `unknown_method`. Times are Unix milliseconds (`_ms`), durations seconds, unless a name says
otherwise. Who may call what is written beside each method and is the agent's to check.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, TypeAdapter

from pulse_contracts import local_enrolment as enrolment
from pulse_contracts import local_people as people
from pulse_contracts import local_records as records
from pulse_contracts import local_status as status
from pulse_contracts import local_updates as updates
from pulse_contracts.local_address import MAX_REQUEST_BYTES
from pulse_contracts.local_records import LogLevel, LogRecord
from pulse_contracts.local_status import Done, LocalModel, Mode, NoParams
from pulse_contracts.permissions import Permission

VERSIONS: Final = (1,)
"""What this code speaks, lowest first."""
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""A line of the agent."""
MAX_OPEN_REQUESTS: Final = 16
"""Requests of one window without an answer; further lines wait in the socket until one is written."""
HELLO_SECONDS: Final = 5.0

# -- frames -----------------------------------------------------------------------------------------------------------

RequestId = Annotated[int, Field(gt=0, le=2**53 - 1)]


class Program(LocalModel):
    """Which program is speaking."""

    name: Annotated[str, Field(max_length=64)]
    version: Annotated[str, Field(max_length=32)]


class Hello(LocalModel):
    """The window's first line, within 5 s."""

    type: Literal["hello"] = "hello"
    versions: Annotated[list[int], Field(min_length=1, max_length=16)]
    window: Program


class Request(LocalModel):
    """A call; answered once with `result` or `error` of the same id."""

    type: Literal["request"] = "request"
    id: RequestId
    method: Annotated[str, Field(max_length=64)]
    params: Annotated[dict[str, Any], Field(repr=False, description="`MethodSpec.params`")] = Field(
        default_factory=dict
    )


WindowFrame = Annotated[Hello | Request, Field(discriminator="type")]


class Limits(LocalModel):
    """What this agent allows."""

    max_request_bytes: int = MAX_REQUEST_BYTES
    max_answer_bytes: int = MAX_ANSWER_BYTES
    max_open_requests: int = MAX_OPEN_REQUESTS


class Welcome(LocalModel):
    """The answer to `hello`: the version that both speak from now on."""

    type: Literal["welcome"] = "welcome"
    version: int
    agent: Program
    mode: Mode
    pid: int
    started_ms: int
    methods: Annotated[list[str], Field(description="those of this agent, in this mode")]
    limits: Limits = Limits()


class Refused(LocalModel):
    """The agent's last line: why it closes the connection."""

    type: Literal["refused"] = "refused"
    code: Annotated[str, Field(description="one of `RefusalCode`")]
    message: str
    versions: Annotated[list[int], Field(description="those that the agent speaks")] = Field(default_factory=list)


class RefusalCode(StrEnum):
    """Why a connection is closed by the agent."""

    VERSION = "version_not_supported"
    BAD_FRAME = "bad_frame"
    LINE_TOO_LONG = "line_too_long"
    TOO_MANY_WINDOWS = "too_many_windows"
    NO_HELLO = "no_hello"
    STOPPING = "stopping"


class Result(LocalModel):
    """A request was carried out."""

    type: Literal["result"] = "result"
    id: RequestId
    result: Annotated[dict[str, Any], Field(repr=False, description="`MethodSpec.result`")]


class ErrorCode(StrEnum):
    """Codes of the protocol itself. A refused sign-in or edit has the code of its reason (`locked_out`, `username_taken`)."""

    UNKNOWN_METHOD = "unknown_method"
    BAD_PARAMS = "bad_params"
    BUSY = "busy"
    """A window says it to itself when it has `MAX_OPEN_REQUESTS` open."""
    NOT_SIGNED_IN = "not_signed_in"
    PERMISSION_MISSING = "permission_missing"
    NOT_ENROLLED = "not_enrolled"
    ALREADY_ENROLLED = "already_enrolled"
    NO_SYNC = "no_sync"
    OFFLINE = "offline"
    UNAVAILABLE = "unavailable"
    NOT_FOUND = "not_found"
    TOO_LARGE = "too_large"
    MANAGED = "managed"
    """The configuration leaves this to whoever administers the machine."""
    INTERNAL = "internal"


class ErrorBody(LocalModel):
    """Why a request failed: for a program (`code`) and, in English, for a person (`message`)."""

    code: str
    message: str
    field: Annotated[str | None, Field(description="the parameter that is wrong")] = None
    retry_after: Annotated[float | None, Field(description="seconds")] = None


class Failure(LocalModel):
    """A request was refused."""

    type: Literal["error"] = "error"
    id: RequestId
    error: ErrorBody


class EventName(StrEnum):
    """What the agent says unasked; what becomes of it when a window is slow stands in `EVENTS`."""

    STATE = "state"
    PROGRESS = "progress"
    READING = "reading"
    CHANGED = "changed"
    NOTICE = "notice"
    LOG = "log"
    STEP = "step"
    SESSION = "session"
    UPDATE = "update"


class Event(LocalModel):
    """Something happened; `data` is the model that `EVENTS` names."""

    type: Literal["event"] = "event"
    event: Annotated[str, Field(description="one of `EventName`")]
    data: dict[str, Any]


AgentFrame = Annotated[Welcome | Refused | Result | Failure | Event, Field(discriminator="type")]

# -- events -----------------------------------------------------------------------------------------------------------


class Entity(StrEnum):
    """What a window may show and has to read again when it changed."""

    USERS = "users"
    ROLES = "roles"
    CONFIG = "config"
    SETTINGS = "settings"
    PENDING = "pending"
    CONFLICTS = "conflicts"
    NOTICES = "notices"
    QUARANTINE = "quarantine"
    LOSSES = "losses"


class Changed(LocalModel):
    """These lists say something else now."""

    entities: Annotated[list[str], Field(description="of `Entity`")]


class NoticeKind(StrEnum):
    """What a person is told even when the window is hidden."""

    EDIT_UNDONE = "edit_undone"
    OUTBOX_FULLNESS = "outbox_fullness"
    OUTBOX_DAMAGED = "outbox_damaged"
    QUARANTINED = "quarantined"


class Notice(LocalModel):
    """For the tray: `level` as a log's; `facts` hold what the sentence is made of, for other languages."""

    kind: Annotated[str, Field(description="of `NoticeKind`")]
    level: LogLevel
    sentence: str
    at_ms: int
    facts: dict[str, Any] = Field(default_factory=dict)


class LogEvent(LocalModel):
    """New records; `dropped`: how many before them this window was too slow for."""

    records: list[LogRecord]
    dropped: int = 0


class Overflow(StrEnum):
    """What happens to an event while the window has not taken the one before."""

    NEWEST_WINS = "newest_wins"
    """It takes the place of the one that waits."""
    MERGED = "merged"
    """Both become one: the newest value of each metric, all entities."""
    DROP_OLDEST = "drop_oldest"
    """At most `EventSpec.bound` wait; the oldest goes."""


@dataclass(frozen=True, slots=True)
class EventSpec:
    """The model of an event's data, who gets it (None: every window), and what happens to it when the window is slow."""

    data: type[BaseModel]
    overflow: Overflow
    permission: Permission | None = None
    needs_session: bool = False
    bound: int = 1


EVENTS: Final[Mapping[EventName, EventSpec]] = {
    EventName.STATE: EventSpec(status.Status, Overflow.NEWEST_WINS),
    EventName.PROGRESS: EventSpec(status.Backlog, Overflow.NEWEST_WINS),
    EventName.READING: EventSpec(status.Latest, Overflow.MERGED, Permission.TELEMETRY_READ, needs_session=True),
    EventName.CHANGED: EventSpec(Changed, Overflow.MERGED, needs_session=True),
    EventName.NOTICE: EventSpec(Notice, Overflow.DROP_OLDEST, needs_session=True, bound=32),
    EventName.LOG: EventSpec(LogEvent, Overflow.DROP_OLDEST, Permission.SYSTEM_READ, needs_session=True, bound=256),
    EventName.STEP: EventSpec(enrolment.StepEvent, Overflow.DROP_OLDEST, bound=32),
    EventName.SESSION: EventSpec(people.WhoAmI, Overflow.NEWEST_WINS),
    EventName.UPDATE: EventSpec(updates.UpdateStatus, Overflow.NEWEST_WINS),
}

# -- methods ----------------------------------------------------------------------------------------------------------


class Access(StrEnum):
    """Who may call a method."""

    ANYBODY = "anybody"
    """Every window of this user of the machine: as much as its files would tell."""
    SIGNED_IN = "signed_in"
    PERMISSION = "permission"
    """Somebody who signed in and has `MethodSpec.permission`."""


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """One method: what it takes and gives, who may call it, and in which mode of the agent it is there."""

    params: type[BaseModel]
    result: type[BaseModel]
    access: Access = Access.PERMISSION
    permission: Permission | None = None
    modes: frozenset[Mode] = frozenset({Mode.ENROLLED})


_ALWAYS: Final = frozenset(Mode)
_BEFORE: Final = frozenset({Mode.UNENROLLED})


def _for(permission: Permission, params: type[BaseModel], result: type[BaseModel]) -> MethodSpec:
    return MethodSpec(params, result, Access.PERMISSION, permission)


METHODS: Final[Mapping[str, MethodSpec]] = {
    "status": MethodSpec(NoParams, status.Status, Access.ANYBODY, modes=_ALWAYS),
    "sign_in": MethodSpec(people.SignInParams, people.Session, Access.ANYBODY),
    "sign_out": MethodSpec(NoParams, Done, Access.ANYBODY),
    "whoami": MethodSpec(NoParams, people.WhoAmI, Access.ANYBODY),
    "latest": _for(Permission.TELEMETRY_READ, NoParams, status.Latest),
    "recent": _for(Permission.TELEMETRY_READ, status.RecentParams, status.Recent),
    "sync.now": MethodSpec(NoParams, records.Compared, Access.SIGNED_IN),
    "sync.pending": _for(Permission.SYNC_READ, NoParams, records.PendingEdits),
    "sync.log": _for(Permission.SYNC_READ, records.BeforeParams, records.SyncLog),
    "conflicts.list": _for(Permission.SYNC_READ, records.ConflictsParams, records.Conflicts),
    "conflicts.accept": _for(Permission.SYNC_RESOLVE, records.NumberParams, Done),
    "conflicts.restore": _for(Permission.SYNC_RESOLVE, records.NumberParams, Done),
    "notices.list": MethodSpec(NoParams, records.Notices, Access.SIGNED_IN),
    "notices.read": MethodSpec(records.NumbersParams, Done, Access.SIGNED_IN),
    "users.list": _for(Permission.USERS_READ, people.PageParams, people.Users),
    "users.create": _for(Permission.USERS_WRITE, people.UserCreateParams, people.Made),
    "users.edit": _for(Permission.USERS_WRITE, people.UserEditParams, Done),
    "users.set_active": _for(Permission.USERS_WRITE, people.UserActiveParams, Done),
    "users.set_password": _for(Permission.USERS_WRITE, people.PasswordParams, Done),
    "users.change_roles": _for(Permission.USERS_WRITE, people.UserRolesParams, Done),
    "users.delete": _for(Permission.USERS_WRITE, people.RowParams, Done),
    "roles.list": _for(Permission.ROLES_READ, people.PageParams, people.Roles),
    "roles.create": _for(Permission.ROLES_WRITE, people.RoleCreateParams, people.Made),
    "roles.edit": _for(Permission.ROLES_WRITE, people.RoleEditParams, Done),
    "roles.change_permissions": _for(Permission.ROLES_WRITE, people.RolePermissionsParams, Done),
    "roles.delete": _for(Permission.ROLES_WRITE, people.RowParams, Done),
    "config.list": _for(Permission.CONFIG_READ, NoParams, people.ConfigRows),
    "config.set": _for(Permission.CONFIG_WRITE, people.KeyValueParams, Done),
    "config.clear": _for(Permission.CONFIG_WRITE, people.KeyParams, Done),
    "settings.read": MethodSpec(NoParams, people.Settings, Access.SIGNED_IN),
    "settings.change": _for(Permission.CONFIG_WRITE, people.KeyValueParams, people.Setting),
    "settings.reset": _for(Permission.CONFIG_WRITE, people.KeyParams, people.Setting),
    "quarantine.list": _for(Permission.TELEMETRY_READ, records.AfterParams, records.Quarantine),
    "quarantine.clear": _for(Permission.DEVICES_WRITE, records.UpToParams, records.Cleared),
    "losses.list": _for(Permission.TELEMETRY_READ, records.AfterParams, records.Losses),
    "logs.tail": _for(Permission.SYSTEM_READ, records.TailParams, records.LogRecords),
    "updates.check": MethodSpec(NoParams, updates.UpdateStatus, Access.SIGNED_IN),
    "updates.download": MethodSpec(NoParams, updates.UpdateStatus, Access.SIGNED_IN),
    "updates.cancel": MethodSpec(NoParams, updates.UpdateStatus, Access.SIGNED_IN),
    "agent.restart": _for(Permission.COMMANDS_SEND, NoParams, Done),
    "enrol.check": MethodSpec(enrolment.EnrolCheckParams, enrolment.EnrolReport, Access.ANYBODY, modes=_BEFORE),
    "enrol.enrol": MethodSpec(enrolment.EnrolParams, enrolment.EnrolReport, Access.ANYBODY, modes=_BEFORE),
}
"""Every method of version 1. `users.*` and `roles.*` also hold nobody to more than their own rights (sync.md, 5)."""

WINDOW_FRAME: Final[TypeAdapter[WindowFrame]] = TypeAdapter(WindowFrame)
AGENT_FRAME: Final[TypeAdapter[AgentFrame]] = TypeAdapter(AgentFrame)
