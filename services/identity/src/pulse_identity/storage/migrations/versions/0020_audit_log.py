"""The audit log: append-only rows, signed checkpoints, the signed head."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0001"
branch_labels = None
depends_on = None

_UPGRADE = [
    """
    create table identity.audit_log (
        seq bigint primary key,
        event_id uuid not null unique,
        at timestamptz not null,
        service text not null,
        actor_kind text not null,
        actor_id text,
        actor_name text,
        action text not null,
        resource_type text not null,
        resource_id text,
        outcome text not null,
        entry text not null,
        previous bytea not null,
        digest bytea not null
    )
    """,
    "create index ix_identity_audit_log_at on identity.audit_log (at)",
    "create index audit_log_actor on identity.audit_log (actor_id, seq)",
    "create index audit_log_action on identity.audit_log (action, seq)",
    "create index audit_log_resource on identity.audit_log (resource_type, resource_id, seq)",
    """
    create table identity.audit_checkpoints (
        seq bigint primary key,
        digest bytea not null,
        at timestamptz not null,
        signature bytea not null
    )
    """,
    """
    create table identity.audit_head (
        is_only boolean primary key default true constraint audit_head_is_only check (is_only),
        seq bigint not null,
        digest bytea not null,
        at timestamptz not null,
        signature bytea not null
    )
    """,
    """
    create function identity.refuse_audit_change() returns trigger language plpgsql as $$
    begin
        raise exception 'rows of % are never changed or removed', tg_table_name using errcode = 'insufficient_privilege';
    end
    $$
    """,
    *(
        f"create trigger {table}_keeps_rows before update or delete on identity.{table}"
        " for each row execute function identity.refuse_audit_change()"
        for table in ("audit_log", "audit_checkpoints")
    ),
    *(
        f"create trigger {table}_keeps_all before truncate on identity.{table}"
        " for each statement execute function identity.refuse_audit_change()"
        for table in ("audit_log", "audit_checkpoints")
    ),
    "revoke update, delete, truncate on identity.audit_log, identity.audit_checkpoints from current_user",
]


def upgrade() -> None:
    for statement in _UPGRADE:
        op.execute(sa.text(statement))


def downgrade() -> None:
    op.execute(sa.text("drop table identity.audit_head, identity.audit_checkpoints, identity.audit_log"))
    op.execute(sa.text("drop function identity.refuse_audit_change()"))
