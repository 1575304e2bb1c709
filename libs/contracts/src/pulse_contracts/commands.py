"""A command to a device and what becomes of it.

Down (`command/{id}`, QoS 2, never retained): the bare compact JWS (ES256, `typ` `COMMAND_TYPE`) whose payload is
`Command`, by a key that the agent fetched when it enrolled. Up (`command/{id}/status`, QoS 1): JSON, one of the reports
below. A device executes a `jti` at most once, whatever is published again, and answers a known one with what it knows.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from pulse_contracts.ids import ClientIdField
from pulse_contracts.permissions import Permission
from pulse_contracts.value_specs import ValueSpec, ValueType

COMMAND_TYPE: Final = "pulse-command+jws"
COMMAND_ISSUER: Final = "commands"
COMMAND_SECONDS: Final = 300
"""How long a command is good for, unless its sender says otherwise."""
MAX_COMMAND_SECONDS: Final = 7 * 24 * 3600
MAX_COMMAND_BYTES: Final = 32 * 1024
MAX_RESULT_BYTES: Final = 16 * 1024
COMMAND_NAME_PATTERN: Final = r"^[A-Z][A-Z0-9_]{0,63}$"

CommandName = Annotated[str, Field(pattern=COMMAND_NAME_PATTERN)]
Milliseconds = Annotated[int, Field(ge=0, description="Unix milliseconds")]


class CommandState(StrEnum):
    """Where a command is. The last six end it; `unknown` may still turn into what really happened."""

    QUEUED = "queued"
    PUBLISHED = "published"
    RECEIVED = "received"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


ENDED: Final = frozenset(
    {
        CommandState.SUCCEEDED,
        CommandState.FAILED,
        CommandState.REJECTED,
        CommandState.EXPIRED,
        CommandState.CANCELLED,
        CommandState.UNKNOWN,
    }
)


class _Message(BaseModel):
    # Built at its first use: a process holds only what it speaks of, an agent 0.6 MB less.
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    v: Literal[1] = 1


class Command(_Message):
    """What the signature covers. Times are Unix seconds, as in a JWT."""

    iss: Literal["commands"]
    aud: ClientIdField
    topic: str
    jti: UUID
    cnt: Annotated[int, Field(ge=1, description="counter of this device; a new command has a higher one")]
    iat: int
    exp: int
    name: CommandName
    args: dict[str, Any] = {}
    actor: Annotated[UUID | None, Field(description="the user who sent it")] = None


class CommandError(BaseModel):
    """Why it did not succeed."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    code: Annotated[str, Field(min_length=1, max_length=64)]
    message: Annotated[str, Field(max_length=1000)] = ""


class StatusReport(_Message):
    """What the device did with a command that it could verify."""

    type: Literal["status"] = "status"
    jti: UUID
    state: Literal["received", "started", "succeeded", "failed", "rejected", "expired", "unknown"]
    at: Milliseconds
    progress: Annotated[float | None, Field(ge=0, le=1)] = None
    message: Annotated[str | None, Field(max_length=1000)] = None
    result: Annotated[Any, Field(description=f"JSON, at most {MAX_RESULT_BYTES} bytes")] = None
    error: CommandError | None = None


class RefusalReport(_Message):
    """Something came on the command topic that is no command for this device: logged on both sides, nothing done.

    Codes: `bad_signature`, `unknown_key`, `retained`, `wrong_audience`, `wrong_topic`, `replayed`, `malformed`,
    `too_large`. `jti` only as far as it could be read; it proves nothing.
    """

    type: Literal["refused"] = "refused"
    code: Annotated[str, Field(min_length=1, max_length=64)]
    detail: Annotated[str, Field(max_length=500)] = ""
    jti: Annotated[str | None, Field(max_length=64)] = None
    at: Milliseconds


class CommandSpec(BaseModel):
    """A command that a device understands."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    name: CommandName
    description: Annotated[str, Field(max_length=500)] = ""
    arguments: Annotated[dict[str, ValueSpec], Field(max_length=32)] = {}


class CapabilityReport(_Message):
    """Sent on every connect: the custom commands that this agent's plug-ins declare."""

    type: Literal["capabilities"] = "capabilities"
    commands: Annotated[list[CommandSpec], Field(max_length=100)] = []
    at: Milliseconds


REPORT: Final[TypeAdapter[StatusReport | RefusalReport | CapabilityReport]] = TypeAdapter(
    Annotated[StatusReport | RefusalReport | CapabilityReport, Field(discriminator="type")],
    config=ConfigDict(defer_build=True),
)

_INTERVAL: Final = ValueSpec(
    type=ValueType.INTEGER,
    description="Time between samples",
    unit="ms",
    minimum=10,
    maximum=86_400_000,
    is_required=True,
)
BUILT_IN_COMMANDS: Final[dict[str, CommandSpec]] = {
    spec.name: spec
    for spec in (
        CommandSpec(name="FORCE_SYNC", description="Compare everything with the server now, then fetch what differs"),
        CommandSpec(
            name="UPDATE_CONFIG",
            description="Set one configuration key for this device; it is synced like an edit made there",
            arguments={
                "key": ValueSpec(type=ValueType.TEXT, description="Configuration key", is_required=True),
                "value_json": ValueSpec(
                    type=ValueType.TEXT, description="Its value, as JSON", max_length=4096, is_required=True
                ),
            },
        ),
        CommandSpec(
            name="CHANGE_INTERVAL",
            description="Sample at another interval from now on: sets telemetry.interval_ms for this device",
            arguments={"interval_ms": _INTERVAL},
        ),
        CommandSpec(name="RELOAD", description="Read the configuration again and start the sources anew"),
        CommandSpec(name="PING", description="Answer with the agent's version, time and state"),
        CommandSpec(name="RESTART_AGENT", description="Stop the agent in order and start it again"),
    )
}
ALSO_NEEDED: Final[dict[str, Permission]] = {
    "UPDATE_CONFIG": Permission.CONFIG_WRITE,
    "CHANGE_INTERVAL": Permission.CONFIG_WRITE,
    "FORCE_SYNC": Permission.SYNC_RESOLVE,
}
"""What a sender needs beside `commands:send` and control of the device; checked by the service."""
