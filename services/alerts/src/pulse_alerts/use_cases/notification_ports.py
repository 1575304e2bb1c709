"""What notifications need of the outside, as roles; `storage` and `messaging` play them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from pulse_alerts.domain.channel import Channel, WebhookSecret
from pulse_alerts.domain.notice import Digest, Notice
from pulse_alerts.domain.release import Waiting, Which
from pulse_alerts.domain.retrying import Outcome
from pulse_alerts.use_cases.ports import Caller, Directory, Page
from pulse_contracts.alerts import AlertsWebhook, DeviceAlerts
from pulse_contracts.audit import AuditEvent

MessageKind = Literal["steps", "test", "renewal"]
MessageState = Literal["queued", "sending", "sent", "failed", "suppressed", "unknown"]


@dataclass(frozen=True, slots=True)
class Planned:
    """One step for one channel; `suppressed` says why nobody is told, None: it waits."""

    channel_id: UUID
    step_id: UUID
    alarm_id: UUID
    address: str
    is_critical: bool
    suppressed: str | None


@dataclass(frozen=True, slots=True)
class Load:
    """What waits for one address of a channel, and when its newest messages were made, newest first."""

    channel: Channel
    address: str
    waiting: Waiting
    sent: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that is ours to send until the claim ends. `is_wanted`: its channel is there and enabled."""

    id: UUID
    kind: MessageKind
    channel: Channel
    is_wanted: bool
    address: str
    attempts: int
    created_at: datetime
    deadline_at: datetime
    asked_by_name: str | None
    claim: UUID


@dataclass(frozen=True, slots=True)
class Settled:
    """What an attempt has made of a message: its state, when it is tried again, and why."""

    state: MessageState
    next_at: datetime
    reason: str | None = None
    detail: str | None = None
    is_doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """What a message is made of. `device` is the truth of the moment about its device, for mqtt."""

    digest: Digest
    device: DeviceAlerts | None
    secret: WebhookSecret | None


class NotifierUnit(Protocol):
    """One transaction of the notifier."""

    async def take_due(self, limit: int) -> list[Notice]:
        """Take steps that somebody may have to hear of, oldest first; what another worker has at hand is left out."""
        ...

    async def enabled_channels(self) -> list[Channel]:
        """Return the channels that are enabled."""
        ...

    async def plan(self, planned: Sequence[Planned], now: datetime) -> None:
        """Write down what is to be told to whom; what is written already stays as it is."""
        ...

    async def loads(self, limit: int) -> list[Load]:
        """Return what waits for addresses that no open message is on its way to, and hold their channels; channels that
        another worker holds are left out."""
        ...

    async def form(self, load: Load, which: Which, now: datetime, deadline: datetime) -> UUID:
        """Make one message of what waits; return its id."""
        ...

    async def renew_stale_topics(self, now: datetime, deadline: datetime, limit: int) -> int:
        """Make a message for each device whose retained one is not true any more; return for how many."""
        ...

    async def tell_screens_again(self, now: datetime) -> None:
        """Have every device with an open alarm told, and what waits for the broker tried now: it is back, and may have lost
        what it retained."""
        ...

    async def release_lost(self, now: datetime) -> int:
        """Queue what somebody claimed and never settled, in doubt whether it was sent; return how many."""
        ...

    async def claim(self, now: datetime, until: datetime, limit: int) -> list[Claimed]:
        """Claim messages that are due, each with its address to itself."""
        ...

    async def content(self, claimed: Claimed, now: datetime, most: int) -> Content:
        """Return what a claimed message is to say."""
        ...

    async def settle(self, claimed: Claimed, settled: Settled, now: datetime) -> bool:
        """Write down what became of it; False: the claim is another's by now, and nothing was written."""
        ...

    async def forget(self, before: datetime, limit: int) -> int:
        """Delete what was settled or suppressed before; return how many rows."""
        ...


class NotifierWork(Protocol):
    """Begins transactions. What they raise when the database is away is UnavailableError."""

    def change(self) -> AbstractAsyncContextManager[NotifierUnit]:
        """Give a transaction; it commits at the end of the block."""
        ...


class People(Protocol):
    """Tells people by e-mail."""

    async def tell(self, claimed: Claimed, digest: Digest) -> Outcome:
        """Send one message to all receivers of its channel."""
        ...


