"""The tables of notifications in schema `alerts`, beside those of rules and alarms."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from pulse_alerts.storage.tables import metadata

_TIME: Final = sa.DateTime(timezone=True)

channels = sa.Table(
    "channel",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("is_enabled", sa.Boolean, nullable=False),
    sa.Column("recipients", ARRAY(sa.Text), nullable=False),
    sa.Column("shown_url", sa.Text),
    sa.Column("sealed", sa.LargeBinary),
    sa.Column("severities", ARRAY(sa.Text), nullable=False),
    sa.Column("step_kinds", ARRAY(sa.Text), nullable=False),
    sa.Column("groups", ARRAY(sa.Text), nullable=False),
    sa.Column("rule_ids", ARRAY(sa.Uuid), nullable=False),
    sa.Column("gather_seconds", sa.Integer, nullable=False),
    sa.Column("limit_messages", sa.Integer),
    sa.Column("limit_seconds", sa.Integer),
    sa.Column("quiet_hours", JSONB(none_as_null=True)),
    sa.Column("time_zone", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("updated_at", _TIME, nullable=False),
    sa.Column("updated_by", sa.Uuid),
    sa.Column("updated_by_name", sa.Text),
    sa.Column("deleted_at", _TIME),
)

messages = sa.Table(
    "message",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True), unique=True),
    sa.Column("channel_id", sa.Uuid, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("detail", sa.Text),
    sa.Column("steps", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("doubtful_attempts", sa.Integer, nullable=False),
    sa.Column("asked_by_name", sa.Text),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("next_at", _TIME, nullable=False),
    sa.Column("deadline_at", _TIME, nullable=False),
    sa.Column("claim", sa.Uuid),
    sa.Column("claimed_until", _TIME),
    sa.Column("settled_at", _TIME),
)

deliveries = sa.Table(
    "delivery",
    metadata,
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("channel_id", sa.Uuid, nullable=False),
    sa.Column("step_id", sa.Uuid, nullable=False),
    sa.Column("alarm_id", sa.Uuid, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("is_critical", sa.Boolean, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("message_id", sa.Uuid),
    sa.Column("created_at", _TIME, nullable=False),
)

device_topics = sa.Table(
    "device_topic",
    metadata,
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("is_stale", sa.Boolean, nullable=False),
)
