"""Rules, alarms and their steps, what is to be notified, the state of evaluation, the outbox, the published view.

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

_RULES = """
create table alerts.rule (
    id uuid primary key,
    name text not null,
    description text not null default '',
    is_enabled boolean not null,
    metric text collate "C",
    device_ids text[] not null default '{}',
    groups text[] not null default '{}',
    condition jsonb not null,
    schedule jsonb,
    clear_after_ms bigint not null default 0,
    severity text not null constraint rule_severity check (severity in ('info', 'warning', 'critical')),
    message text not null,
    unit text,
    evaluation integer not null default 1,
    version integer not null default 1,
    created_at timestamptz not null,
    created_by uuid,
    created_by_name text,
    updated_at timestamptz not null,
    updated_by uuid,
    updated_by_name text
);
comment on column alerts.rule.metric is 'A glob over metric keys; null: the device itself (no data).';
comment on column alerts.rule.device_ids is 'With groups also empty: every device.';
comment on column alerts.rule.evaluation is 'Grows when what is evaluated changes: state of an earlier one is void.';
create unique index rule_name on alerts.rule (lower(name));

create table alerts.rule_revision (
    id smallint primary key default 1 check (id = 1),
    revision bigint not null,
    has_examples boolean not null default false
);
comment on table alerts.rule_revision is 'Counts every change of a rule: evaluators look here, and read rules when it grew.';
insert into alerts.rule_revision (revision) values (1);
"""

_ALARMS = """
create table alerts.alarm (
    id uuid primary key,
    seq bigint generated always as identity unique,
    rule_id uuid not null,
    rule_name text not null,
    rule_kind text not null,
    device_id text collate "C" not null,
    metric text collate "C",
    severity text not null constraint alarm_severity check (severity in ('info', 'warning', 'critical')),
    state text not null constraint alarm_state check (state in ('active', 'acknowledged', 'cleared')),
    message text not null,
    value jsonb,
    raised_at timestamptz not null,
    noticed_at timestamptz not null,
    acknowledged_at timestamptz,
    acknowledged_by uuid,
    acknowledged_by_name text,
    cleared_at timestamptz,
    cleared_value jsonb,
    clear_reason text,
    cleared_by uuid,
    cleared_by_name text,
    shelved_until timestamptz,
    shelved_by uuid,
    shelved_by_name text,
    is_late boolean not null default false,
    updated_at timestamptz not null
) with (fillfactor = 80);
comment on column alerts.alarm.rule_id is 'No reference: an alarm outlives its rule.';
comment on column alerts.alarm.raised_at is 'By the reading''s own time; noticed_at is ours.';
comment on column alerts.alarm.is_late is 'Found in readings that came late: history only, never notified.';
create unique index alarm_active on alerts.alarm (rule_id, device_id) where state <> 'cleared' and not is_late;
create index alarm_open on alerts.alarm (seq desc) where state <> 'cleared';
create index alarm_by_device on alerts.alarm (device_id, seq desc);
create index alarm_by_rule on alerts.alarm (rule_id, device_id, raised_at desc);
create index alarm_by_time on alerts.alarm (raised_at);

create table alerts.alarm_step (
    seq bigint generated always as identity primary key,
    id uuid not null unique,
    alarm_id uuid not null references alerts.alarm (id) on delete cascade,
    kind text not null constraint alarm_step_kind
        check (kind in ('raised', 'acknowledged', 'commented', 'shelved', 'unshelved', 'cleared')),
    at timestamptz not null,
    noted_at timestamptz not null,
    state text not null,
    value jsonb,
    comment text,
    reason text,
    shelved_until timestamptz,
    actor_id uuid,
    actor_name text
);
comment on column alerts.alarm_step.at is 'Of raised and cleared by rule: the reading''s own time; noted_at is ours.';
create index alarm_step_by_alarm on alerts.alarm_step (alarm_id, seq);

create table alerts.notification_due (
    step_id uuid primary key references alerts.alarm_step (id) on delete cascade,
    alarm_id uuid not null,
    noted_at timestamptz not null
);
comment on table alerts.notification_due is
    'Raised and cleared steps that somebody may have to hear of, never late ones; the notifier takes rows away.';
"""

_EVALUATION = """
create table alerts.ownership (
    partition integer primary key,
    owner text,
    generation bigint not null default 0,
    lease_until timestamptz,
    stream_epoch text,
    stream_position text,
    received_through timestamptz
) with (fillfactor = 50);
comment on table alerts.ownership is
    'Which worker evaluates which share of the devices, and up to where what it evaluated is committed.';
insert into alerts.ownership (partition) select * from generate_series(0, 63);

create table alerts.worker (
    id text primary key,
    seen_until timestamptz not null
);
comment on table alerts.worker is 'Who evaluates, so that each knows its fair share.';

create table alerts.device_state (
    device_id text collate "C" primary key,
    partition integer not null,
    state jsonb not null
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
comment on table alerts.device_state is 'Of each device, how far each series and each rule on it got.';
create index device_state_by_partition on alerts.device_state (partition);

create table alerts.late_span (
    device_id text collate "C" primary key,
    partition integer not null,
    from_at timestamptz not null,
    to_at timestamptz not null,
    grown_at timestamptz not null
);
comment on table alerts.late_span is 'Stretches behind the live edge that changed, and were not looked through yet.';
create index late_span_by_partition on alerts.late_span (partition);
"""

# A contract: what other services read. A column may be added at the end, nothing else changes.
_PUBLISHED = """
create view alerts.alarm_view as
select id, seq, rule_id, rule_name, rule_kind, device_id, metric, severity, state, message, value, raised_at,
       acknowledged_at, acknowledged_by_name, cleared_at, clear_reason, shelved_until, is_late, updated_at
from alerts.alarm;
grant usage on schema alerts to pulse_published;
grant select on alerts.alarm_view to pulse_published
"""


def upgrade() -> None:
    _run(_RULES)
    _run(_ALARMS)
    _run(_EVALUATION)
    outbox_table(sa.MetaData(), "alerts").create(op.get_bind())
    _run(_PUBLISHED)


def downgrade() -> None:
    op.execute("drop view alerts.alarm_view")
    op.execute(
        "drop table alerts.outbox, alerts.late_span, alerts.device_state, alerts.worker, alerts.ownership,"
        " alerts.notification_due, alerts.alarm_step, alerts.alarm, alerts.rule_revision, alerts.rule"
    )


def _run(block: str) -> None:
    # One statement at a time: the driver prepares each.
    for statement in block.split(";\n"):
        if statement.strip():
            op.execute(sa.text(statement.replace(":", r"\:")))
