"""The schema of identity: people, sessions, signing keys, devices, and the views that other services read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pulse_chassis.outbox import outbox_table

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_PEOPLE = """
create table identity.users (
    id uuid primary key,
    username text not null,
    username_key text not null unique,
    email text,
    email_key text unique,
    password_hash text not null,
    is_active boolean not null,
    version integer not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create table identity.roles (
    id uuid primary key,
    name text not null,
    name_key text not null unique,
    description text not null,
    is_built_in boolean not null,
    version integer not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create table identity.permissions (
    name text primary key,
    description text not null
);
create table identity.role_permissions (
    role_id uuid not null references identity.roles (id) on delete cascade,
    permission text not null references identity.permissions (name) on delete cascade,
    primary key (role_id, permission)
);
create table identity.user_roles (
    user_id uuid not null references identity.users (id) on delete cascade,
    role_id uuid not null references identity.roles (id) on delete restrict,
    primary key (user_id, role_id)
);
create index ix_identity_user_roles_role_id on identity.user_roles (role_id);
"""

_SESSIONS = """
create table identity.sessions (
    id uuid primary key,
    user_id uuid not null references identity.users (id) on delete cascade,
    generation integer not null,
    client jsonb not null,
    created_at timestamptz not null,
    last_used_at timestamptz not null,
    expires_at timestamptz not null,
    revoked_at timestamptz,
    revoked_reason text
);
create index ix_identity_sessions_user_id on identity.sessions (user_id);
create index ix_identity_sessions_expires_at on identity.sessions (expires_at);
create table identity.refresh_tokens (
    sha256 bytea primary key,
    session_id uuid not null references identity.sessions (id) on delete cascade,
    generation integer not null,
    expires_at timestamptz not null,
    rotated_at timestamptz,
    rotated_by bytea
);
create index ix_identity_refresh_tokens_session_id on identity.refresh_tokens (session_id);
create index ix_identity_refresh_tokens_expires_at on identity.refresh_tokens (expires_at);
create table identity.signing_keys (
    key_id text primary key,
    public_jwk jsonb not null,
    sealed_private bytea not null,
    signs_from timestamptz not null,
    published_until timestamptz
);
"""

_DEVICES = """
create table identity.devices (
    id text collate "C" primary key,
    name text not null,
    kind text not null,
    owner_id uuid references identity.users (id) on delete set null,
    is_active boolean not null,
    groups text[] not null,
    metadata jsonb not null,
    version integer not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index ix_identity_devices_owner_id on identity.devices (owner_id);
create table identity.device_keys (
    sha256 bytea primary key,
    device_id text collate "C" not null references identity.devices (id) on delete cascade,
    prefix text not null,
    created_at timestamptz not null,
    expires_at timestamptz
);
create index ix_identity_device_keys_device_id on identity.device_keys (device_id);
create index ix_identity_device_keys_prefix on identity.device_keys (prefix);
create table identity.device_shares (
    id uuid primary key,
    device_id text collate "C" not null references identity.devices (id) on delete cascade,
    user_id uuid references identity.users (id) on delete cascade,
    role_id uuid references identity.roles (id) on delete cascade,
    level text not null constraint device_shares_level check (level in ('read', 'control')),
    created_at timestamptz not null,
    unique (device_id, user_id),
    unique (device_id, role_id),
    constraint device_shares_one_grantee check (num_nonnulls(user_id, role_id) = 1)
);
create index ix_identity_device_shares_user_id on identity.device_shares (user_id);
create index ix_identity_device_shares_role_id on identity.device_shares (role_id);
create table identity.retired_devices (
    device_id text collate "C" primary key,
    owner_id uuid references identity.users (id) on delete set null,
    retired_at timestamptz not null
);
create index ix_identity_retired_devices_owner_id on identity.retired_devices (owner_id);
create table identity.enrolment_codes (
    id uuid primary key,
    sha256 bytea not null unique,
    device_id text collate "C",
    bound_device_id text collate "C" references identity.devices (id) on delete cascade,
    name text not null,
    kind text not null,
    groups text[] not null,
    owner_id uuid not null references identity.users (id) on delete cascade,
    created_by uuid not null references identity.users (id) on delete cascade,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
create index ix_identity_enrolment_codes_bound_device_id on identity.enrolment_codes (bound_device_id);
create index ix_identity_enrolment_codes_owner_id on identity.enrolment_codes (owner_id);
create index ix_identity_enrolment_codes_created_by on identity.enrolment_codes (created_by);
create index ix_identity_enrolment_codes_expires_at on identity.enrolment_codes (expires_at);
"""

# Contracts: what other services read. A column may be added at the end, nothing else changes.
_PUBLISHED = """
create view identity.device_registry as
select d.id as device_id, d.name, d.owner_id, d.is_active, d.kind, d.groups, d.metadata, d.created_at
from identity.devices d;

create view identity.device_key as
select k.device_id, k.prefix as key_prefix, k.sha256 as key_sha256, k.expires_at
from identity.device_keys k
join identity.devices d on d.id = k.device_id
where d.is_active and (k.expires_at is null or k.expires_at > now());

create view identity.device_access as
select a.user_id, a.device_id,
       (array['read', 'control', 'owner'])[max(a.strength)] as level
from (
    select d.owner_id as user_id, d.id as device_id, 3 as strength
    from identity.devices d
    where d.owner_id is not null
    union all
    select s.user_id, s.device_id, case s.level when 'control' then 2 else 1 end
    from identity.device_shares s
    where s.user_id is not null
    union all
    select r.user_id, s.device_id, case s.level when 'control' then 2 else 1 end
    from identity.device_shares s
    join identity.user_roles r on r.role_id = s.role_id
) a
group by a.user_id, a.device_id;

create view identity.user_authority as
select u.id as user_id, u.username, u.is_active,
       array(
           select r.name from identity.user_roles ur
           join identity.roles r on r.id = ur.role_id
           where ur.user_id = u.id order by r.name
       ) as roles,
       array(
           select distinct rp.permission from identity.user_roles ur
           join identity.role_permissions rp on rp.role_id = ur.role_id
           where ur.user_id = u.id order by rp.permission
       ) as permissions
from identity.users u;

grant usage on schema identity to pulse_published;
grant select on identity.device_registry, identity.device_key, identity.device_access, identity.user_authority
    to pulse_published;
"""


def upgrade() -> None:
    for block in (_PEOPLE, _SESSIONS, _DEVICES):
        _run(block)
    outbox_table(sa.MetaData(), "identity").create(op.get_bind())
    _run(_PUBLISHED)


def downgrade() -> None:
    _run("drop view identity.user_authority, identity.device_access, identity.device_key, identity.device_registry")
    _run(
        "drop table identity.outbox, identity.enrolment_codes, identity.retired_devices, identity.device_shares,"
        " identity.device_keys, identity.devices, identity.signing_keys, identity.refresh_tokens, identity.sessions,"
        " identity.user_roles, identity.role_permissions, identity.permissions, identity.roles, identity.users"
    )


def _run(block: str) -> None:
    # One statement at a time: the driver prepares each.
    for statement in block.split(";\n"):
        if statement.strip():
            op.execute(sa.text(statement))
