"""What a client says of itself on `heartbeat/{client_id}`: hello, heartbeat, and the last will."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, StrictInt

from pulse_contracts.ids import MAX_SEQUENCE, ClientIdField
from pulse_contracts.telemetry import WireModel

HEARTBEAT_SECONDS: Final = 5.0
"""How often a client says that it lives (delivery.md, topics)."""
SILENCE_SECONDS: Final = 8.0
"""Silence after which a heartbeating client is offline: shown within 10 s, the sweep (up to 1.5 s) and the way included."""

InstanceField = Annotated[str, Field(min_length=1, max_length=64)]
VersionField = Annotated[str, Field(max_length=32)]
Count = Annotated[StrictInt, Field(ge=0, le=MAX_SEQUENCE)]


class PresenceStatus(StrEnum):
    """Whether a client is heard."""

    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"


class Hello(WireModel):
    """Said at QoS 1 on every connect: what the outbox holds, and under which epoch (0: none yet, or renew it)."""

    type: Literal["hello"]
    v: Literal[1]
    client_id: ClientIdField
    epoch: Annotated[StrictInt, Field(ge=0, le=2**31 - 1)]
    next: Annotated[StrictInt, Field(ge=1, le=MAX_SEQUENCE, description="the sequence the next reading will get")]
    oldest_unacked: Annotated[
        StrictInt, Field(ge=1, le=MAX_SEQUENCE, description="lowest unsettled sequence; equal to `next` when empty")
    ]
    count: Count
    instance: InstanceField
    version: VersionField
    id: Annotated[StrictInt, Field(ge=1, le=MAX_SEQUENCE)] | None = Field(
        default=None,
        description="the number of this hello, rising with each that this instance says: a hello that the broker "
        "delivers again, or after a later one, is then known for what it is",
    )


class Heartbeat(WireModel):
    """Said at QoS 0 every 5 s; with status OFFLINE it is the last will, or a goodbye."""

    type: Literal["heartbeat"] = "heartbeat"
    v: Literal[1] = 1
    client_id: ClientIdField
    status: PresenceStatus
    ts: Annotated[StrictInt, Field(description="the client's clock, Unix milliseconds")] | None = None
    buffered: Count | None = None
    oldest_unacked: Count | None = None
    instance: InstanceField | None = None
    version: VersionField | None = None
    reason: Annotated[str, Field(max_length=64)] | None = None
