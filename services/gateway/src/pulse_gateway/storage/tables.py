"""The tables of schema `gateway`, as SQLAlchemy sees them: what people keep, and what the audit log is told."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

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

outbox: Final = outbox_table(metadata, SCHEMA)
