"""What desktops may have, read for their pulls: the hot path, on asyncpg, with one statement for many desktops.

A desktop that is a little behind is answered by way of what changed, one that is far behind by way of its whole scope:
the first costs by the change, the second by the page.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import asyncpg

from pulse_chassis.database import pool_outages_as_unavailable
from pulse_contracts.stamps import Stamp
from pulse_contracts.sync import Revocation
from pulse_sync.domain.page_position import PagePosition
from pulse_sync.domain.rows import DueRow, LogRow, RowKey
from pulse_sync.storage.gathering import Gathered
from pulse_sync.storage.published_views import unpublished_as_unavailable
from pulse_sync.use_cases.ports import Checksum, Desktop, DueQuestion, RoleRights, Standing

SMALL_GAP: Final = 2_000
"""Log entries that a desktop may be behind for its pull to go by the changes."""

_STANDING: Final = """
select g.device_id, h.cursor, h.horizon, h.revocation_no, d.sign_jwk::text as sign_jwk, d.seal_key,
       d.is_workstation, d.is_active,
       exists (select from sync.desktop s where s.device_id = g.device_id) as is_scoped
from sync.head h
cross join unnest($1::text[]) with ordinality as g(device_id, n)
left join identity.desktop d on d.device_id = g.device_id
order by g.n
"""
_REVOCATIONS: Final = """
select n, no, user_id, reason, at from (
    select newest.*, row_number() over (partition by n order by no) as place from (
        select distinct on (g.n, r.user_id) g.n, g.sent, g.most, r.no, r.user_id, r.reason,
               (extract(epoch from r.at) * 1000)::bigint as at
        from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::int[]) with ordinality
            as g(device_id, after, until, sent, most, n)
        join sync.membership m on m.desktop_id = g.device_id and m.entity = 'users'
        join sync.revocation r on r.user_id = m.row_id and (r.desktop_id is null or r.desktop_id = g.device_id)
            and r.no > g.after and r.no <= g.until
        order by g.n, r.user_id, r.no desc
    ) as newest
    where no > sent
) as numbered
where place <= most
order by n, no
"""
_COLUMNS: Final = """
select e.entity::text as entity, e.id, e.version, e.stamp, e.updated_by, e.source, e.is_deleted,
       e.fields::text as fields, m.is_member"""
# A row that lives on outside the scope is no news there: only that it left. What changed since the furthest behind of
# them is looked up once.
_CHANGED: Final = f"""
with asked as (
    select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bool[], $6::bigint[], $7::bigint[],
                         $8::int[])
        with ordinality as g(device_id, after_entity, after_id, since, renews, revoked_after, revoked_until, most, n)
),
fresh as materialized (select entity, id, cursor from sync.entry where cursor > $9),
due as (
    select g.n, m.entity, m.row_id from asked g
    join sync.membership m on m.desktop_id = g.device_id and m.cursor > g.since
    union
    select g.n, m.entity, m.row_id from asked g
    join fresh f on f.cursor > g.since
    join sync.membership m on m.desktop_id = g.device_id and m.entity = f.entity and m.row_id = f.id and m.is_member
    union
    select g.n, m.entity, m.row_id from asked g
    join sync.membership m on m.desktop_id = g.device_id and m.entity = 'users' and m.is_member
    where g.renews or (g.revoked_after < g.revoked_until and exists (
        select from sync.revocation r where r.user_id = m.row_id and r.no > g.revoked_after and r.no <= g.revoked_until
        and (r.desktop_id is null or r.desktop_id = g.device_id)
    ))
),
placed as (
    select g.n, g.device_id, g.most, due.entity, due.row_id,
           row_number() over (partition by g.n order by due.entity, due.row_id) as place
    from due join asked g on g.n = due.n
    where (due.entity, due.row_id) > (g.after_entity::sync.entity, g.after_id)
)
{_COLUMNS}, p.n
from placed p
join sync.entry e on e.entity = p.entity and e.id = p.row_id
join sync.membership m on m.desktop_id = p.device_id and m.entity = p.entity and m.row_id = p.row_id
where p.place <= p.most
order by p.n, p.place
"""  # noqa: S608 -- put together from the constant above
_SCOPE: Final = f"""
{_COLUMNS}
from sync.membership m join sync.entry e on e.entity = m.entity and e.id = m.row_id
where m.desktop_id = $1 and (m.entity, m.row_id) > ($2::text::sync.entity, $3)
  and (m.cursor > $4 or (m.is_member and e.cursor > $4)
      or (m.entity = 'users' and m.is_member and ($5 or ($6::bigint < $7::bigint and exists (
          select from sync.revocation r
          where r.user_id = m.row_id and r.no > $6 and r.no <= $7 and (r.desktop_id is null or r.desktop_id = $1)
      )))))
  and (not $9 or (m.is_member and not e.is_deleted))
