"""The tables of schema `gateway`, as SQLAlchemy sees them: what people keep, what is sent, what the audit log is told."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from pulse_chassis.outbox import outbox_table

SCHEMA: Final = "gateway"
metadata = sa.MetaData(schema=SCHEMA)
_TIME: Final = sa.DateTime(timezone=True)

dashboards = sa.Table(
    "dashboard",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.Uuid, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("is_default", sa.Boolean, nullable=False),
    sa.Column("document", JSONB, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("updated_at", _TIME, nullable=False),
)

preferences = sa.Table(
    "preferences",
    metadata,
    sa.Column("user_id", sa.Uuid, primary_key=True),
    sa.Column("document", JSONB, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("updated_at", _TIME, nullable=False),
)

report_schedules = sa.Table(
    "report_schedule",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.Uuid, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("attached_as", sa.Text, nullable=False),
    sa.Column("filter", JSONB, nullable=False),
    sa.Column("rhythm", JSONB, nullable=False),
    sa.Column("receivers", ARRAY(sa.Text), nullable=False),
    sa.Column("next_at", _TIME),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("updated_at", _TIME, nullable=False),
)

report_sendings = sa.Table(
    "report_sending",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("schedule_id", sa.Uuid, nullable=False),
    sa.Column("due_at", _TIME, nullable=False),
    sa.Column("covers_from", _TIME, nullable=False),
    sa.Column("covers_to", _TIME, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("try_at", _TIME, nullable=False),
    sa.Column("finished_at", _TIME),
    sa.Column("rows", sa.Integer),
    sa.Column("code", sa.Text),
    sa.Column("reason", sa.Text),
)

outbox: Final = outbox_table(metadata, SCHEMA)
