"""People's dashboards and preferences.

Revision ID: 0030
Revises: 0010
"""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
create table gateway.dashboard (
    id uuid primary key,
    user_id uuid not null,
    name text not null,
    is_default boolean not null,
    document jsonb not null,
    version integer not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    unique (user_id, name)
)""")
    op.execute("create unique index dashboard_default on gateway.dashboard (user_id) where is_default")
    op.execute("""
create table gateway.preferences (
    user_id uuid primary key,
    document jsonb not null,
    version integer not null,
    updated_at timestamptz not null
)""")


def downgrade() -> None:
    op.execute("drop table gateway.dashboard, gateway.preferences")
