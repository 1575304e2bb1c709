"""The tables of schema `alerts`, as SQLAlchemy sees them. The migrations make them; a test compares the two."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from pulse_chassis.outbox import outbox_table

SCHEMA: Final = "alerts"
metadata = sa.MetaData(schema=SCHEMA)
_TIME: Final = sa.DateTime(timezone=True)

rules = sa.Table(
    "rule",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("is_enabled", sa.Boolean, nullable=False),
    sa.Column("metric", sa.Text),
    sa.Column("device_ids", ARRAY(sa.Text), nullable=False),
    sa.Column("groups", ARRAY(sa.Text), nullable=False),
    sa.Column("condition", JSONB, nullable=False),
    sa.Column("schedule", JSONB(none_as_null=True)),
    sa.Column("clear_after_ms", sa.BigInteger, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("unit", sa.Text),
    sa.Column("evaluation", sa.Integer, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("created_by", sa.Uuid),
    sa.Column("created_by_name", sa.Text),
    sa.Column("updated_at", _TIME, nullable=False),
    sa.Column("updated_by", sa.Uuid),
    sa.Column("updated_by_name", sa.Text),
)

alarms = sa.Table(
    "alarm",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True), unique=True),
    sa.Column("rule_id", sa.Uuid, nullable=False),
    sa.Column("rule_name", sa.Text, nullable=False),
    sa.Column("rule_kind", sa.Text, nullable=False),
    sa.Column("device_id", sa.Text, nullable=False),
    sa.Column("metric", sa.Text),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("value", JSONB(none_as_null=True)),
    sa.Column("raised_at", _TIME, nullable=False),
    sa.Column("noticed_at", _TIME, nullable=False),
    sa.Column("acknowledged_at", _TIME),
    sa.Column("acknowledged_by", sa.Uuid),
    sa.Column("acknowledged_by_name", sa.Text),
    sa.Column("cleared_at", _TIME),
    sa.Column("cleared_value", JSONB(none_as_null=True)),
    sa.Column("clear_reason", sa.Text),
    sa.Column("cleared_by", sa.Uuid),
    sa.Column("cleared_by_name", sa.Text),
    sa.Column("shelved_until", _TIME),
    sa.Column("shelved_by", sa.Uuid),
    sa.Column("shelved_by_name", sa.Text),
    sa.Column("is_late", sa.Boolean, nullable=False),
    sa.Column("updated_at", _TIME, nullable=False),
)

alarm_steps = sa.Table(
    "alarm_step",
    metadata,
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("id", sa.Uuid, nullable=False, unique=True),
    sa.Column("alarm_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("noted_at", _TIME, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("value", JSONB(none_as_null=True)),
    sa.Column("comment", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("shelved_until", _TIME),
    sa.Column("actor_id", sa.Uuid),
    sa.Column("actor_name", sa.Text),
)

notifications_due = sa.Table(
    "notification_due",
    metadata,
    sa.Column("step_id", sa.Uuid, primary_key=True),
    sa.Column("alarm_id", sa.Uuid, nullable=False),
    sa.Column("noted_at", _TIME, nullable=False),
)

outbox: Final = outbox_table(metadata, SCHEMA)
