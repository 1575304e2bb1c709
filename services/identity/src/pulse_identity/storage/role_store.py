"""Roles one by one in PostgreSQL, within the transaction of a session that somebody else commits.

Every write of a role stamps the row and tells `pulse:changes`, and so does what it changes about the role's holders.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_chassis.errors import ConflictError
from pulse_contracts.stamps import NO_STAMP
from pulse_identity.domain.edits import permission_key, role_key
from pulse_identity.domain.people import Role
from pulse_identity.domain.queries import Page, RoleFilter
from pulse_identity.storage.row_stamps import RowStamps, highest, with_revocations
from pulse_identity.storage.search import contains
from pulse_identity.storage.tables import device_shares, role_permissions, roles, user_roles, users

_ALLOWED: Final = (
    sa.select(sa.func.coalesce(sa.func.array_agg(role_permissions.c.permission), sa.cast([], sa.ARRAY(sa.Text))))
    .where(role_permissions.c.role_id == roles.c.id)
    .scalar_subquery()
)
ROLES: Final = sa.select(roles, _ALLOWED.label("allowed"))
"""Roles with their permissions; `role_of` reads a row of it."""


class PostgresRoleStore:
    """A `RoleStore` on one session."""

    def __init__(self, session: AsyncSession, stamps: RowStamps) -> None:
        self._session = session
        self._stamps = stamps

    async def get(self, role_id: UUID, *, for_update: bool = False) -> Role | None:
        """Return a role; locked, nobody is given it or changes it until the transaction ends."""
        query = sa.select(roles.c.id).where(roles.c.id == role_id)
        return await self._read(role_id, query.with_for_update() if for_update else None)

    async def get_kept(self, role_id: UUID) -> Role | None:
        """Return a role that nobody changes or deletes until the transaction ends; meanwhile it may be given."""
        # Not as strong as for an end of its own: who is given it holds a lock on a user that the heir's maker waits for.
        query = sa.select(roles.c.id).where(roles.c.id == role_id)
        return await self._read(role_id, query.with_for_update(key_share=True))

    async def _read(self, role_id: UUID, lock: sa.Select[tuple[UUID]] | None) -> Role | None:
        if lock is not None:
            # First alone: a locked row is read as it is then, its permissions beside it as they were before the wait.
            await self._session.execute(lock)
        row = (await self._session.execute(ROLES.where(roles.c.id == role_id))).one_or_none()
        return None if row is None else role_of(row)

    async def page(self, wanted: RoleFilter, page: Page) -> tuple[list[Role], int]:
        """Return a page of the roles wanted, and how many match."""
        matches = _matching(wanted)
        total = await self._session.scalar(sa.select(sa.func.count()).select_from(roles).where(matches))
        column = _SORTED_BY[wanted.sort.lstrip("-")]
        first = column.desc() if wanted.sort.startswith("-") else column.asc()
        query = ROLES.where(matches).order_by(first, roles.c.name_key).limit(page.limit).offset(page.offset)
        return [role_of(row) for row in await self._session.execute(query)], total or 0

    async def add(self, role: Role) -> None:
        """Add a role; raises ConflictError when its name or id is taken."""
        now = datetime.now(UTC)
        values = {**_columns(role), **self._stamps.columns(NO_STAMP)}
        await self._guarded(
            sa.insert(roles).values(id=role.id, is_built_in=False, created_at=now, updated_at=now, **values)
        )
        await self._set_permissions(role)
        await self._stamps.tell("roles", [(str(role.id), role.version)])

    async def save(self, role: Role) -> None:
        """Write a role's fields and permissions; raises ConflictError as `add`.

        What the role loses by it is noted as revoked in the role's version.
        """
        held = (
            await self._session.execute(
                sa.select(roles.c.stamp, roles.c.revoked).where(roles.c.id == role.id).with_for_update()
            )
        ).one()
        lost = await self._session.execute(
            sa.delete(role_permissions)
            .where(role_permissions.c.role_id == role.id, role_permissions.c.permission.not_in(role.permissions))
            .returning(role_permissions.c.permission)
        )
        revoked = with_revocations(held.revoked, map(permission_key, lost.scalars()), role.version)
        values = {**_columns(role), **self._stamps.columns(held.stamp), "revoked": revoked}
        await self._guarded(
            sa.update(roles).where(roles.c.id == role.id).values(updated_at=datetime.now(UTC), **values)
        )
        await self._set_permissions(role)
        await self._stamps.tell("roles", [(str(role.id), role.version)])

    async def usage(self, role_id: UUID) -> tuple[int, int]:
        """Return how many users have the role and how many devices are shared with it."""
        held = sa.select(sa.func.count()).select_from(user_roles).where(user_roles.c.role_id == role_id)
        shared = sa.select(sa.func.count()).select_from(device_shares).where(device_shares.c.role_id == role_id)
        return await self._session.scalar(held) or 0, await self._session.scalar(shared) or 0

    async def hand_over(self, role_id: UUID, successor_id: UUID) -> None:
        """Give users and shares of a role to another one; of two shares of a device the stronger stays."""
        holders = sa.select(user_roles.c.user_id, sa.literal(successor_id, sa.Uuid)).where(
            user_roles.c.role_id == role_id
        )
        await self._stamp_holders(role_id)
        await self._session.execute(
            insert(user_roles).from_select(["user_id", "role_id"], holders).on_conflict_do_nothing()
        )
        await self._session.execute(sa.delete(user_roles).where(user_roles.c.role_id == role_id))
        await self._session.execute(_STRENGTHEN, {"role": role_id, "successor": successor_id})
        await self._session.execute(_MOVE_SHARES, {"role": role_id, "successor": successor_id})

    async def delete(self, role_id: UUID) -> None:
        """Delete a role that nobody has; a tombstone stays."""
        gone = sa.delete(roles).where(roles.c.id == role_id).returning(roles.c.version, roles.c.stamp)
        row = (await self._session.execute(gone)).one_or_none()
        if row is not None:
            await self._stamps.bury("roles", role_id, row.version + 1, row.stamp)

    async def permissions_beside(self, user_id: UUID, role_id: UUID) -> frozenset[str]:
        """Return what a user is allowed by roles other than this one."""
        found = await self._session.execute(
            sa.select(role_permissions.c.permission)
            .join(user_roles, user_roles.c.role_id == role_permissions.c.role_id)
            .where(user_roles.c.user_id == user_id, user_roles.c.role_id != role_id)
            .distinct()
        )
        return frozenset(found.scalars())

    async def _set_permissions(self, role: Role) -> None:
        if role.permissions:
            allowed = [{"role_id": role.id, "permission": permission} for permission in sorted(role.permissions)]
            await self._session.execute(insert(role_permissions).values(allowed).on_conflict_do_nothing())

    async def _stamp_holders(self, role_id: UUID) -> None:
        """Note with everybody who has a role that they lose it."""
        holders = sa.select(user_roles.c.user_id).where(user_roles.c.role_id == role_id)
        locked = await self._session.execute(
            sa.select(users.c.id, users.c.stamp).where(users.c.id.in_(holders)).order_by(users.c.id).with_for_update()
        )
        stamps = {row.id: row.stamp for row in locked}
        if not stamps:
            return
        version = users.c.version + 1
        loss = sa.func.jsonb_build_object(sa.literal(role_key(role_id), sa.Text), version)
        changed = await self._session.execute(
            sa.update(users)
            .where(users.c.id.in_(stamps))
            .values(
                version=version,
                updated_at=datetime.now(UTC),
                revoked=users.c.revoked.concat(loss),
                # One stamp for all, behind the latest of them.
                **self._stamps.columns(highest(stamps.values())),
            )
            .returning(users.c.id, users.c.version)
        )
        await self._stamps.tell("users", [(str(row.id), row.version) for row in changed])

    async def _guarded(self, statement: sa.Insert | sa.Update) -> None:
        try:
            async with self._session.begin_nested():
                await self._session.execute(statement)
        except IntegrityError as error:
            if "roles_pkey" in str(error.orig):
                message = "there is a role of this id already"
                raise ConflictError(message, code="id_taken", field="id") from None
            if "roles_name_key_key" not in str(error.orig):
                raise
            message = "there is a role of this name already"
            raise ConflictError(message, code="role_name_taken", field="name") from None


_SORTED_BY: Final[dict[str, sa.ColumnElement[Any]]] = {
    "name": roles.c.name_key,
    "created_at": roles.c.created_at,
    "updated_at": roles.c.updated_at,
}


def role_of(row: sa.Row[Any]) -> Role:
    """Return the role in a row of `ROLES`."""
    return Role(row.id, row.name, row.description, row.is_built_in, frozenset(row.allowed), row.version)


def _matching(wanted: RoleFilter) -> sa.ColumnElement[bool]:
    conditions: list[sa.ColumnElement[bool]] = [sa.true()]
    if wanted.search is not None:
        conditions.append(sa.or_(contains(roles.c.name, wanted.search), contains(roles.c.description, wanted.search)))
    if wanted.is_built_in is not None:
        conditions.append(roles.c.is_built_in == wanted.is_built_in)
    if wanted.permission is not None:
        held = sa.select(role_permissions.c.role_id).where(role_permissions.c.permission == wanted.permission)
        conditions.append(roles.c.id.in_(held))
    return sa.and_(*conditions)


# "control" is the stronger of the two levels.
_STRENGTHEN = sa.text(
    "update identity.device_shares kept set level = 'control' from identity.device_shares gone"
    " where gone.role_id = :role and kept.role_id = :successor and kept.device_id = gone.device_id"
    " and gone.level = 'control'"
).bindparams(sa.bindparam("role", type_=sa.Uuid), sa.bindparam("successor", type_=sa.Uuid))
_MOVE_SHARES = sa.text(
    "update identity.device_shares moved set role_id = :successor where moved.role_id = :role and not exists"
    " (select from identity.device_shares kept where kept.role_id = :successor and kept.device_id = moved.device_id)"
).bindparams(sa.bindparam("role", type_=sa.Uuid), sa.bindparam("successor", type_=sa.Uuid))


def _columns(role: Role) -> dict[str, Any]:
    return {
        "name": role.name,
        "name_key": role.name.casefold(),
        "description": role.description,
        "version": role.version,
    }
