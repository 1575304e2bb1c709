"""Roll-ups by minute and by hour, kept from what arrives, and the views over them.

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
    last_value double precision
"""

_TABLES = f"""
create index sample_arrival on telemetry.sample using brin (received_at) with (pages_per_range = 16);

create table telemetry.rollup_minute ({_COLUMNS}) partition by range (bucket);
create unique index rollup_minute_identity on telemetry.rollup_minute (series_id, bucket);
create table telemetry.rollup_minute_default partition of telemetry.rollup_minute default;
comment on table telemetry.rollup_minute is
    'Readings of a series in one minute; a boolean counts as 0 or 1, a text only in row_count.';

create table telemetry.rollup_hour ({_COLUMNS});
create unique index rollup_hour_identity on telemetry.rollup_hour (series_id, bucket);
create index rollup_hour_age on telemetry.rollup_hour using brin (bucket);

create table telemetry.rollup_state (
    is_only boolean primary key default true check (is_only),
    arrived_until timestamptz not null
);
comment on column telemetry.rollup_state.arrived_until is
    'Every reading received until then is in the roll-ups, exactly once.';
insert into telemetry.rollup_state (arrived_until)
select coalesce(min(received_at) - interval '1 second', now() - interval '1 hour') from telemetry.sample;

create table telemetry.rollup_redo (
    series_id integer not null,
    bucket timestamptz not null,
    primary key (series_id, bucket)
);
comment on table telemetry.rollup_redo is
    'Minutes of readings that were committed long after they arrived: computed anew from the readings themselves.'
"""  # noqa: S608 -- put together from constants of this file

_VIEWS = """
create view telemetry.rollup_minute_data as select * from telemetry.rollup_minute;
create view telemetry.rollup_hour_data as select * from telemetry.rollup_hour;
create view telemetry.rollup_progress as
select arrived_until, (select count(*) from telemetry.rollup_redo) as redo_count from telemetry.rollup_state;
grant select on telemetry.rollup_minute_data, telemetry.rollup_hour_data, telemetry.rollup_progress to pulse_published
"""


def upgrade() -> None:
    for script in (_TABLES, _VIEWS):
        for statement in script.split(";\n"):
            if statement.strip():
                op.execute(statement)


def downgrade() -> None:
    op.execute("drop view telemetry.rollup_progress, telemetry.rollup_hour_data, telemetry.rollup_minute_data")
    op.execute(
        "drop table telemetry.rollup_redo, telemetry.rollup_state, telemetry.rollup_hour, telemetry.rollup_minute"
    )
    op.execute("drop index telemetry.sample_arrival")
