"""The shapes of what became of notifications. A field may be added; nothing else changes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pulse_alerts.use_cases.notification_ports import DeliveryRow, MessageKind, MessageRow, MessageState, Trial

MAX_CURSOR: Final = 2**63 - 1


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class TrialAnswer(_Answer):
    """A message that was queued; what becomes of it, the channel's messages tell."""

    message_id: UUID
    created_at: datetime
    gives_up_at: datetime

    @classmethod
    def of(cls, trial: Trial) -> TrialAnswer:
        """Return the answer for a trial."""
        return cls(message_id=trial.id, created_at=trial.at, gives_up_at=trial.deadline)


class MessageAnswer(_Answer):
    """One message: an e-mail, a POST, or what a device is told. Its id is in `Message-ID` and `webhook-id`."""

    id: UUID
    channel_id: UUID
    channel_name: str
    kind: Annotated[MessageKind, Field(description="renewal: a device was told anew what is true")]
    device_id: Annotated[str | None, Field(description="of a channel of kind mqtt")]
    state: Annotated[
        MessageState,
        Field(description="unknown: its time is over, and nobody knows whether the last attempt came through"),
    ]
    reason: Annotated[str | None, Field(description="why it is not sent, or not yet: a code")]
    detail: str | None
    steps: Annotated[int, Field(description="how many steps of alarms it tells of")]
    attempts: int
    doubtful_attempts: Annotated[int, Field(description="after which nobody knew: it may have come more than once")]
    created_at: datetime
    next_at: Annotated[datetime | None, Field(description="of a queued one: when it is tried next")]
    settled_at: datetime | None

    @classmethod
    def of(cls, row: MessageRow) -> MessageAnswer:
        """Return the answer for a message."""
        return cls(
            id=row.id,
            channel_id=row.channel_id,
            channel_name=row.channel_name,
            kind=row.kind,
            device_id=row.address or None,
            state=row.state,
            reason=row.reason,
            detail=row.detail,
            steps=row.steps,
            attempts=row.attempts,
            doubtful_attempts=row.doubtful_attempts,
            created_at=row.created_at,
            next_at=row.next_at,
            settled_at=row.settled_at,
        )


class MessagePage(_Answer):
    """Messages of a channel, newest first."""

    items: list[MessageAnswer]
    next_cursor: Annotated[int | None, Field(description="give it as `cursor` for the page after; null: the end")]


class DeliveryAnswer(_Answer):
    """One step of an alarm for one channel, and how far it got."""

    step_id: UUID
    step_kind: Literal["raised", "cleared"]
    channel_id: UUID
    channel_name: str
    channel_kind: Literal["email", "webhook", "mqtt"]
    state: MessageState
    reason: Annotated[str | None, Field(description="why it is not sent: `shelved`, `late`, `channel_disabled`, …")]
    attempts: int
    doubtful_attempts: int
    created_at: datetime
    settled_at: datetime | None
    message_id: Annotated[UUID | None, Field(description="the message that it is in, with others perhaps")]

    @classmethod
    def of(cls, row: DeliveryRow) -> DeliveryAnswer:
        """Return the answer for a delivery."""
        return cls.model_validate(row, from_attributes=True)


class DeliveryList(_Answer):
    """What became of an alarm's steps for each channel, in their order."""

    items: list[DeliveryAnswer]


class MessageParameters(BaseModel):
    """Which messages of a channel."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: Annotated[list[MessageState], Field(max_length=6)] = []
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[int | None, Field(ge=0, le=MAX_CURSOR)] = None
