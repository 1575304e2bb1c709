"""The tables of the audit log. Rows are added to the first two and never touched again: a trigger sees to that."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from pulse_identity.storage.tables import SCHEMA, metadata

_TIME: Final = sa.DateTime(timezone=True)

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("event_id", sa.Uuid, nullable=False, unique=True),
    sa.Column("at", _TIME, nullable=False, index=True),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("actor_kind", sa.Text, nullable=False),
    sa.Column("actor_id", sa.Text),
    sa.Column("actor_name", sa.Text),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("resource_type", sa.Text, nullable=False),
    sa.Column("resource_id", sa.Text),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("entry", sa.Text, nullable=False),
    sa.Column("previous", sa.LargeBinary, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Index("audit_log_actor", "actor_id", "seq"),
    sa.Index("audit_log_action", "action", "seq"),
    sa.Index("audit_log_resource", "resource_type", "resource_id", "seq"),
)

audit_checkpoints = sa.Table(
    "audit_checkpoints",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
)

audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("is_only", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
    sa.CheckConstraint("is_only", name="audit_head_is_only"),
)

__all__ = ["SCHEMA", "audit_checkpoints", "audit_head", "audit_log"]
