"""A channel: where notifications go, of which steps, and when it may be disturbed.

kind     goes to                       one message tells of
email    people's addresses            all steps that wait for the channel
webhook  a URL, signed                 all steps that wait for the channel
mqtt     `alert/{client_id}`           all steps that wait for one device
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID

from pulse_alerts.domain.notice import Notice
from pulse_alerts.domain.quiet_hours import QuietHours


class ChannelKind(StrEnum):
    """By what a channel tells."""

    EMAIL = "email"
    WEBHOOK = "webhook"
    MQTT = "mqtt"


NotifiedKind = Literal["raised", "cleared"]
"""The steps of an alarm's life that are notified at all."""


@dataclass(frozen=True, slots=True)
class NoticeFilter:
    """Which steps a channel is told; what is empty lets everything pass."""

    severities: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    rule_ids: tuple[UUID, ...] = ()

    def admits(self, notice: Notice) -> bool:
        """Say whether the channel is told of this step."""
        return (
            (not self.severities or notice.severity in self.severities)
            and (not self.kinds or notice.kind in self.kinds)
            and (not self.rule_ids or notice.rule_id in self.rule_ids)
            and (not self.groups or not set(self.groups).isdisjoint(notice.groups))
        )


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most this many messages in any stretch of time this long."""

    messages: int
    period: timedelta


@dataclass(frozen=True, slots=True)
class Manners:
    """When a channel may be disturbed. `gathering` is how long the first step waits for others to come along."""

    gathering: timedelta = timedelta(0)
    limit: RateLimit | None = None
    quiet_hours: QuietHours | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel without its secrets. `shown_url` is a webhook's URL as far as everybody may know it."""

    id: UUID
    name: str
    kind: ChannelKind
    is_enabled: bool
    wanted: NoticeFilter
    manners: Manners
    time_zone: str
    recipients: tuple[str, ...]
    shown_url: str | None
    version: int
    created_at: datetime
    updated_at: datetime
    updated_by_name: str | None


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """Where a webhook's messages go and what they are signed with."""

    url: str
    key: str
    """`whsec_` and the key in base 64, as Standard Webhooks has it."""
