"""The live path: series, samples in partitions, the ledger, latest values, presence, rejected rows, published views.

Revision ID: 0001
Revises:
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SAMPLES = """
create table telemetry.series (
    id integer generated always as identity primary key,
    client_id text not null,
    metric_key text not null,
    created_at timestamptz not null default now(),
    constraint series_identity unique (client_id, metric_key)
);
comment on table telemetry.series is 'One metric of one client; samples refer to it by number.';

create table telemetry.sample (
    recorded_at timestamptz not null,
    received_at timestamptz not null,
    seq bigint not null,
    value double precision,
    whole bigint,
    series_id integer not null,
    epoch integer not null,
    flag boolean,
    suspect boolean not null,
    text text
) partition by range (recorded_at);
comment on column telemetry.sample.seq is 'Position in the client''s outbox; 0 where a device gives none.';
comment on column telemetry.sample.epoch is '0: a plain reading, outside any ledger.';
comment on column telemetry.sample.whole is 'The exact integer where a double would lose digits (beyond 2^53).';
-- Without the epoch: a reading that is sent again under a renewed epoch keeps its sequence and is found here.
create unique index sample_identity on telemetry.sample (series_id, recorded_at, seq);
create table telemetry.sample_default partition of telemetry.sample default;

create unlogged table telemetry.sample_stage (like telemetry.sample);
comment on table telemetry.sample_stage is
    'Way in for batches that may hold rows already stored; filled and emptied within one transaction, so always empty.';

