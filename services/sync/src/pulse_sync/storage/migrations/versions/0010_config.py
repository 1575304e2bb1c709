"""Configuration: keys, entries, their history, what desktops made of them, answered operations, and the views.

Revision ID: 0010
Revises: 0001
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = """
create table sync.config_key (
    key text primary key,
    spec jsonb not null,
    version integer not null default 1,
    updated_at timestamptz not null,
    updated_by text
);
comment on table sync.config_key is 'Keys that administrators added, all under custom.; the built-in ones are in the code.';

create table sync.config_entry (
    id text collate "C" primary key,
    scope text not null check (scope in ('all', 'group', 'device')),
    target text not null,
    key text not null,
    value jsonb,
    version integer not null,
    stamp text collate "C" not null,
    updated_by text,
    source text not null check (source in ('web', 'desktop')),
    is_deleted boolean not null default false,
    check (id = scope || '/' || target || '/' || key),
    check ((value is null) = is_deleted)
);
comment on table sync.config_entry is 'One row per entry that ever was: a deleted one keeps its version, which only goes up.';
create index config_entry_key on sync.config_entry (key) where not is_deleted;
create index config_entry_target on sync.config_entry (scope, target) where not is_deleted;

create table sync.config_history (
    entry_id text collate "C" not null,
    version integer not null,
    before jsonb,
    after jsonb,
    stamp text collate "C" not null,
    at timestamptz not null,
    updated_by text,
    source text not null check (source in ('web', 'desktop')),
    primary key (entry_id, version)
);
comment on table sync.config_history is 'Every version of every entry; no value means that there was, or is, none.';
create index config_history_at on sync.config_history (at);

create table sync.applied_config (
    desktop_id text not null,
    entry_id text collate "C" not null,
    version integer not null,
    error text,
    at timestamptz not null,
    primary key (desktop_id, entry_id)
);
comment on table sync.applied_config is 'Which version of which entry is in force on a desktop, as it last said.';

create table sync.config_operation (
    op_id uuid primary key,
    desktop_id text not null,
    op_no bigint not null,
    outcome jsonb not null,
    at timestamptz not null
);
comment on table sync.config_operation is 'Answered operations: one that comes again gets the same answer.';
create index config_operation_at on sync.config_operation (at);
"""

# A contract: what other services read. A column may be added at the end, nothing else changes.
_PUBLISHED = """
create view sync.config_view as
select id, scope, target, key, value, version,
       to_timestamp(left(stamp, 13)::bigint / 1000.0) as updated_at, updated_by, source
from sync.config_entry where not is_deleted;

create or replace view sync.desktop_state as
select d.device_id, d.cursor, h.cursor as head,
       sync.lag(d.device_id, d.cursor) as lag,
       d.pending,
       (select count(*) from sync.sync_conflict c
        where c.desktop_id = d.device_id and c.resolution is null) as conflicts,
       d.last_sync_at,
       (select count(*) from (
            select distinct on (c.key) c.id, c.version
            from sync.membership m join sync.config_entry c on c.id = m.row_id and not c.is_deleted
            where m.desktop_id = d.device_id and m.entity = 'config' and m.is_member
            order by c.key, array_position(array['device', 'group', 'all'], c.scope), c.target collate "C"
        ) as winning left join sync.applied_config a on a.desktop_id = d.device_id and a.entry_id = winning.id
        where a.version is distinct from winning.version or a.error is not null) as config_lag,
       d.error
from sync.desktop d cross join sync.head h;

grant select on sync.config_view to pulse_published;
"""

_FORMER_STATE = """
create or replace view sync.desktop_state as
select d.device_id, d.cursor, h.cursor as head,
       sync.lag(d.device_id, d.cursor) as lag,
       d.pending,
       (select count(*) from sync.sync_conflict c
        where c.desktop_id = d.device_id and c.resolution is null) as conflicts,
       d.last_sync_at, 0::bigint as config_lag, d.error
from sync.desktop d cross join sync.head h
"""


def upgrade() -> None:
    for script in (_TABLES, _PUBLISHED):
        for statement in script.split(";\n"):
            if statement.strip():
                op.execute(statement)


def downgrade() -> None:
    op.execute(_FORMER_STATE)
    op.execute("drop view sync.config_view")
    op.execute(
        "drop table sync.config_operation, sync.applied_config, sync.config_history, sync.config_entry, sync.config_key"
    )
