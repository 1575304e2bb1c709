"""The change log, scopes, revocations, desktops, the sync log, conflicts, the outbox and the published view.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pulse_chassis.outbox import outbox_table

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LOG = """
create type sync.entity as enum ('permissions', 'roles', 'users', 'config');
comment on type sync.entity is 'In the order in which rows of one checkpoint travel: what is referred to first.';

create table sync.head (
    is_only boolean primary key default true check (is_only),
    cursor bigint not null default 0,
    revocation_no bigint not null default 0,
    horizon bigint not null default 0
);
comment on table sync.head is
    'The newest cursor and revocation. Written by one transaction at a time, together with what it numbers.';
comment on column sync.head.horizon is 'Ends of rows up to this cursor may be forgotten: who is older needs a snapshot.';
insert into sync.head default values;

create table sync.entry (
    entity sync.entity not null,
    id text not null,
    cursor bigint not null unique,
    version integer not null,
    stamp text not null,
    updated_by text,
    source text not null check (source in ('web', 'desktop')),
    is_deleted boolean not null default false,
    fields jsonb not null default '{}',
    digest bigint not null,
    changed_at timestamptz not null,
    primary key (entity, id)
) with (fillfactor = 80);
comment on table sync.entry is 'The compacted change log: one row per synced row, which moves on at each change.';
create index entry_ended on sync.entry (changed_at) where is_deleted;

create table sync.membership (
    desktop_id text not null,
    entity sync.entity not null,
    row_id text not null,
    cursor bigint not null,
    is_member boolean not null,
    changed_at timestamptz not null,
    primary key (desktop_id, entity, row_id)
) with (fillfactor = 80);
comment on table sync.membership is
    'Which rows are in a desktop''s scope. A row that enters or leaves gets a new cursor, for that desktop alone.';
create index membership_cursor on sync.membership (desktop_id, cursor);
-- Without the entity, so that it is never taken for the walk through one desktop's scope.
create index membership_row on sync.membership (row_id);
create index membership_left on sync.membership (changed_at) where not is_member;

create table sync.revocation (
    no bigint primary key,
    desktop_id text,
    user_id text not null,
    reason text not null,
    at timestamptz not null
);
comment on table sync.revocation is 'Leases of this user that are older than no are void; without a desktop: on all.';
create index revocation_user on sync.revocation (user_id, no);
"""

_DESKTOPS = """
create table sync.desktop (
    device_id text primary key,
    cursor bigint not null default 0,
    revocation_no bigint not null default 0,
    pending integer not null default 0,
    last_sync_at timestamptz,
    error text
);
comment on table sync.desktop is 'The desktops in the scope of sync, and what each last said of itself.';

create table sync.sync_log (
    id bigint generated always as identity primary key,
    desktop_id text,
    direction text not null check (direction in ('up', 'down', 'web')),
    op_id uuid,
    entity text,
    row_id text,
    source text not null,
    status text not null,
    error text,
    at timestamptz not null
);
comment on table sync.sync_log is 'Every change that was applied or refused; an operation has one row, however often it came.';
create unique index sync_log_operation on sync.sync_log (desktop_id, op_id) where op_id is not null;
create index sync_log_at on sync.sync_log (at);
create index sync_log_desktop on sync.sync_log (desktop_id, id);

create table sync.sync_conflict (
    id uuid primary key,
    desktop_id text not null,
    op_id uuid not null,
    entity text not null,
    row_id text not null,
    actor uuid not null,
    winner text not null check (winner in ('desktop', 'server')),
    desktop_fields jsonb not null,
    desktop_stamp text not null,
    server_fields jsonb not null,
    server_stamp text not null,
    server_updated_by text,
    applied text[] not null default '{}',
    at timestamptz not null,
    resolution text check (resolution in ('restored', 'dismissed')),
    resolved_by uuid,
    resolved_at timestamptz,
    unique (desktop_id, op_id)
);
comment on table sync.sync_conflict is 'Both sides of every conflict, whole: nothing is overwritten silently.';
create index sync_conflict_open on sync.sync_conflict (desktop_id) where resolution is null;
create index sync_conflict_at on sync.sync_conflict (at);
"""

# A contract: what other services read. A column may be added at the end, nothing else changes.
_PUBLISHED = """
create function sync.lag(device_id text, since bigint) returns bigint
language sql stable security definer set search_path = pg_catalog
return (
    select count(*) from (
        select m.entity, m.row_id from sync.membership m where m.desktop_id = $1 and m.cursor > $2
        union
        select m.entity, m.row_id from sync.entry e
        join sync.membership m on m.desktop_id = $1 and m.entity = e.entity and m.row_id = e.id and m.is_member
        where e.cursor > $2
    ) as due
);
comment on function sync.lag is 'Rows that a desktop at this cursor has to hear of.';
revoke all on function sync.lag from public;
grant execute on function sync.lag to pulse_published;

create view sync.desktop_state as
select d.device_id, d.cursor, h.cursor as head,
       sync.lag(d.device_id, d.cursor) as lag,
       d.pending,
       (select count(*) from sync.sync_conflict c
        where c.desktop_id = d.device_id and c.resolution is null) as conflicts,
       d.last_sync_at, 0::bigint as config_lag, d.error
from sync.desktop d cross join sync.head h;

grant usage on schema sync to pulse_published;
grant select on sync.desktop_state to pulse_published;
"""


def upgrade() -> None:
    for script in (_LOG, _DESKTOPS):
        _run(script)
    outbox_table(sa.MetaData(), "sync").create(op.get_bind())
    _run(_PUBLISHED)


def downgrade() -> None:
    op.execute("drop view sync.desktop_state")
    op.execute("drop function sync.lag")
    op.execute("drop table sync.outbox, sync.sync_conflict, sync.sync_log, sync.desktop")
    op.execute("drop table sync.revocation, sync.membership, sync.entry, sync.head")
    op.execute("drop type sync.entity")


def _run(script: str) -> None:
    for statement in script.split(";\n"):
        if statement.strip():
            op.execute(statement)
