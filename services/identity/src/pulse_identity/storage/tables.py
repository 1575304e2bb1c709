"""The tables of schema `identity`, as SQLAlchemy sees them. The migrations make them; a test compares the two."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from pulse_chassis.outbox import outbox_table
from pulse_contracts.stamps import NO_STAMP

SCHEMA: Final = "identity"
metadata = sa.MetaData(schema=SCHEMA)
_TIME: Final = sa.DateTime(timezone=True)


def _reference(target: str, on_delete: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"{SCHEMA}.{target}", ondelete=on_delete)


def _stamps(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    """Return the columns of a synced row; `revoked` is, by key, the version in which it was last revoked."""
    return (
        sa.Column("stamp", sa.Text(collation="C"), nullable=False, server_default=NO_STAMP),
        sa.Column("updated_by", sa.Text),
        sa.Column("source", sa.Text, nullable=False, server_default="web"),
        sa.Column("revoked", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
        sa.CheckConstraint("source in ('web', 'desktop')", name=f"{table}_source"),
        sa.Index(f"{table}_id_text", sa.text("(id::text)")),
    )


users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("username", sa.Text, nullable=False),
    sa.Column("username_key", sa.Text, nullable=False, unique=True),
    sa.Column("email", sa.Text),
    sa.Column("email_key", sa.Text, unique=True),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("updated_at", _TIME, nullable=False),
    *_stamps("users"),
)

roles = sa.Table(
    "roles",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("name_key", sa.Text, nullable=False, unique=True),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("is_built_in", sa.Boolean, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("updated_at", _TIME, nullable=False),
    *_stamps("roles"),
)

permissions = sa.Table(
    "permissions",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("description", sa.Text, nullable=False),
)

role_permissions = sa.Table(
    "role_permissions",
    metadata,
    sa.Column("role_id", sa.Uuid, _reference("roles.id", "CASCADE"), primary_key=True),
    sa.Column("permission", sa.Text, _reference("permissions.name", "CASCADE"), primary_key=True),
)

user_roles = sa.Table(
    "user_roles",
    metadata,
    sa.Column("user_id", sa.Uuid, _reference("users.id", "CASCADE"), primary_key=True),
    sa.Column("role_id", sa.Uuid, _reference("roles.id", "RESTRICT"), primary_key=True, index=True),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.Uuid, _reference("users.id", "CASCADE"), nullable=False, index=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("client", JSONB, nullable=False),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("last_used_at", _TIME, nullable=False),
    sa.Column("expires_at", _TIME, nullable=False, index=True),
    sa.Column("revoked_at", _TIME),
    sa.Column("revoked_reason", sa.Text),
)

refresh_tokens = sa.Table(
    "refresh_tokens",
    metadata,
    sa.Column("sha256", sa.LargeBinary, primary_key=True),
    sa.Column("session_id", sa.Uuid, _reference("sessions.id", "CASCADE"), nullable=False, index=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("expires_at", _TIME, nullable=False, index=True),
    sa.Column("rotated_at", _TIME),
    sa.Column("rotated_by", sa.LargeBinary),
)

signing_keys = sa.Table(
    "signing_keys",
    metadata,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("public_jwk", JSONB, nullable=False),
    sa.Column("sealed_private", sa.LargeBinary, nullable=False),
    sa.Column("signs_from", _TIME, nullable=False),
    sa.Column("published_until", _TIME),
)

devices = sa.Table(
    "devices",
    metadata,
    sa.Column("id", sa.Text(collation="C"), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("owner_id", sa.Uuid, _reference("users.id", "SET NULL"), index=True),
    sa.Column("is_active", sa.Boolean, nullable=False),
    sa.Column("groups", ARRAY(sa.Text), nullable=False),
    sa.Column("metadata", JSONB, key="metadata_", nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("updated_at", _TIME, nullable=False),
)

device_keys = sa.Table(
    "device_keys",
    metadata,
    sa.Column("sha256", sa.LargeBinary, primary_key=True),
    sa.Column("device_id", sa.Text(collation="C"), _reference("devices.id", "CASCADE"), nullable=False, index=True),
    sa.Column("prefix", sa.Text, nullable=False, index=True),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("expires_at", _TIME),
    # Of a key that the broker has not been seen to have: when the device's other keys end once it has.
    sa.Column("others_end_at", _TIME),
    sa.Index(
        "ix_identity_device_keys_proposed",
        "device_id",
        unique=True,
        postgresql_where=sa.text("others_end_at is not null"),
    ),
)

device_shares = sa.Table(
    "device_shares",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("device_id", sa.Text(collation="C"), _reference("devices.id", "CASCADE"), nullable=False),
    sa.Column("user_id", sa.Uuid, _reference("users.id", "CASCADE"), index=True),
    sa.Column("role_id", sa.Uuid, _reference("roles.id", "CASCADE"), index=True),
    sa.Column("level", sa.Text, nullable=False),
    sa.Column("created_at", _TIME, nullable=False),
    sa.UniqueConstraint("device_id", "user_id"),
    sa.UniqueConstraint("device_id", "role_id"),
    sa.CheckConstraint("num_nonnulls(user_id, role_id) = 1", name="device_shares_one_grantee"),
    sa.CheckConstraint("level in ('read', 'control')", name="device_shares_level"),
)

retired_devices = sa.Table(
    "retired_devices",
    metadata,
    sa.Column("device_id", sa.Text(collation="C"), primary_key=True),
    sa.Column("owner_id", sa.Uuid, _reference("users.id", "SET NULL"), index=True),
    sa.Column("retired_at", _TIME, nullable=False),
)

enrolment_codes = sa.Table(
    "enrolment_codes",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("sha256", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("device_id", sa.Text(collation="C")),
    sa.Column("bound_device_id", sa.Text(collation="C"), _reference("devices.id", "CASCADE"), index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("groups", ARRAY(sa.Text), nullable=False),
    sa.Column("owner_id", sa.Uuid, _reference("users.id", "CASCADE"), nullable=False, index=True),
    sa.Column("created_by", sa.Uuid, _reference("users.id", "CASCADE"), nullable=False, index=True),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("expires_at", _TIME, nullable=False, index=True),
    sa.Column("used_at", _TIME),
)

user_identities = sa.Table(
    "user_identities",
    metadata,
    sa.Column("issuer", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Uuid, _reference("users.id", "CASCADE"), nullable=False, index=True),
    sa.Column("created_at", _TIME, nullable=False),
)

outbox = outbox_table(metadata, SCHEMA)
