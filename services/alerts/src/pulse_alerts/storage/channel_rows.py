"""Channels as rows, and back; URL and key of a webhook are sealed before they are stored."""

from __future__ import annotations

import json
from datetime import time, timedelta
from typing import Any

import sqlalchemy as sa

from pulse_alerts.domain.channel import Channel, ChannelKind, Manners, NoticeFilter, RateLimit, WebhookSecret
from pulse_alerts.domain.quiet_hours import QuietHours
from pulse_chassis.sealing import Sealer, SealError, SealKey


class SecretBox:
    """Seals the secrets of webhooks for the database, and opens them; a copy of the database alone gives none away."""

    def __init__(self, key: SealKey) -> None:
        self._key = key
        self._sealer = Sealer(key.public_key)

    def seal(self, secret: WebhookSecret) -> bytes:
        """Return the sealed secret."""
        return self._sealer.seal(json.dumps({"url": secret.url, "key": secret.key}).encode())

    def open(self, sealed: bytes | None) -> WebhookSecret | None:
        """Return the secret; None when there is none, or the service has another key by now."""
        if sealed is None:
            return None
        try:
            held = json.loads(self._key.open(sealed))
        except SealError:
            return None
        return WebhookSecret(held["url"], held["key"])


def channel_of(row: sa.Row[Any]) -> Channel:
    """Return the channel of a row."""
    limit = None
    if row.limit_messages is not None:
        limit = RateLimit(row.limit_messages, timedelta(seconds=row.limit_seconds))
    return Channel(
        id=row.id,
        name=row.name,
        kind=ChannelKind(row.kind),
        is_enabled=row.is_enabled,
        wanted=NoticeFilter(
            tuple(row.severities),
            tuple(row.step_kinds),
            tuple(row.groups),
            tuple(row.rule_ids),
        ),
        manners=Manners(timedelta(seconds=row.gather_seconds), limit, _quiet_hours(row.quiet_hours, row.time_zone)),
        time_zone=row.time_zone,
        recipients=tuple(row.recipients),
        shown_url=row.shown_url,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        updated_by_name=row.updated_by_name,
    )


def channel_values(channel: Channel) -> dict[str, Any]:
    """Return the values of a channel's columns, its secret apart."""
    limit = channel.manners.limit
    return {
        "name": channel.name,
        "kind": channel.kind.value,
        "is_enabled": channel.is_enabled,
        "recipients": list(channel.recipients),
        "shown_url": channel.shown_url,
        "severities": list(channel.wanted.severities),
        "step_kinds": list(channel.wanted.kinds),
        "groups": list(channel.wanted.groups),
        "rule_ids": list(channel.wanted.rule_ids),
        "gather_seconds": int(channel.manners.gathering.total_seconds()),
        "limit_messages": None if limit is None else limit.messages,
        "limit_seconds": None if limit is None else int(limit.period.total_seconds()),
        "quiet_hours": _quiet_json(channel.manners.quiet_hours),
        "time_zone": channel.time_zone,
        "version": channel.version,
        "created_at": channel.created_at,
        "updated_at": channel.updated_at,
        "updated_by_name": channel.updated_by_name,
    }


def _quiet_hours(held: dict[str, Any] | None, time_zone: str) -> QuietHours | None:
    if held is None:
        return None
    start, end = time.fromisoformat(held["start"]), time.fromisoformat(held["end"])
    return QuietHours(start, end, time_zone, frozenset(held["days"]), held["critical_passes"])


def _quiet_json(quiet: QuietHours | None) -> dict[str, Any] | None:
    if quiet is None:
        return None
    return {
        "start": quiet.start.isoformat("minutes"),
        "end": quiet.end.isoformat("minutes"),
        "days": sorted(quiet.days),
        "critical_passes": quiet.critical_passes,
    }
