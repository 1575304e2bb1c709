"""Commands, their steps, counters and declarations of devices, refusals, the outbox, the published view.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

from pulse_chassis.outbox import outbox_table

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
create table commands.batch (
    id uuid primary key,
    actor_id uuid not null,
    actor_name text not null,
    name text not null,
    created_at timestamptz not null,
    refused jsonb not null,
    request_digest bytea unique
);
comment on column commands.batch.request_digest is 'SHA-256 over the sender, the Idempotency-Key and the wish.';

create table commands.command (
    id uuid primary key,
    seq bigint generated always as identity unique,
    batch_id uuid not null references commands.batch (id) on delete cascade,
    device_id text collate "C" not null,
    name text not null,
    args jsonb not null,
    state text not null constraint command_state check (state in ('queued', 'published', 'received', 'started',
        'succeeded', 'failed', 'rejected', 'expired', 'cancelled', 'unknown')),
    counter bigint not null,
    actor_id uuid not null,
    actor_name text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    expires_at timestamptz not null,
    token text not null,
    has_started boolean not null default false,
    progress double precision,
    progress_steps integer not null default 0,
    message text,
    told_at_ms bigint,
    is_settled boolean not null default false,
    result jsonb,
    error jsonb,
    published_at timestamptz,
    attempts integer not null default 0,
    ask_at timestamptz,
    ask_until timestamptz,
    heard_at timestamptz,
    unique (device_id, counter)
) with (fillfactor = 70);
comment on column commands.command.id is 'The token''s jti.';
comment on column commands.command.token is 'The compact JWS, made once: whatever is published again is the same.';
comment on column commands.command.has_started is 'No word makes a command that ran one that never did.';
comment on column commands.command.is_settled is 'The device, or a cancellation, has said how it ended.';
create index command_open on commands.command (device_id, counter)
    where state in ('queued', 'published', 'received', 'started');
create index command_open_by_expiry on commands.command (expires_at)
    where state in ('queued', 'published', 'received', 'started');
create index command_to_ask on commands.command (device_id) where ask_until is not null;
create index command_by_device on commands.command (device_id, seq desc);
create index command_by_batch on commands.command (batch_id);
create index command_by_actor on commands.command (actor_id, seq desc);
create index command_by_creation on commands.command (created_at);

create table commands.command_event (
    seq bigint generated always as identity primary key,
    id uuid not null unique,
    command_id uuid not null references commands.command (id) on delete cascade,
    state text not null,
    at timestamptz not null,
    device_at timestamptz,
    actor_kind text not null,
    actor_id text,
    actor_name text,
    progress double precision,
    detail text,
    error_code text
);
create index command_event_by_command on commands.command_event (command_id, seq);

create table commands.device_counter (
    device_id text collate "C" primary key,
    counter bigint not null
) with (fillfactor = 70);

create table commands.capability (
    device_id text collate "C" primary key,
    specs jsonb not null,
    reported_at timestamptz not null
);

create table commands.refusal (
    id bigint generated always as identity primary key,
    device_id text collate "C" not null,
    side text not null constraint refusal_side check (side in ('device', 'service')),
    code text not null,
    minute timestamptz not null,
    times integer not null default 1,
    first_at timestamptz not null,
    last_at timestamptz not null,
    detail text not null,
    jti text,
    unique (device_id, side, code, minute)
);
comment on table commands.refusal is 'One row for each kind and minute: a flood costs a count. detail and jti: the last.';
create index refusal_by_age on commands.refusal (last_at);
"""

# A contract: what other services read. A column may be added at the end, nothing else changes.
_PUBLISHED = """
create view commands.command_view as
select id, batch_id, device_id, name, state, created_at, updated_at, actor_id, actor_name, expires_at,
       published_at, progress, message, error ->> 'code' as error_code
from commands.command;
grant usage on schema commands to pulse_published;
grant select on commands.command_view to pulse_published
"""


def upgrade() -> None:
    _run(_TABLES)
    outbox_table(sa.MetaData(), "commands").create(op.get_bind())
    _run(_PUBLISHED)


def downgrade() -> None:
    op.execute("drop view commands.command_view")
    op.execute(
        "drop table commands.outbox, commands.refusal, commands.capability, commands.device_counter,"
        " commands.command_event, commands.command, commands.batch"
    )


def _run(block: str) -> None:
    # One statement at a time: the driver prepares each.
    for statement in block.split(";\n"):
        if statement.strip():
            op.execute(sa.text(statement))
