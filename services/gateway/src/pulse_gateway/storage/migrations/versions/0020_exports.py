"""Exports that are made in the background, and the chunks of their files.

Revision ID: 0020
Revises: 0030
"""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
create table gateway.export_job (
    id uuid primary key,
    user_id uuid not null,
    question jsonb not null,
    plan jsonb not null,
    state text not null check (state in ('queued', 'running', 'ready', 'failed')),
    created_at timestamptz not null,
    attempts integer not null default 0,
    pieces_done integer not null default 0,
    chunks integer not null default 0,
    rows_done bigint not null default 0,
    size_bytes bigint not null default 0,
    kept_bytes bigint not null default 0,
    problem_code text,
    problem_message text,
    ended_at timestamptz,
    expires_at timestamptz,
    ticket uuid,
    lease_until timestamptz
)""")
    op.execute("create index export_job_owner on gateway.export_job (user_id, created_at)")
    op.execute("""
create table gateway.export_chunk (
    job_id uuid not null references gateway.export_job (id) on delete cascade,
    number integer not null,
    begins bigint not null,
    size integer not null,
    data bytea not null,
    primary key (job_id, number)
)""")
    # Compressed before it comes here.
    op.execute("alter table gateway.export_chunk alter column data set storage external")


def downgrade() -> None:
    op.execute("drop table gateway.export_chunk")
    op.execute("drop table gateway.export_job")