create table telemetry.latest (
    series_id integer primary key references telemetry.series (id),
    seq bigint not null,
    order_at timestamptz not null,
    recorded_at timestamptz not null,
    received_at timestamptz not null,
    value double precision,
    whole bigint,
    flag boolean,
    suspect boolean not null,
    text text
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
comment on column telemetry.latest.order_at is
    'least(recorded_at, received_at): a clock that is ahead must not win for ever.';
"""

_LEDGER = """
create table telemetry.stream (
    client_id text not null,
    epoch integer not null,
    received int8multirange not null default '{}',
    rejected int8multirange not null default '{}',
    lost int8multirange not null default '{}',
    carried int8multirange not null default '{}',
    origin bigint not null default 0,
    head_seq bigint not null default 0,
    head_at timestamptz,
    owner text,
    former_owners text[] not null default '{}',
    created_at timestamptz not null default now(),
    primary key (client_id, epoch)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
comment on table telemetry.stream is
    'The ledger: which sequences of a client''s epoch are here. The dedupe window has no limit.';
comment on column telemetry.stream.origin is 'Sequences up to this were settled before the epoch began.';
comment on column telemetry.stream.carried is
    'Sequences that are settled in a later epoch: no holes here, and never acked here.';
comment on column telemetry.stream.owner is 'The instance (process run) of the client that sends under this epoch.';

create table telemetry.loss (
    client_id text not null,
    epoch integer not null,
    first_seq bigint not null,
    last_seq bigint not null,
    reason text not null,
    declared_at timestamptz not null,
    primary key (client_id, epoch, first_seq, last_seq, reason)
);
comment on table telemetry.loss is 'What clients dropped by their own policy, and said so.';

create table telemetry.rejected (
    id bigint generated always as identity primary key,
    client_id text not null,
    topic text not null,
    epoch integer not null,
    seq bigint not null default 0,
    code text not null,
    detail text not null,
    raw bytea not null,
    sha256 bytea not null,
    times bigint not null default 1,
    first_at timestamptz not null,
    last_at timestamptz not null
);
comment on table telemetry.rejected is 'Messages and rows that were refused. raw holds no API key; seq 0: none.';
-- A device that sends the same bad bytes every second costs one row.
create unique index rejected_identity on telemetry.rejected (client_id, epoch, seq, code, sha256);
create index rejected_age on telemetry.rejected (last_at);

create function telemetry.member_count(int8multirange) returns bigint
language sql immutable parallel safe
return (select coalesce(sum(upper(r) - lower(r)), 0)::bigint from unnest($1) as r);

create function telemetry.prefix_end(int8multirange) returns bigint
language sql immutable parallel safe
return case when lower($1) <= 1 then (select upper(r) - 1 from unnest($1) as r limit 1) else 0 end;
comment on function telemetry.prefix_end is 'The largest n with 1..n all in the set, 0 when 1 is not.';
"""

_PRESENCE = """
create table telemetry.presence (
    client_id text primary key,
    status text not null check (status in ('ONLINE', 'OFFLINE')),
    since timestamptz not null,
    last_seen timestamptz not null,
    heartbeat_at timestamptz,
    went_offline_at timestamptz,
    instance text,
    agent_version text,
    buffered bigint,
    clock_offset_ms double precision,
    reason text
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
comment on column telemetry.presence.heartbeat_at is
    'Null for a plain device, which is given longer before it counts as silent.';
create index presence_online on telemetry.presence (client_id) where status = 'ONLINE';

create table telemetry.offline_period (
    id bigint generated always as identity primary key,
    client_id text not null,
    started_at timestamptz not null,
    ended_at timestamptz,
    reason text not null
);
create unique index offline_period_open on telemetry.offline_period (client_id) where ended_at is null;
create index offline_period_client on telemetry.offline_period (client_id, started_at);
"""

_VIEWS = """
create view telemetry.telemetry_data as
select s.client_id, s.metric_key, d.value as metric_value, d.flag as metric_bool, d.text as metric_text,
       d.recorded_at, d.received_at, d.epoch, d.seq as sequence_no,
       case when d.suspect then 'suspect' else 'good' end as quality
from telemetry.sample d join telemetry.series s on s.id = d.series_id;

create view telemetry.latest_value as
select s.client_id, s.metric_key, l.value as metric_value, l.flag as metric_bool, l.text as metric_text,
       l.whole as metric_int, l.recorded_at, l.received_at,
       case when l.suspect then 'suspect' else 'good' end as quality
from telemetry.latest l join telemetry.series s on s.id = l.series_id;

create view telemetry.device_status as
select client_id, status, since, last_seen, buffered, clock_offset_ms, instance, agent_version, reason
from telemetry.presence;

create view telemetry.completeness as
select client_id, epoch, cum, highest, received, telemetry.member_count(missing_ranges) as missing,
       telemetry.member_count(lost_ranges) as lost, missing_ranges, lost_ranges,
       isempty(missing_ranges) as is_complete, rejected
from (
    select client_id, epoch,
           telemetry.prefix_end(origin_range + received + rejected + lost) as cum,
           highest,
           telemetry.member_count(received) as received,
           telemetry.member_count(rejected) as rejected,
           int8multirange(int8range(origin + 1, greatest(highest, origin) + 1))
               - received - rejected - lost - carried as missing_ranges,
           lost - received - rejected as lost_ranges
    from (
        select *, int8multirange(int8range(1, origin + 1)) as origin_range,
               greatest(origin, coalesce(upper(received + rejected + lost) - 1, 0)) as highest
        from telemetry.stream
    ) as bounded
) as counted;

create view telemetry.series_index as
select id as series_id, client_id, metric_key from telemetry.series;

create view telemetry.sample_data as
select series_id, recorded_at, seq, epoch, value, whole, flag, text,
       case when suspect then 'suspect' else 'good' end as quality, received_at
from telemetry.sample;

grant usage on schema telemetry to pulse_published;
grant select on telemetry.telemetry_data, telemetry.latest_value, telemetry.device_status, telemetry.completeness,
    telemetry.series_index, telemetry.sample_data to pulse_published;
"""


def upgrade() -> None:
    for script in (_SAMPLES, _LEDGER, _PRESENCE, _VIEWS):
        for statement in script.split(";\n"):
            if statement.strip():
                op.execute(statement)