class Webhooks(Protocol):
    """Tells programs by HTTP."""

    async def tell(self, claimed: Claimed, body: AlertsWebhook, secret: WebhookSecret | None) -> Outcome:
        """Send one message, signed."""
        ...


class DeviceScreens(Protocol):
    """Tells devices by MQTT."""

    async def tell(self, alerts: DeviceAlerts, *, is_kept: bool) -> Outcome:
        """Publish to the device, retained; not `is_kept`: take away what is retained."""
        ...


NotificationCounter = Literal[
    "notifications_planned",
    "notifications_suppressed",
    "messages_formed",
    "messages_sent",
    "messages_failed",
    "messages_retried",
    "messages_doubtful",
]


class CountNotifications(Protocol):
    """Counts what happened, for the metrics."""

    def __call__(self, name: NotificationCounter, amount: int = 1) -> None:
        """Count."""
        ...


@dataclass(frozen=True, slots=True)
class Trial:
    """A message by which somebody tries a channel; `address` is the device's for mqtt."""

    id: UUID
    channel_id: UUID
    address: str
    by_name: str
    at: datetime
    deadline: datetime


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message as the list shows it."""

    seq: int
    id: UUID
    channel_id: UUID
    channel_name: str
    kind: MessageKind
    address: str
    state: MessageState
    reason: str | None
    detail: str | None
    steps: int
    attempts: int
    doubtful_attempts: int
    created_at: datetime
    next_at: datetime | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One step for one channel, and how far it got."""

    step_id: UUID
    step_kind: str
    channel_id: UUID
    channel_name: str
    channel_kind: str
    state: MessageState
    reason: str | None
    attempts: int
    doubtful_attempts: int
    created_at: datetime
    settled_at: datetime | None
    message_id: UUID | None


class ChannelUnit(Protocol):
    """One transaction over channels, for people."""

    @property
    def directory(self) -> Directory:
        """Rights and devices."""
        ...

    async def count(self) -> int:
        """Wait for the turn to add a channel, and return how many there are."""
        ...

    async def channel(self, channel_id: UUID) -> Channel | None:
        """Return a channel, held until the transaction ends."""
        ...

    async def secret(self, channel_id: UUID) -> WebhookSecret | None:
        """Return a webhook's secret; None when there is none, or it cannot be opened any more."""
        ...

    async def add(self, channel: Channel, secret: WebhookSecret | None, by: UUID) -> None:
        """Add a channel. Raises ConflictError (`channel_name_taken`, `mqtt_channel_exists`)."""
        ...

    async def save(self, channel: Channel, secret: WebhookSecret | None, by: UUID) -> None:
        """Write a changed channel; what waits for one that is not enabled is suppressed, and devices are told anew.
        Raises ConflictError (`channel_name_taken`)."""
        ...

    async def delete(self, channel: Channel, now: datetime, by: UUID) -> None:
        """Delete a channel; what waits for it is suppressed, what was sent stays readable."""
        ...

    async def add_trial(self, trial: Trial) -> None:
        """Add a message that tries a channel."""
        ...

    async def tell_audit(self, events: Sequence[AuditEvent]) -> None:
        """Tell the audit log when, and only if, the transaction commits."""
        ...


class ChannelReads(Protocol):
    """One view of channels and what went through them, for somebody who reads."""

    @property
    def directory(self) -> Directory:
        """Rights and devices."""
        ...

    async def channels(self) -> list[Channel]:
        """Return all channels by name."""
        ...

    async def channel(self, channel_id: UUID) -> Channel | None:
        """Return a channel."""
        ...

    async def messages(self, channel_id: UUID, states: Sequence[MessageState], page: Page) -> list[MessageRow]:
        """Return a page of a channel's messages, newest first."""
        ...

    async def deliveries(self, caller: Caller, alarm_id: UUID) -> list[DeliveryRow] | None:
        """Return what became of an alarm's steps for each channel; None when the alarm is not in scope."""
        ...


class ChannelWork(Protocol):
    """Begins transactions. What they raise when the database is away is UnavailableError."""

    def change(self) -> AbstractAsyncContextManager[ChannelUnit]:
        """Give a transaction; it commits at the end of the block."""
        ...

    def look(self) -> AbstractAsyncContextManager[ChannelReads]:
        """Give a view that cannot write."""
        ...
