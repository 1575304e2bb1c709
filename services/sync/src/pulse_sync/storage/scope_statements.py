"""What is in the scope of a desktop, as SQL, and how `sync.membership` is brought to it in one statement.

In scope are all permissions; the users who own the desktop or have it shared with them, directly or by a role; the
roles that those users hold, on a workstation all roles, because people are given them there; and the config entries for
all, for the desktop's groups and for itself. Who may use which
desktop is read from identity's published views at that moment.
"""

from __future__ import annotations

from typing import Final

_WANTED: Final = """
desk as (
    select device_id, groups, is_workstation from identity.desktop
    where cast(:desktops as text[]) is null or device_id = any(cast(:desktops as text[]))
),
person as (
    select a.device_id, u.id, u.fields, desk.is_workstation
    from identity.device_access a
    join desk on desk.device_id = a.device_id
    join sync.entry u on u.entity = 'users' and u.id = cast(a.user_id as text) and not u.is_deleted
),
-- The target is what stands between the first slash and the last: a group's name may hold slashes.
config as (
    select entity, id, split_part(id, '/', 1) as scope, substring(id from '^[^/]*/(.*)/[^/]*$') as target
    from sync.entry where entity = 'config' and not is_deleted
),
wanted as (
    select desk.device_id as desktop_id, e.entity, e.id as row_id
    from desk join sync.entry e on e.entity = 'permissions' and not e.is_deleted
    union all
    select device_id, cast('users' as sync.entity), id from person
    union all
    select desk.device_id, r.entity, r.id
    from desk join sync.entry r on r.entity = 'roles' and not r.is_deleted
    where desk.is_workstation
    union all
    select distinct p.device_id, cast('roles' as sync.entity), r.id
    from person p
    cross join lateral jsonb_array_elements_text(coalesce(p.fields -> 'roles', cast('[]' as jsonb))) as held(role_id)
    join sync.entry r on r.entity = 'roles' and r.id = held.role_id and not r.is_deleted
    where not p.is_workstation
    union all
    select desk.device_id, c.entity, c.id from config c cross join desk where c.scope = 'all'
    union all
    select desk.device_id, c.entity, c.id from config c join desk on c.target = any(desk.groups) where c.scope = 'group'
    union all
    select desk.device_id, c.entity, c.id from config c join desk on c.target = desk.device_id where c.scope = 'device'
)
"""

_MOVE: Final = """
moved as (
    select coalesce(w.desktop_id, h.desktop_id) as desktop_id, coalesce(w.entity, h.entity) as entity,
           coalesce(w.row_id, h.row_id) as row_id, w.desktop_id is not null as is_member
    from wanted w
    full join have h on h.desktop_id = w.desktop_id and h.entity = w.entity and h.row_id = w.row_id
    where (w.desktop_id is not null) <> coalesce(h.is_member, false)
),
written as (
    insert into sync.membership as m (desktop_id, entity, row_id, cursor, is_member, changed_at)
    select desktop_id, entity, row_id, :cursor, is_member, :at from moved
    on conflict (desktop_id, entity, row_id) do update
    set cursor = excluded.cursor, is_member = excluded.is_member, changed_at = excluded.changed_at
    returning desktop_id, entity, row_id, is_member
)
select cast(entity as text) as entity, desktop_id, row_id, count(*) as rows from (
    select entity, case when is_departure then desktop_id end as desktop_id, case when is_departure then row_id end as row_id
    from (select *, entity = 'users' and not is_member as is_departure from written) as flagged
) as told
group by entity, desktop_id, row_id
"""
"""From `wanted` and `have`: one row for each entity that moved, and one for each user who left a desktop."""

RESCOPE: Final = f"""
with {_WANTED},
have as (
    select desktop_id, entity, row_id, is_member from sync.membership
    where cast(:desktops as text[]) is null or desktop_id = any(cast(:desktops as text[]))
),
{_MOVE}
"""  # noqa: S608 -- put together from the constants above

# Holders of roles are found by one look at all users: a look for each role would cost by their product.
RESCOPE_ROWS: Final = f"""
with news as (
    select cast(g.entity as sync.entity) as entity, g.id
    from unnest(cast(:entities as text[]), cast(:ids as text[])) as g(entity, id)
),
live as (
    select e.entity, e.id from news join sync.entry e on e.entity = news.entity and e.id = news.id and not e.is_deleted
),
desk as (
    select d.device_id, d.is_workstation from identity.desktop d join sync.desktop s on s.device_id = d.device_id
),
wanted as (
    select desk.device_id as desktop_id, live.entity, live.id as row_id
    from live cross join desk
    where live.entity = 'permissions' or (live.entity = 'roles' and desk.is_workstation)
    union
    select desk.device_id, live.entity, live.id
    from sync.entry u
    cross join lateral jsonb_array_elements_text(coalesce(u.fields -> 'roles', cast('[]' as jsonb))) as held(role_id)
    join live on live.entity = 'roles' and live.id = held.role_id
    join identity.device_access a on cast(a.user_id as text) = u.id
    join desk on desk.device_id = a.device_id and not desk.is_workstation
    where u.entity = 'users' and not u.is_deleted
),
have as (
    select m.desktop_id, m.entity, m.row_id, m.is_member
    from sync.membership m join news on news.entity = m.entity and news.id = m.row_id
),
{_MOVE}
"""  # noqa: S608 -- put together from the constants above
"""Roles and permissions that came or ended, and of every scope no other row."""

RESCOPE_ROW: Final = """
with moved as (
    select desk.device_id, g.id
    from unnest(cast(:ids as text[])) as g(id)
    join identity.desktop desk on split_part(g.id, '/', 1) = 'all'
        or (split_part(g.id, '/', 1) = 'group' and substring(g.id from '^[^/]*/(.*)/[^/]*$') = any(desk.groups))
        or (split_part(g.id, '/', 1) = 'device' and substring(g.id from '^[^/]*/(.*)/[^/]*$') = desk.device_id)
    join sync.entry e on e.entity = 'config' and e.id = g.id and not e.is_deleted
)
insert into sync.membership as m (desktop_id, entity, row_id, cursor, is_member, changed_at)
select device_id, 'config', id, :cursor, true, :at from moved
on conflict (desktop_id, entity, row_id) do update
set cursor = excluded.cursor, is_member = true, changed_at = excluded.changed_at where not m.is_member
"""
"""Config entries that were just written, into the scopes that they belong to; who loses one, `RESCOPE` finds."""

ADD_DESKTOPS: Final = """
insert into sync.desktop (device_id) select device_id from identity.desktop
where cast(:desktops as text[]) is null or device_id = any(cast(:desktops as text[]))
on conflict do nothing
"""
FORGET_DESKTOPS: Final = """
with gone as (
    delete from sync.desktop
    where (cast(:desktops as text[]) is null or device_id = any(cast(:desktops as text[])))
      and device_id not in (select device_id from identity.desktop)
    returning device_id
),
rows as (delete from sync.membership where desktop_id in (select device_id from gone))
select device_id from gone
"""
