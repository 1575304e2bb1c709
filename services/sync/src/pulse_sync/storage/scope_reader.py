"""What desktops may have, read for their pulls: the hot path, on asyncpg, with few statements, each of which is set-based.

A desktop that is a little behind is answered by way of what changed, one that is far behind by way of its whole scope:
the first costs by the change, the second by the page.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import asyncpg

from pulse_chassis.database import outages_as_unavailable
from pulse_contracts.stamps import Stamp
from pulse_contracts.sync import Revocation
from pulse_sync.domain.page_position import PagePosition
from pulse_sync.domain.rows import DueRow, LogRow, RowKey
from pulse_sync.storage.published_views import unpublished_as_unavailable
from pulse_sync.use_cases.ports import Checksum, Desktop, DueQuestion, RoleRights, Standing

SMALL_GAP: Final = 2_000
"""Log entries that a desktop may be behind for its pull to go by the changes."""

_STANDING: Final = """
select h.cursor, h.horizon, h.revocation_no, d.sign_jwk::text as sign_jwk, d.seal_key, d.is_workstation, d.is_active,
       exists (select from sync.desktop s where s.device_id = $1) as is_scoped
from sync.head h left join identity.desktop d on d.device_id = $1
"""
_REVOCATIONS: Final = """
select no, user_id, reason, at from (
    select distinct on (r.user_id) r.no, r.user_id, r.reason, (extract(epoch from r.at) * 1000)::bigint as at
    from sync.membership m
    join sync.revocation r on r.user_id = m.row_id and (r.desktop_id is null or r.desktop_id = $1)
    where m.desktop_id = $1 and m.entity = 'users' and r.no > $2 and r.no <= $3
    order by r.user_id, r.no desc
) as newest
where no > $4
order by no limit $5
"""
_COLUMNS: Final = """
select e.entity::text as entity, e.id, e.version, e.stamp, e.updated_by, e.source, e.is_deleted,
       e.fields::text as fields, m.is_member
"""
# A row that lives on outside the scope is no news there: only that it left.
_CHANGED: Final = f"""
with due as (
    select entity, row_id from sync.membership where desktop_id = $1 and cursor > $4
    union
    select m.entity, m.row_id from sync.entry e
    join sync.membership m on m.desktop_id = $1 and m.entity = e.entity and m.row_id = e.id and m.is_member
    where e.cursor > $4
    union
    select m.entity, m.row_id from sync.membership m
    where m.desktop_id = $1 and m.entity = 'users' and m.is_member and ($5 or ($6::bigint < $7::bigint and exists (
        select from sync.revocation r
        where r.user_id = m.row_id and r.no > $6 and r.no <= $7 and (r.desktop_id is null or r.desktop_id = $1)
    )))
)
{_COLUMNS}
from due
join sync.entry e on e.entity = due.entity and e.id = due.row_id
join sync.membership m on m.desktop_id = $1 and m.entity = due.entity and m.row_id = due.row_id
where (due.entity, due.row_id) > ($2::text::sync.entity, $3)
order by due.entity, due.row_id limit $8
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
_CHECKSUM: Final = """
select h.cursor, t.entity, t.rows, (t.digest % 18446744073709551616)::text as digest
from sync.head h left join (
    select m.entity::text as entity, count(*) as rows, sum(e.digest) as digest
    from sync.membership m join sync.entry e on e.entity = m.entity and e.id = m.row_id
    where m.desktop_id = $1 and m.is_member and not e.is_deleted
    group by m.entity
) as t on true
"""


class PostgresScopeReader:
    """The `ScopeReader` of production."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool

    async def standing(self, device_id: str) -> Standing:
        """Return where the log is and who asks."""
        (record,) = await self._fetch(_STANDING, device_id)
        desktop = None
        if record["sign_jwk"] is not None and record["seal_key"] is not None:
            desktop = Desktop(
                device_id=device_id,
                sign_jwk=json.loads(record["sign_jwk"]),
                seal_key=record["seal_key"],
                is_workstation=record["is_workstation"],
                is_active=record["is_active"],
            )
        return Standing(record["cursor"], record["horizon"], record["revocation_no"], desktop, record["is_scoped"])

    async def revocations(self, device_id: str, position: PagePosition, limit: int) -> Sequence[Revocation]:
        """Return the newest revocation of each user who is or was in this scope."""
        given = (position.revoked_after, position.revoked_until, position.revocations_sent, limit)
        records = await self._fetch(_REVOCATIONS, device_id, *given)
        return [Revocation(**record) for record in records]

    async def due_rows(self, device_id: str, question: DueQuestion) -> Sequence[DueRow]:
        """Return rows after the question's position."""
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
        if question.is_live_only or question.gap > SMALL_GAP:
            records = await self._fetch(_SCOPE, *given, question.is_live_only)
        else:
            records = await self._fetch(_CHANGED, *given)
        return [_due_row(record) for record in records]

    async def known_rows(self, device_id: str, keys: Collection[RowKey]) -> Mapping[RowKey, bool]:
        """Return those of these rows that are in the scope (True), or were in it and have ended (False)."""
        if not keys:
            return {}
        entities, ids = zip(*keys, strict=True)
        records = await self._fetch(_KNOWN, device_id, list(entities), list(ids))
        return {(record["entity"], record["row_id"]): record["is_live"] for record in records}

    async def role_rights(self, role_ids: Collection[str]) -> Mapping[str, RoleRights]:
        """Return what these roles allow."""
        if not role_ids:
            return {}
        records = await self._fetch(_ROLES, list(role_ids))
        return {record["id"]: RoleRights(record["name"] or "", tuple(record["permissions"])) for record in records}

    async def checksum(self, device_id: str) -> Checksum:
        """Return the checksum of this desktop's scope."""
        records = await self._fetch(_CHECKSUM, device_id)
        sums = {
            record["entity"]: (record["rows"], f"{int(record['digest']):016x}")
            for record in records
            if record["entity"] is not None
        }
        return Checksum(records[0]["cursor"], sums)

    async def _fetch(self, statement: str, *given: Any) -> list[asyncpg.Record]:
        async with outages_as_unavailable(), unpublished_as_unavailable():
            try:
                return await self._pool.fetch(statement, *given)
            except OSError as error:
                # A pool that is empty connects here; a socket that is not there is no ConnectionError.
                raise ConnectionError(str(error)) from error


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
