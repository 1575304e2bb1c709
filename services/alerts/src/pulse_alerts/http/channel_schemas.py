"""The shapes of requests and answers about channels. A field may be added; nothing else changes."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from pulse_alerts.domain.channel import Channel, ChannelKind, Manners, NoticeFilter, RateLimit
from pulse_alerts.domain.quiet_hours import QuietHours, zone
from pulse_alerts.domain.reachable import MAX_URL_CHARS
from pulse_alerts.use_cases.edit_channels import ChannelWish
from pulse_chassis.mail import ADDRESS_PATTERN
from pulse_contracts.alerts import Severity
from pulse_contracts.configuration import MAX_GROUP_CHARS
from pulse_contracts.ids import ClientIdField

_LINE: Final = r"^[^\x00-\x1f\x7f]*$"
_CLOCK: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"

ChannelName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_LINE, strip_whitespace=True)]
GroupName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_GROUP_CHARS, pattern=_LINE)]
Recipient = Annotated[str, StringConstraints(max_length=254, pattern=ADDRESS_PATTERN)]
ClockTime = Annotated[str, StringConstraints(pattern=_CLOCK)]


def _is_zone(name: str) -> str:
    zone(name)
    return name


TimeZone = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_is_zone)]


def _examples(*bodies: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": list(bodies)})


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class FilterBody(_Body):
    """Which steps a channel is told; an empty list lets everything pass."""

    severities: Annotated[list[Severity], Field(max_length=3)] = []
    kinds: Annotated[list[Literal["raised", "cleared"]], Field(max_length=2)] = []
    groups: Annotated[list[GroupName], Field(max_length=50, description="of devices: one of them is enough")] = []
    rule_ids: Annotated[list[UUID], Field(max_length=200)] = []

    def wanted(self) -> NoticeFilter:
        """Return what is wanted."""
        return NoticeFilter(
            tuple(sorted(set(self.severities))),
            tuple(sorted(set(self.kinds))),
            tuple(sorted(set(self.groups))),
            tuple(sorted(set(self.rule_ids))),
        )


class RateLimitBody(_Body):
    """At most this many messages in any stretch of this long; what comes beyond is summed up in the next one."""

    messages: Annotated[int, Field(ge=1, le=1000)]
    seconds: Annotated[int, Field(ge=1, le=86_400)]

    def limit(self) -> RateLimit:
        """Return the limit."""
        return RateLimit(self.messages, timedelta(seconds=self.seconds))


class QuietHoursBody(_Body):
    """From `start` to `end` by the clock of the channel's time zone; what happens meanwhile is summed up at the end."""

    model_config = _examples({"start": "22:00", "end": "06:30"})

    start: ClockTime
    end: Annotated[ClockTime, Field(description="not later than `start`: on the next day")]
    days: Annotated[
        list[Annotated[int, Field(ge=0, le=6)]],
        Field(min_length=1, max_length=7, description="on which they start; Monday is 0"),
    ] = [0, 1, 2, 3, 4, 5, 6]
    critical_passes: Annotated[bool, Field(description="what is critical is told all the same")] = True

    @model_validator(mode="after")
    def _ends(self) -> QuietHoursBody:
        if self.start == self.end:
            message = "start and end are the same: switch the channel off instead"
            raise ValueError(message)
        return self

    def hours(self, time_zone: str) -> QuietHours:
        """Return the hours in a time zone."""
        return QuietHours(
            time.fromisoformat(self.start),
            time.fromisoformat(self.end),
            time_zone,
            frozenset(self.days),
            self.critical_passes,
        )


class _ChannelBody(_Body):
    name: ChannelName
    is_enabled: bool = True
    filter: FilterBody = FilterBody()

    def _wish(self, kind: ChannelKind) -> ChannelWish:
        return ChannelWish(self.name, kind, self.is_enabled, self.filter.wanted(), Manners(), "UTC")


GatherSeconds = Annotated[
    int, Field(ge=0, le=3600, description="how long the first step waits for others to go with it")
]


class _MannerlyBody(_ChannelBody):
    gather_seconds: GatherSeconds = 0
    rate_limit: Annotated[RateLimitBody | None, Field(description="null: none")] = None
    quiet_hours: Annotated[QuietHoursBody | None, Field(description="null: none")] = None
    time_zone: Annotated[TimeZone, Field(description="IANA name; of quiet hours, and of times in e-mails")] = "UTC"

    def _mannerly_wish(self, kind: ChannelKind, **target: Any) -> ChannelWish:
        manners = Manners(
            timedelta(seconds=self.gather_seconds),
            None if self.rate_limit is None else self.rate_limit.limit(),
            None if self.quiet_hours is None else self.quiet_hours.hours(self.time_zone),
        )
        return ChannelWish(self.name, kind, self.is_enabled, self.filter.wanted(), manners, self.time_zone, **target)


