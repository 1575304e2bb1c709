"""Roll-ups by minute and by hour, the marks that say which of them are not exact, and the views over them.

Revision ID: 0040
Revises: 0030
"""

from alembic import op

revision = "0040"
down_revision = "0030"
branch_labels = None
depends_on = None

_COLUMNS = """
    series_id integer not null,
    bucket timestamptz not null,
    row_count bigint not null,
    value_count bigint not null,
    value_sum double precision,
    value_min double precision,
    value_max double precision,
    first_at timestamptz,
    first_value double precision,
    last_at timestamptz,
    last_value double precision,
    text_at timestamptz,
    text text
"""

_TABLES = f"""
create table telemetry.rollup_minute ({_COLUMNS}) partition by range (bucket);
-- With the extremes in it: a chart of a month reads 43,200 minutes of a series from 300 pages, and not from as many pages
-- of the table as there are minutes of all series.
create unique index rollup_minute_identity on telemetry.rollup_minute (series_id, bucket)
    include (value_count, value_min, value_max);
create table telemetry.rollup_minute_default partition of telemetry.rollup_minute default;
comment on table telemetry.rollup_minute is
    'Readings of a series in one minute; a boolean counts as 0 or 1, a text in row_count and as the last text.';

create table telemetry.rollup_hour ({_COLUMNS});
create unique index rollup_hour_identity on telemetry.rollup_hour (series_id, bucket);

create table telemetry.rollup_mark (
    series_id integer not null,
    bucket timestamptz not null,
    generation integer not null,
    primary key (series_id, bucket, generation)
) with (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 5000);
comment on table telemetry.rollup_mark is
    'Minutes that hold readings which their roll-up may not know; written in the transaction of the readings.';

create table telemetry.rollup_hour_mark (
    series_id integer not null,
    bucket timestamptz not null,
    primary key (series_id, bucket)
) with (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 5000);
comment on table telemetry.rollup_hour_mark is 'Hours whose minutes changed since they were added up.';

create table telemetry.rollup_state (
    is_only boolean primary key default true check (is_only),
    generation integer not null default 1,
    settled integer not null default 0,
    closed_before timestamptz not null default date_trunc('minute', now(), 'UTC')
);
comment on column telemetry.rollup_state.generation is
    'Under which writers mark; only marks of earlier ones are taken.';
comment on column telemetry.rollup_state.settled is
    'No transaction that marks under this generation or an earlier one is left.';
comment on column telemetry.rollup_state.closed_before is
    'Minutes before it are rolled up; a mark after it stays for now.';
insert into telemetry.rollup_state default values;

create table telemetry.series_floor (
    series_id integer primary key,
    raw_from timestamptz,
    minute_from timestamptz,
    hour_from timestamptz
);
comment on table telemetry.series_floor is
    'Up to where retention removed readings, minutes and hours of a series; null: nothing.'
"""

_ENTER = """
create function telemetry.rollup_enter(out generation integer, out closed_before timestamptz)
language plpgsql volatile set search_path = pg_catalog as $body$
declare
    held integer;
begin
    -- Each query of a volatile function sees what is committed by then. What is read after the lock is held is what
    -- the roll-ups wait for: they raise the generation, commit, and then wait for the lock of the one before.
    select s.generation, s.closed_before into generation, closed_before from telemetry.rollup_state s;
    loop
        held := generation;
        perform pg_advisory_xact_lock_shared(1382051700, held);
        select s.generation, s.closed_before into generation, closed_before from telemetry.rollup_state s;
        exit when generation = held;
    end loop;
end
$body$
"""
_ENTER_COMMENT = """
comment on function telemetry.rollup_enter is
    'To be called in every transaction that stores readings, before them: under which generation to mark.'
"""

_EXISTING = """
insert into telemetry.rollup_mark (series_id, bucket, generation)
select distinct series_id, date_trunc('minute', recorded_at, 'UTC'), 0 from telemetry.sample
"""

_VIEWS = """
create view telemetry.minute_rollup as select * from telemetry.rollup_minute;
create view telemetry.hour_rollup as select * from telemetry.rollup_hour;
create view telemetry.minute_dirty as select series_id, bucket from telemetry.rollup_mark;
create view telemetry.hour_dirty as
select series_id, bucket from telemetry.rollup_hour_mark
union all
select series_id, date_trunc('hour', bucket, 'UTC') from telemetry.rollup_mark;
create view telemetry.rollup_position as select closed_before from telemetry.rollup_state;
create view telemetry.series_kept as
select s.id as series_id, f.raw_from, f.minute_from, f.hour_from
from telemetry.series s left join telemetry.series_floor f on f.series_id = s.id;
grant select on telemetry.minute_rollup, telemetry.hour_rollup, telemetry.minute_dirty, telemetry.hour_dirty,
    telemetry.rollup_position, telemetry.series_kept to pulse_published
"""


def upgrade() -> None:
    for script in (_TABLES, _EXISTING, _VIEWS):
        for statement in script.split(";\n"):
            op.execute(statement)
    op.execute(_ENTER)
    op.execute(_ENTER_COMMENT)


def downgrade() -> None:
    op.execute(
        "drop view telemetry.series_kept, telemetry.rollup_position, telemetry.hour_dirty, telemetry.minute_dirty, "
        "telemetry.hour_rollup, telemetry.minute_rollup"
    )
    op.execute("drop function telemetry.rollup_enter")
    op.execute(
        "drop table telemetry.series_floor, telemetry.rollup_state, telemetry.rollup_hour_mark, telemetry.rollup_mark, "
        "telemetry.rollup_hour, telemetry.rollup_minute"
    )
