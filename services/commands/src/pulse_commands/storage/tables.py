"""The tables of schema `commands`, as SQLAlchemy sees them. The migrations make them; a test compares the two."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from pulse_chassis.outbox import outbox_table

SCHEMA: Final = "commands"
metadata = sa.MetaData(schema=SCHEMA)
_TIME: Final = sa.DateTime(timezone=True)

batches = sa.Table(
    "batch",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("actor_id", sa.Uuid, nullable=False),
    sa.Column("actor_name", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("refused", JSONB, nullable=False),
    sa.Column("request_digest", sa.LargeBinary, unique=True),
)

commands = sa.Table(
    "command",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True), unique=True),
    sa.Column("batch_id", sa.Uuid, nullable=False),
    sa.Column("device_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("args", JSONB, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("counter", sa.BigInteger, nullable=False),
    sa.Column("actor_id", sa.Uuid, nullable=False),
    sa.Column("actor_name", sa.Text, nullable=False),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("updated_at", _TIME, nullable=False),
    sa.Column("expires_at", _TIME, nullable=False),
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("has_started", sa.Boolean, nullable=False),
    sa.Column("progress", sa.Double),
    sa.Column("progress_steps", sa.Integer, nullable=False),
    sa.Column("message", sa.Text),
    sa.Column("told_at_ms", sa.BigInteger),
    sa.Column("is_settled", sa.Boolean, nullable=False),
    sa.Column("result", JSONB(none_as_null=True)),
    sa.Column("error", JSONB(none_as_null=True)),
    sa.Column("published_at", _TIME),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("ask_at", _TIME),
    sa.Column("ask_until", _TIME),
    sa.Column("heard_at", _TIME),
)

command_events = sa.Table(
    "command_event",
    metadata,
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("id", sa.Uuid, nullable=False, unique=True),
    sa.Column("command_id", sa.Uuid, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("device_at", _TIME),
    sa.Column("actor_kind", sa.Text, nullable=False),
    sa.Column("actor_id", sa.Text),
    sa.Column("actor_name", sa.Text),
    sa.Column("progress", sa.Double),
    sa.Column("detail", sa.Text),
    sa.Column("error_code", sa.Text),
)

device_counters = sa.Table(
    "device_counter",
    metadata,
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("counter", sa.BigInteger, nullable=False),
)

capabilities = sa.Table(
    "capability",
    metadata,
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("specs", JSONB, nullable=False),
    sa.Column("reported_at", _TIME, nullable=False),
)

refusals = sa.Table(
    "refusal",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("device_id", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("minute", _TIME, nullable=False),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Column("first_at", _TIME, nullable=False),
    sa.Column("last_at", _TIME, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("jti", sa.Text),
)

outbox: Final = outbox_table(metadata, SCHEMA)
