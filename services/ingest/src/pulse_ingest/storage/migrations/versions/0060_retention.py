"""How long readings, minutes and hours are kept, and how much room they take.

Revision ID: 0060
Revises: 0050
"""

from __future__ import annotations

from alembic import op

revision = "0060"
down_revision = "0050"
branch_labels = None
depends_on = None

_SCRIPT = """
create table telemetry.retention_rule (
    id integer generated always as identity primary key,
    device_id text,
    metric text,
    raw_days integer check (raw_days > 0),
    minute_days integer check (minute_days > 0),
    hour_days integer check (hour_days > 0),
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    updated_by text,
    constraint retention_rule_scope unique nulls not distinct (device_id, metric),
    constraint retention_rule_order check (
        coalesce(raw_days, 2147483647) <= coalesce(minute_days, 2147483647)
        and coalesce(minute_days, 2147483647) <= coalesce(hour_days, 2147483647)
    )
);
comment on table telemetry.retention_rule is
    'The most specific rule of a series holds: device and metric, device, metric, all (both null). Null days: for ever.';

create table telemetry.storage_day (
    day date primary key,
    measured_at timestamptz not null,
    raw_bytes bigint not null,
    minute_bytes bigint not null,
    hour_bytes bigint not null,
    other_bytes bigint not null,
    used_bytes bigint,
    capacity_bytes bigint
);
comment on table telemetry.storage_day is 'The last measurement of each day (UTC).';
comment on column telemetry.storage_day.other_bytes is 'Of the whole database, all schemas.';
comment on column telemetry.storage_day.used_bytes is 'Of the volume, by whomever; null: it cannot be seen from here.';

create view telemetry.storage_use as
select day, measured_at, raw_bytes, minute_bytes, hour_bytes, other_bytes, used_bytes, capacity_bytes
from telemetry.storage_day;
grant select on telemetry.storage_use to pulse_published
"""


def upgrade() -> None:
    for statement in _SCRIPT.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop view telemetry.storage_use")
    op.execute("drop table telemetry.storage_day, telemetry.retention_rule")
