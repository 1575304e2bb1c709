"""Add, change and delete channels.

A channel tells of whatever its filter admits, whoever may see it otherwise: so only who sees all devices may write one.
URL and key of a webhook are taken and never given back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any, Final
from uuid import UUID, uuid4

from pulse_alerts.domain.channel import Channel, ChannelKind, Manners, NoticeFilter, WebhookSecret
from pulse_alerts.domain.reachable import Network, may_reach, origin_of
from pulse_alerts.domain.webhook_signature import key_bytes
from pulse_alerts.use_cases.authorise import authorise
from pulse_alerts.use_cases.notification_ports import ChannelUnit, ChannelWork
from pulse_chassis.audit_events import audit_event, noted_changes
from pulse_chassis.clock import Clock
from pulse_chassis.errors import ConflictError, InvalidError, NotFoundError
from pulse_chassis.preconditions import Precondition
from pulse_chassis.principal import Principal
from pulse_contracts.audit import AuditEvent, AuditResource
from pulse_contracts.permissions import Permission

NEEDED: Final = (Permission.ALERT_RULES_WRITE, Permission.DEVICES_ALL)
MAX_CHANNELS: Final = 200


@dataclass(frozen=True, slots=True)
class ChannelWish:
    """A channel as somebody wants it; URL and key left out are what they were."""

    name: str
    kind: ChannelKind
    is_enabled: bool
    wanted: NoticeFilter
    manners: Manners
    time_zone: str
    recipients: tuple[str, ...] = ()
    url: str | None = None
    key: str | None = None


@dataclass(eq=False)
class EditChannels:
    """`allowed` are the private networks that webhooks may lead into."""

    work: ChannelWork
    allowed: Sequence[Network]
    clock: Clock

    async def add(self, principal: Principal, wish: ChannelWish) -> Channel:
        """Add a channel. Raises InvalidError, ConflictError, ForbiddenError."""
        async with self.work.change() as unit:
            caller = await authorise(unit.directory, principal, *NEEDED)
            if await unit.count() >= MAX_CHANNELS:
                message = f"there are {MAX_CHANNELS} channels already"
                raise ConflictError(message, code="too_many_channels")
            now = self.clock.now()
            secret = self._secret(wish, None)
            channel = Channel(
                id=uuid4(),
                name=wish.name,
                kind=wish.kind,
                is_enabled=wish.is_enabled,
                wanted=wish.wanted,
                manners=wish.manners,
                time_zone=wish.time_zone,
                recipients=wish.recipients,
                shown_url=None if secret is None else origin_of(secret.url).shown,
                version=1,
                created_at=now,
                updated_at=now,
                updated_by_name=caller.username,
            )
            await unit.add(channel, secret, caller.user_id)
            await unit.tell_audit([self._event("created", channel, None, _told(channel))])
        return channel

    async def change(
        self, principal: Principal, channel_id: UUID, wish: ChannelWish, expected: Precondition
    ) -> Channel:
        """Change a channel. Raises NotFoundError, PreconditionFailedError, InvalidError, ConflictError, ForbiddenError."""
        async with self.work.change() as unit:
            caller = await authorise(unit.directory, principal, *NEEDED)
            held = await held_channel(unit, channel_id)
            expected.check(held.version)
            if wish.kind is not held.kind:
                message = "a channel stays of its kind: add another one"
                raise ConflictError(message, code="channel_kind_fixed", field="body.kind")
            secret = self._secret(wish, await unit.secret(channel_id))
            channel = replace(
                held,
                name=wish.name,
                is_enabled=wish.is_enabled,
                wanted=wish.wanted,
                manners=wish.manners,
                time_zone=wish.time_zone,
                recipients=wish.recipients,
                shown_url=None if secret is None else origin_of(secret.url).shown,
                version=held.version + 1,
                updated_at=self.clock.now(),
                updated_by_name=caller.username,
            )
            await unit.save(channel, secret, caller.user_id)
            before, after = noted_changes(_told(held), _told(channel))
            if wish.key is not None:
                after["has_new_key"] = True
            await unit.tell_audit([self._event("changed", channel, before, after)])
        return channel

    async def delete(self, principal: Principal, channel_id: UUID, expected: Precondition) -> None:
        """Delete a channel. Raises NotFoundError, PreconditionFailedError, ForbiddenError."""
        async with self.work.change() as unit:
            caller = await authorise(unit.directory, principal, *NEEDED)
            held = await held_channel(unit, channel_id)
            expected.check(held.version)
            await unit.delete(held, self.clock.now(), caller.user_id)
            await unit.tell_audit([self._event("deleted", held, _told(held), None)])

    def _secret(self, wish: ChannelWish, held: WebhookSecret | None) -> WebhookSecret | None:
        if wish.kind is not ChannelKind.WEBHOOK:
            return None
        url = wish.url or (held.url if held else None)
        key = wish.key or (held.key if held else None)
        if url is None or key is None:
            message = "a webhook needs a URL and a key"
            raise InvalidError(message, code="webhook_incomplete", field="body.url" if url is None else "body.key")
        try:
            key_bytes(key)
        except ValueError as error:
            raise InvalidError(str(error), code="webhook_key_invalid", field="body.key") from None
        self._check_url(url)
        return WebhookSecret(url, key)

    def _check_url(self, url: str) -> None:
        """Refuse what could never be reached, while somebody is there to hear it; what a name means is seen when sending."""
        try:
            origin = origin_of(url)
        except ValueError as error:
            raise InvalidError(str(error), code="webhook_url_invalid", field="body.url") from None
        try:
            address = ip_address(origin.host)
        except ValueError:
            is_open = origin.scheme == "https" or bool(self.allowed)
        else:
            is_open = may_reach(address, origin.scheme, self.allowed)
        if not is_open:
            message = (
                "webhooks go to public addresses by https, and to networks that PULSE_ALERTS_WEBHOOK_NETWORKS names"
            )
            raise InvalidError(message, code="webhook_address_refused", field="body.url")

    def _event(
        self, done: str, channel: Channel, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
    ) -> AuditEvent:
        resource = AuditResource(type="alert_channel", id=str(channel.id))
        return audit_event("alerts", f"alert_channel.{done}", resource, self.clock.now(), before=before, after=after)


async def held_channel(unit: ChannelUnit, channel_id: UUID) -> Channel:
    """Return a channel, held until the transaction ends. Raises NotFoundError."""
    held = await unit.channel(channel_id)
    if held is None:
        raise no_channel()
    return held


def no_channel() -> NotFoundError:
    """Return the answer to whoever asks for a channel that is not there."""
    message = "there is no such channel"
    return NotFoundError(message, code="unknown_channel")


def _told(channel: Channel) -> dict[str, Any]:
    wanted, manners = channel.wanted, channel.manners
    return {
        "name": channel.name,
        "kind": channel.kind.value,
        "is_enabled": channel.is_enabled,
        "recipients": list(channel.recipients),
        "url": channel.shown_url,
        "severities": list(wanted.severities),
        "kinds": list(wanted.kinds),
        "groups": list(wanted.groups),
        "rule_ids": [str(rule_id) for rule_id in wanted.rule_ids],
        "gather_seconds": manners.gathering.total_seconds(),
        "has_rate_limit": manners.limit is not None,
        "has_quiet_hours": manners.quiet_hours is not None,
        "time_zone": channel.time_zone,
    }
