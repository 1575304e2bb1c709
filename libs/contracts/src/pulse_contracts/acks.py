"""What comes down on `ack/{client_id}`: the ack of what the database committed, and the welcome after a hello.

An ack is idempotent and commutative, and any worker may send it. It is sent after the commit, never before.
A message with `"type": "welcome"` is a welcome; one without `type` is an ack.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_WELCOME_RANGES: Final = 1000
"""Ranges in a welcome, lowest first: what is cut off is sent again and deduplicated."""

Range = tuple[int, int]
"""A closed range of sequences: first and last, both included."""


class Credit(BaseModel):
    """How much the server will take from this client now."""

    model_config = ConfigDict(frozen=True)

    rows_s: Annotated[int, Field(ge=0, description="rows a second that this client's bucket refills")]
    window: Annotated[int, Field(ge=0, description="unacknowledged buffer messages the client may have on their way")]


class Ack(BaseModel):
    """What is settled: `ok` and everything up to `cum` may be deleted, `rej` goes to the client's quarantine."""

    model_config = ConfigDict(frozen=True)

    v: Literal[1] = 1
    epoch: Annotated[int, Field(ge=0, description="0 for a plain device, which has no ledger")]
    cum: Annotated[int, Field(ge=0, description="the highest n with 1..n all received, lost or rejected")] = 0
    ok: list[Range] = []
    rej: list[tuple[int | None, str, str]] = Field(
        default=[], description="sequence (null where the message names none), code, detail"
    )
    credit: Credit
    server_time: Annotated[int, Field(description="Unix time in milliseconds")]
    unknown_epoch: bool = Field(default=False, description="the server does not know this epoch: say hello again")


class Welcome(BaseModel):
    """The answer to a hello: under which epoch to send, what is already here, and how fast the rest may come."""

    model_config = ConfigDict(frozen=True)

    type: Literal["welcome"] = "welcome"
    v: Literal[1] = 1
    epoch: Annotated[int, Field(ge=1)]
    cum: Annotated[int, Field(ge=0)]
    received: list[Range] = Field(description="ranges at or above the client's oldest unacked sequence")
    head: tuple[int, int] | None = Field(
        default=None,
        description="highest received sequence and its recorded_at in microseconds; a client that holds another "
        "reading under that sequence was rolled back or cloned, and asks for a new epoch",
    )
    id: int | None = Field(
        default=None,
        description="the hello that this answers; below the client's newest one it answers an older question and is "
        "ignored, above it the server has heard more of this instance than it remembers: say hello again, with a higher one",
    )
    credit: Credit
    server_time: Annotated[int, Field(description="Unix time in milliseconds")]
