"""Stamps, tombstones, desktops' keys and operations: what sync needs of people and roles."""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0010"
branch_labels = None
depends_on = None

# The text form of ids is what the view is asked by.
_STAMPED = """
alter table identity.{table}
    add column stamp text collate "C" not null default '0000000000000-0000',
    add column updated_by text,
    add column source text not null default 'web' constraint {table}_source check (source in ('web', 'desktop')),
    add column revoked jsonb not null default '{{}}'::jsonb;
update identity.{table}
    set stamp = to_char(floor(extract(epoch from updated_at) * 1000), 'FM0000000000000') || '-0000';
create index {table}_id_text on identity.{table} ((id::text));
"""

_TABLES = """
create table identity.tombstones (
    entity text not null constraint tombstones_entity check (entity in ('users', 'roles')),
    id text not null,
    version integer not null,
    stamp text collate "C" not null,
    deleted_by text,
    source text not null,
    deleted_at timestamptz not null,
    primary key (entity, id)
);
create index ix_identity_tombstones_deleted_at on identity.tombstones (deleted_at);
create table identity.desktop_keys (
    device_id text collate "C" primary key references identity.devices (id) on delete cascade,
    sign_jwk jsonb not null,
    seal_key text not null,
    sealed_verifier_key bytea not null,
    enrolled_at timestamptz not null
);
create table identity.applied_operations (
    op_id uuid primary key,
    desktop_id text collate "C" not null,
    op_no bigint not null,
    outcome jsonb not null,
    at timestamptz not null
);
create index ix_identity_applied_operations_at on identity.applied_operations (at);
create table identity.password_box (
    is_only boolean primary key default true constraint password_box_is_only check (is_only),
    public_key text not null,
    sealed_private bytea not null,
    created_at timestamptz not null
);
"""

# Contracts: what other services read. A column may be added at the end, nothing else changes.
_PUBLISHED = """
create view identity.synced_row as
select 'permissions'::text as entity, p.name as id, 1 as version,
       '0000000000000-0000'::text collate "C" as updated_at, null::text as updated_by, 'web'::text as source,
       jsonb_build_object('description', p.description) as fields, '{}'::jsonb as revoked
from identity.permissions p
union all
select 'roles', r.id::text, r.version, r.stamp, r.updated_by, r.source,
       jsonb_build_object(
           'name', r.name, 'description', r.description, 'is_built_in', r.is_built_in,
           'permissions', array(
               select rp.permission from identity.role_permissions rp
               where rp.role_id = r.id order by rp.permission collate "C"
           )
       ),
       r.revoked
from identity.roles r
union all
select 'users', u.id::text, u.version, u.stamp, u.updated_by, u.source,
       jsonb_build_object(
           'username', u.username, 'email', u.email, 'is_active', u.is_active,
           'roles', array(
               select ur.role_id::text from identity.user_roles ur where ur.user_id = u.id order by 1
           )
       ),
       u.revoked
from identity.users u;

create view identity.desktop as
select d.id as device_id, k.sign_jwk, k.seal_key, d.kind = 'workstation' as is_workstation, d.is_active, d.groups
from identity.desktop_keys k
join identity.devices d on d.id = k.device_id;

grant select on identity.synced_row, identity.desktop to pulse_published;
"""


def upgrade() -> None:
    for table in ("users", "roles"):
        _run(_STAMPED.format(table=table))
    _run(_TABLES)
    _run(_PUBLISHED)


def downgrade() -> None:
    _run("drop view identity.desktop, identity.synced_row")
    _run("drop table identity.password_box, identity.applied_operations, identity.desktop_keys, identity.tombstones")
    for table in ("users", "roles"):
        _run(f"drop index identity.{table}_id_text")
        _run(
            f"alter table identity.{table} drop column stamp, drop column updated_by, drop column source,"
            " drop column revoked"
        )


def _run(block: str) -> None:
    # One statement at a time: the driver prepares each. Executed as it is: a colon here is a cast, no parameter.
    for statement in block.split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
