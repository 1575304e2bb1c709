"""Channels, what waits for them, the messages that are made of it, and the topics of devices.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_CHANNELS = """
create table alerts.channel (
    id uuid primary key,
    name text not null,
    kind text not null constraint channel_kind check (kind in ('email', 'webhook', 'mqtt')),
    is_enabled boolean not null,
    recipients text[] not null default '{}',
    shown_url text,
    sealed bytea,
    severities text[] not null default '{}',
    step_kinds text[] not null default '{}',
    groups text[] not null default '{}',
    rule_ids uuid[] not null default '{}',
    gather_seconds integer not null default 0,
    limit_messages integer,
    limit_seconds integer,
    quiet_hours jsonb,
    time_zone text not null default 'UTC',
    version integer not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    updated_by uuid,
    updated_by_name text,
    deleted_at timestamptz
);
comment on column alerts.channel.sealed is 'URL and key of a webhook, sealed to the service''s key.';
comment on column alerts.channel.deleted_at is 'What was sent through it stays readable.';
create unique index channel_name on alerts.channel (lower(name)) where deleted_at is null;
create unique index channel_mqtt on alerts.channel (kind) where kind = 'mqtt' and deleted_at is null;
insert into alerts.channel (id, name, kind, is_enabled, created_at, updated_at)
values ('00000000-0000-4000-8000-00000000a1e7', 'Devices'' own screens', 'mqtt', true, now(), now());
"""

_DELIVERIES = """
create table alerts.message (
    id uuid primary key,
    seq bigint generated always as identity unique,
    channel_id uuid not null references alerts.channel (id),
    address text collate "C" not null default '',
    kind text not null constraint message_kind check (kind in ('steps', 'test', 'renewal')),
    state text not null
        constraint message_state check (state in ('queued', 'sending', 'sent', 'failed', 'suppressed', 'unknown')),
    reason text,
    detail text,
    steps integer not null default 0,
    attempts integer not null default 0,
    doubtful_attempts integer not null default 0,
    asked_by_name text,
    created_at timestamptz not null,
    next_at timestamptz not null,
    deadline_at timestamptz not null,
    claim uuid,
    claimed_until timestamptz,
    settled_at timestamptz
) with (fillfactor = 70);
comment on column alerts.message.address is
    'Of mqtt the device; of one address one message is open, so that they come in order.';
comment on column alerts.message.doubtful_attempts is
    'After which nobody knew whether it was taken: it may have come more than once.';
create unique index message_open on alerts.message (channel_id, address)
    where state in ('queued', 'sending') and kind <> 'test';
create index message_due on alerts.message (next_at) where state = 'queued';
create index message_claimed on alerts.message (claimed_until) where state = 'sending';
create index message_by_channel on alerts.message (channel_id, seq desc);
create index message_made on alerts.message (channel_id, created_at desc) where kind = 'steps';
create index message_by_age on alerts.message (settled_at) where settled_at is not null;

create table alerts.delivery (
    seq bigint generated always as identity primary key,
    channel_id uuid not null references alerts.channel (id),
    step_id uuid not null references alerts.alarm_step (id) on delete cascade,
    alarm_id uuid not null,
    address text collate "C" not null default '',
    is_critical boolean not null,
    state text not null constraint delivery_state check (state in ('waiting', 'in_message', 'suppressed')),
    reason text,
    message_id uuid references alerts.message (id) on delete cascade,
    created_at timestamptz not null,
    unique (channel_id, step_id)
) with (fillfactor = 70);
comment on table alerts.delivery is
    'One step for one channel; how far it got, once it is in a message, is the message''s state.';
create index delivery_waiting on alerts.delivery (channel_id, address) where state = 'waiting';
create index delivery_by_alarm on alerts.delivery (alarm_id, seq);
create index delivery_by_message on alerts.delivery (message_id, seq) where message_id is not null;
create index delivery_by_step on alerts.delivery (step_id);

create table alerts.device_topic (
    device_id text collate "C" primary key,
    is_stale boolean not null
) with (fillfactor = 70);
comment on table alerts.device_topic is 'Devices that a retained message may lie for; stale: it is not what is true now.';
create index device_topic_stale on alerts.device_topic (device_id) where is_stale
"""


def upgrade() -> None:
    for block in (_CHANNELS, _DELIVERIES):
        # One statement at a time: the driver prepares each.
        for statement in block.split(";\n"):
            if statement.strip():
                op.execute(sa.text(statement.replace(":", r"\:")))


def downgrade() -> None:
    op.execute("drop table alerts.device_topic, alerts.delivery, alerts.message, alerts.channel")
