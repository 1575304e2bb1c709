"""Reports that are sent again and again, and what became of each.

Revision ID: 0031
Revises: 0020
"""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
create table gateway.report_schedule (
    id uuid primary key,
    user_id uuid not null,
    name text not null,
    kind text not null,
    attached_as text not null,
    filter jsonb not null,
    rhythm jsonb not null,
    receivers text[] not null,
    next_at timestamptz,
    version integer not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    unique (user_id, name)
)""")
    op.execute("comment on column gateway.report_schedule.next_at is 'Without it the schedule is switched off.'")
    op.execute("create index report_schedule_due on gateway.report_schedule (next_at) where next_at is not null")
    op.execute("""
create table gateway.report_sending (
    id uuid primary key,
    schedule_id uuid not null references gateway.report_schedule (id) on delete cascade,
    due_at timestamptz not null,
    covers_from timestamptz not null,
    covers_to timestamptz not null,
    state text not null check (state in ('waiting', 'sent', 'refused', 'failed')),
    attempts integer not null,
    try_at timestamptz not null,
    finished_at timestamptz,
    rows integer,
    code text,
    reason text,
    unique (schedule_id, due_at)
)""")
    op.execute("create index report_sending_waiting on gateway.report_sending (try_at) where state = 'waiting'")
    op.execute("create index report_sending_finished on gateway.report_sending (finished_at)")


def downgrade() -> None:
    op.execute("drop table gateway.report_sending, gateway.report_schedule")