order by m.entity, m.row_id limit $8
"""
_KNOWN: Final = """
select m.entity::text as entity, m.row_id, m.is_member and not e.is_deleted as is_live
from unnest($2::text[], $3::text[]) as asked(entity, row_id)
join sync.membership m
    on m.desktop_id = $1 and m.entity = asked.entity::sync.entity and m.row_id = asked.row_id
join sync.entry e on e.entity = m.entity and e.id = m.row_id
where m.is_member or e.is_deleted
"""
_ROLES: Final = """
select id, fields ->> 'name' as name, array(select jsonb_array_elements_text(fields -> 'permissions')) as permissions
from sync.entry where entity = 'roles' and id = any($1::text[]) and not is_deleted
"""
_CHECKSUMS: Final = """
select h.cursor, t.desktop_id, t.entity, t.rows, (t.digest % 18446744073709551616)::text as digest
from sync.head h left join (
    select m.desktop_id, m.entity::text as entity, count(*) as rows, sum(e.digest) as digest
    from sync.membership m join sync.entry e on e.entity = m.entity and e.id = m.row_id
    where m.desktop_id = any($1::text[]) and m.is_member and not e.is_deleted
    group by m.desktop_id, m.entity
) as t on true
"""
_AT_ONCE: Final = 2
"""Statements of a kind: a desktop with a large scope does not hold up all others."""


class PostgresScopeReader:
    """The `ScopeReader` of production: make one, or questions are not put together."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool
        self._standing = Gathered(self._standings, at_once=_AT_ONCE)
        self._revoked = Gathered(self._revocations, at_once=_AT_ONCE)
        self._changed = Gathered(self._changes, at_once=_AT_ONCE)
        self._rights = Gathered(self._role_rights, at_once=_AT_ONCE)
        self._checksum = Gathered(self._checksums, at_once=_AT_ONCE)

    async def standing(self, device_id: str) -> Standing:
        """Return where the log is and who asks."""
        return await self._standing(device_id)

    async def revocations(self, device_id: str, position: PagePosition, limit: int) -> Sequence[Revocation]:
        """Return the newest revocation of each user who is or was in this scope."""
        return await self._revoked((device_id, position, limit))

    async def due_rows(self, device_id: str, question: DueQuestion) -> Sequence[DueRow]:
        """Return rows after the question's position."""
        if not question.is_live_only and question.gap <= SMALL_GAP:
            return await self._changed((device_id, question))
        place = question.position
        given: list[Any] = [
            device_id,
            place.entity,
            place.row_id,
            question.since,
            place.renews_leases,
            place.revoked_after,
            place.revoked_until,
            question.limit,
        ]
        return [_due_row(record) for record in await self._fetch(_SCOPE, *given, question.is_live_only)]

    async def known_rows(self, device_id: str, keys: Collection[RowKey]) -> Mapping[RowKey, bool]:
        """Return those of these rows that are in the scope (True), or were in it and have ended (False)."""
        if not keys:
            return {}
        entities, ids = zip(*keys, strict=True)
        records = await self._fetch(_KNOWN, device_id, list(entities), list(ids))
        return {(record["entity"], record["row_id"]): record["is_live"] for record in records}

    async def role_rights(self, role_ids: Collection[str]) -> Mapping[str, RoleRights]:
        """Return what these roles allow."""
        return await self._rights(frozenset(role_ids)) if role_ids else {}

    async def checksum(self, device_id: str) -> Checksum:
        """Return the checksum of this desktop's scope."""
        return await self._checksum(device_id)

    async def _standings(self, device_ids: Sequence[str]) -> list[Standing]:
        return [_standing(record) for record in await self._fetch(_STANDING, device_ids)]

    async def _revocations(self, asked: Sequence[tuple[str, PagePosition, int]]) -> list[list[Revocation]]:
        columns = zip(
            *((d, p.revoked_after, p.revoked_until, p.revocations_sent, limit) for d, p, limit in asked), strict=True
        )
        found: list[list[Revocation]] = [[] for _ in asked]
        for n, no, user_id, reason, at in await self._fetch(_REVOCATIONS, *columns):
            found[n - 1].append(Revocation(no=no, user_id=user_id, reason=reason, at=at))
        return found

    async def _changes(self, asked: Sequence[tuple[str, DueQuestion]]) -> list[list[DueRow]]:
        columns = zip(*(_changes_asked(device_id, question) for device_id, question in asked), strict=True)
        since = min(question.since for _, question in asked)
        found: list[list[DueRow]] = [[] for _ in asked]
        for record in await self._fetch(_CHANGED, *columns, since):
            found[record["n"] - 1].append(_due_row(record))
        return found

    async def _role_rights(self, asked: Sequence[frozenset[str]]) -> list[dict[str, RoleRights]]:
        records = await self._fetch(_ROLES, sorted(frozenset().union(*asked)))
        rights = {r["id"]: RoleRights(r["name"] or "", tuple(r["permissions"])) for r in records}
        return [{role: rights[role] for role in roles if role in rights} for roles in asked]

    async def _checksums(self, device_ids: Sequence[str]) -> list[Checksum]:
        records = await self._fetch(_CHECKSUMS, device_ids)
        sums: dict[str, dict[str, tuple[int, str]]] = {}
        for record in records:
            if record["desktop_id"] is not None:
                of_desktop = sums.setdefault(record["desktop_id"], {})
                of_desktop[record["entity"]] = (record["rows"], f"{int(record['digest']):016x}")
        return [Checksum(records[0]["cursor"], sums.get(device_id, {})) for device_id in device_ids]

    async def _fetch(self, statement: str, *given: Any) -> list[asyncpg.Record]:
        async with pool_outages_as_unavailable(), unpublished_as_unavailable():
            return await self._pool.fetch(statement, *given)


def _standing(record: asyncpg.Record) -> Standing:
    desktop = None
    if record["sign_jwk"] is not None and record["seal_key"] is not None:
        desktop = Desktop(
            device_id=record["device_id"],
            sign_jwk=json.loads(record["sign_jwk"]),
            seal_key=record["seal_key"],
            is_workstation=record["is_workstation"],
            is_active=record["is_active"],
        )
    return Standing(record["cursor"], record["horizon"], record["revocation_no"], desktop, record["is_scoped"])


def _changes_asked(device_id: str, question: DueQuestion) -> tuple[Any, ...]:
    place = question.position
    revoked = (place.revoked_after, place.revoked_until)
    return (device_id, place.entity, place.row_id, question.since, place.renews_leases, *revoked, question.limit)


def _due_row(record: asyncpg.Record) -> DueRow:
    row = LogRow(
        entity=record["entity"],
        id=record["id"],
        version=record["version"],
        stamp=Stamp(record["stamp"]),
        updated_by=record["updated_by"],
        source=record["source"],
        fields=json.loads(record["fields"]),
        is_deleted=record["is_deleted"],
    )
    return DueRow(row, record["is_member"], len(record["fields"].encode()))
