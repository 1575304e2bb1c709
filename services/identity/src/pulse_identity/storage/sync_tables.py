"""The tables behind sync: rows that are gone, desktops' keys, operations that were answered, the password box."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from pulse_identity.storage.tables import SCHEMA, metadata

_TIME: Final = sa.DateTime(timezone=True)

tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("entity", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("stamp", sa.Text(collation="C"), nullable=False),
    sa.Column("deleted_by", sa.Text),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("deleted_at", _TIME, nullable=False, index=True),
    sa.CheckConstraint("entity in ('users', 'roles')", name="tombstones_entity"),
)

desktop_keys = sa.Table(
    "desktop_keys",
    metadata,
    sa.Column(
        "device_id", sa.Text(collation="C"), sa.ForeignKey(f"{SCHEMA}.devices.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("sign_jwk", JSONB, nullable=False),
    sa.Column("seal_key", sa.Text, nullable=False),
    sa.Column("sealed_verifier_key", sa.LargeBinary, nullable=False),
    sa.Column("enrolled_at", _TIME, nullable=False),
)

applied_operations = sa.Table(
    "applied_operations",
    metadata,
    sa.Column("op_id", sa.Uuid, primary_key=True),
    sa.Column("desktop_id", sa.Text(collation="C"), nullable=False),
    sa.Column("op_no", sa.BigInteger, nullable=False),
    sa.Column("outcome", JSONB, nullable=False),
    sa.Column("at", _TIME, nullable=False, index=True),
)

password_box = sa.Table(
    "password_box",
    metadata,
    sa.Column("is_only", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("sealed_private", sa.LargeBinary, nullable=False),
    sa.Column("created_at", _TIME, nullable=False),
    sa.CheckConstraint("is_only", name="password_box_is_only"),
)

synced_row = sa.table(
    "synced_row",
    sa.column("entity", sa.Text),
    sa.column("id", sa.Text),
    sa.column("version", sa.Integer),
    sa.column("updated_at", sa.Text),
    sa.column("updated_by", sa.Text),
    sa.column("source", sa.Text),
    sa.column("fields", JSONB),
    sa.column("revoked", JSONB),
    schema=SCHEMA,
)
"""The published view of people, roles and permissions as they are."""