class EmailChannelBody(_MannerlyBody):
    """People who are told by e-mail."""

    model_config = _examples(
        {
            "kind": "email",
            "name": "Night shift",
            "recipients": ["night@example.org"],
            "filter": {"severities": ["critical", "warning"]},
            "gather_seconds": 30,
            "rate_limit": {"messages": 20, "seconds": 3600},
            "quiet_hours": {"start": "22:00", "end": "06:30"},
            "time_zone": "Europe/Vienna",
        }
    )

    kind: Literal["email"]
    gather_seconds: GatherSeconds = 30
    rate_limit: Annotated[RateLimitBody | None, Field(description="null: none")] = RateLimitBody(
        messages=30, seconds=3600
    )
    recipients: Annotated[list[Recipient], Field(min_length=1, max_length=50)]

    def wish(self) -> ChannelWish:
        """Return what is wanted."""
        return self._mannerly_wish(ChannelKind.EMAIL, recipients=tuple(dict.fromkeys(self.recipients)))


class WebhookChannelBody(_MannerlyBody):
    """A program that is told by POST, signed by the convention of Standard Webhooks."""

    model_config = _examples(
        {
            "kind": "webhook",
            "name": "Tickets",
            "url": "https://tickets.example.org/hooks/pulse",
            "key": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        }
    )

    kind: Literal["webhook"]
    url: Annotated[
        str | None,
        Field(min_length=1, max_length=MAX_URL_CHARS, repr=False, description="never answered; left out: as it was"),
    ] = None
    key: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=128,
            repr=False,
            description="`whsec_` and 24 to 64 bytes in base 64; never answered; left out: as it was",
        ),
    ] = None

    def wish(self) -> ChannelWish:
        """Return what is wanted."""
        return self._mannerly_wish(ChannelKind.WEBHOOK, url=self.url, key=self.key)


class MqttChannelBody(_ChannelBody):
    """Devices that are told of their own alarms on `alert/{client_id}`, at once; there is one such channel."""

    model_config = _examples({"kind": "mqtt", "name": "Devices' own screens", "filter": {"severities": ["critical"]}})

    kind: Literal["mqtt"]

    def wish(self) -> ChannelWish:
        """Return what is wanted."""
        return self._wish(ChannelKind.MQTT)


ChannelBody = Annotated[EmailChannelBody | WebhookChannelBody | MqttChannelBody, Field(discriminator="kind")]


class TrialBody(_Body):
    """Which device is told, for a channel of kind mqtt."""

    device_id: ClientIdField | None = None


class FilterAnswer(_Answer):
    """Which steps a channel is told; an empty list lets everything pass."""

    severities: list[str]
    kinds: list[str]
    groups: list[str]
    rule_ids: list[UUID]


class RateLimitAnswer(_Answer):
    """At most this many messages in any stretch of this long."""

    messages: int
    seconds: int


class QuietHoursAnswer(_Answer):
    """By the clock of the channel's time zone."""

    start: str
    end: str
    days: list[int]
    critical_passes: bool


class ChannelAnswer(_Answer):
    """A channel; of a webhook only where it leads, neither the whole URL nor its key."""

    id: UUID
    name: str
    kind: Literal["email", "webhook", "mqtt"]
    is_enabled: bool
    filter: FilterAnswer
    recipients: list[str]
    url_origin: Annotated[
        str | None, Field(description="of a webhook's URL scheme, host and port: the rest is a secret")
    ]
    gather_seconds: int
    rate_limit: RateLimitAnswer | None
    quiet_hours: QuietHoursAnswer | None
    time_zone: str
    version: int
    created_at: datetime
    updated_at: datetime
    updated_by_name: str | None

    @classmethod
    def of(cls, channel: Channel) -> ChannelAnswer:
        """Return the answer for a channel."""
        wanted, manners = channel.wanted, channel.manners
        limit, quiet = manners.limit, manners.quiet_hours
        return cls(
            id=channel.id,
            name=channel.name,
            kind=channel.kind.value,
            is_enabled=channel.is_enabled,
            filter=FilterAnswer(
                severities=list(wanted.severities),
                kinds=list(wanted.kinds),
                groups=list(wanted.groups),
                rule_ids=list(wanted.rule_ids),
            ),
            recipients=list(channel.recipients),
            url_origin=channel.shown_url,
            gather_seconds=int(manners.gathering.total_seconds()),
            rate_limit=limit and RateLimitAnswer(messages=limit.messages, seconds=int(limit.period.total_seconds())),
            quiet_hours=quiet
            and QuietHoursAnswer(
                start=quiet.start.isoformat("minutes"),
                end=quiet.end.isoformat("minutes"),
                days=sorted(quiet.days),
                critical_passes=quiet.critical_passes,
            ),
            time_zone=channel.time_zone,
            version=channel.version,
            created_at=channel.created_at,
            updated_at=channel.updated_at,
            updated_by_name=channel.updated_by_name,
        )


class ChannelList(_Answer):
    """All channels, by name."""

    items: list[ChannelAnswer]
