"""Users, roles and permissions in PostgreSQL, within the transaction of a session that somebody else commits.

Every write of a user stamps the row and tells `pulse:changes`: here, so that no use case can forget it.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_chassis.errors import ConflictError
from pulse_contracts.stamps import NO_STAMP
from pulse_identity.domain.credentials import Credentials
from pulse_identity.domain.edits import role_key
from pulse_identity.domain.people import ADMIN_ROLE, Actor, Role, User, username_key
from pulse_identity.domain.queries import Page, UserFilter
from pulse_identity.storage.built_ins import keep_built_ins
from pulse_identity.storage.role_store import ROLES, role_of
from pulse_identity.storage.row_stamps import RowStamps, with_revocations
from pulse_identity.storage.search import contains
from pulse_identity.storage.tables import (
    role_permissions,
    roles,
    sessions,
    user_roles,
    users,
)

_ROLE_NAMES: Final = (
    sa.select(sa.func.coalesce(sa.func.array_agg(roles.c.name), sa.cast([], sa.ARRAY(sa.Text))))
    .join(user_roles, user_roles.c.role_id == roles.c.id)
    .where(user_roles.c.user_id == users.c.id)
    .scalar_subquery()
)
_PERMISSIONS: Final = (
    sa.select(
        sa.func.coalesce(sa.func.array_agg(role_permissions.c.permission.distinct()), sa.cast([], sa.ARRAY(sa.Text)))
    )
    .join(user_roles, user_roles.c.role_id == role_permissions.c.role_id)
    .where(user_roles.c.user_id == users.c.id)
    .scalar_subquery()
)
_HELD: Final = sa.select(
    users.c.is_active,
    users.c.stamp,
    users.c.revoked,
    sa.select(sa.func.coalesce(sa.func.array_agg(user_roles.c.role_id), sa.cast([], sa.ARRAY(sa.Uuid))))
    .where(user_roles.c.user_id == users.c.id)
    .scalar_subquery()
    .label("role_ids"),
)
_USER: Final = sa.select(users, _ROLE_NAMES.label("role_names"), _PERMISSIONS.label("permission_names"))


class PostgresPeopleStore:
    """A `PeopleStore` on one session."""

    def __init__(self, session: AsyncSession, stamps: RowStamps) -> None:
        self._session = session
        self._stamps = stamps

    async def actor(self, user_id: UUID, session_id: UUID) -> Actor | None:
        """Return who acts, with the rights of now; None when the user or the session is not active any more."""
        is_open = sa.exists().where(
            sessions.c.id == session_id, sessions.c.user_id == users.c.id, sessions.c.revoked_at.is_(None)
        )
        query = _USER.where(users.c.id == user_id, users.c.is_active, is_open)
        row = (await self._session.execute(query)).one_or_none()
        if row is None:
            return None
        return Actor(row.id, row.username, frozenset(row.permission_names))

    async def user(self, user_id: UUID, *, for_update: bool = False) -> User | None:
        """Return a user."""
        query = _USER.where(users.c.id == user_id)
        if for_update:
            query = query.with_for_update(of=users)
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else _user(row)

    async def credentials(self, username: str) -> Credentials | None:
        """Return what a username signs in with, whatever the case it is written in."""
        query = sa.select(users.c.id, users.c.password_hash, users.c.is_active).where(
            users.c.username_key == username_key(username)
        )
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else Credentials(row.id, row.password_hash, row.is_active)

    async def users(self, wanted: UserFilter, page: Page) -> tuple[list[User], int]:
        """Return a page of the users wanted, and how many match."""
        matches = _matching(wanted)
        total = await self._session.scalar(sa.select(sa.func.count()).select_from(users).where(matches))
        column = _SORTED_BY[wanted.sort.lstrip("-")]
        first = column.desc() if wanted.sort.startswith("-") else column.asc()
        query = _USER.where(matches).order_by(first.nulls_last(), users.c.username_key)
        rows = (await self._session.execute(query.limit(page.limit).offset(page.offset))).all()
        return [_user(row) for row in rows], total or 0

    async def add_user(self, user: User, password_hash: str) -> None:
        """Add a user with the roles it names; raises ConflictError when the username, e-mail or id is taken."""
        values = {**_columns(user), "password_hash": password_hash, "created_at": user.created_at}
        await self._guarded(sa.insert(users).values(id=user.id, **values, **self._stamps.columns(NO_STAMP)))
        await self._give(user, await self._role_ids(user))
        await self._stamps.tell("users", [(str(user.id), user.version)])

    async def save_user(self, user: User, password_hash: str | None = None) -> None:
        """Write a user's fields and roles, and a new password's hash if given; raises ConflictError as `add_user`.

        What the user loses by it is noted as revoked in the user's version.
        """
        held = (await self._session.execute(_HELD.where(users.c.id == user.id).with_for_update(of=users))).one()
        wanted = await self._role_ids(user)
        lost, gained = set(held.role_ids) - wanted, wanted - set(held.role_ids)
        values = _columns(user)
        revocations = [role_key(role_id) for role_id in lost]
        if held.is_active and not user.is_active:
            revocations.append("is_active")
        if password_hash is not None:
            values["password_hash"] = password_hash
            revocations.append("password")
        revoked = with_revocations(held.revoked, revocations, user.version)
        values |= {**self._stamps.columns(held.stamp), "revoked": revoked}
        await self._guarded(sa.update(users).where(users.c.id == user.id).values(**values))
        ours = user_roles.c.user_id == user.id
        await self._session.execute(sa.delete(user_roles).where(ours, user_roles.c.role_id.in_(lost)))
        await self._give(user, gained)
        await self._stamps.tell("users", [(str(user.id), user.version)])

    async def rehash_password(self, user_id: UUID, old_hash: str, password_hash: str) -> None:
        """Replace a hash by one of the same password with today's parameters, unless the password was changed since.

        Nothing that anybody would notice: the row's version stays.
        """
        is_same = sa.and_(users.c.id == user_id, users.c.password_hash == old_hash)
        await self._session.execute(sa.update(users).where(is_same).values(password_hash=password_hash))

    async def delete_user(self, user_id: UUID) -> None:
        """Delete a user; sessions, shares and codes go along, devices lose their owner. A tombstone stays."""
        gone = sa.delete(users).where(users.c.id == user_id).returning(users.c.version, users.c.stamp)
        row = (await self._session.execute(gone)).one_or_none()
        if row is not None:
            await self._stamps.bury("users", user_id, row.version + 1, row.stamp)

    async def is_empty(self) -> bool:
        """Whether there is no user at all."""
        return not await self._session.scalar(sa.select(sa.exists().select_from(users)))

    async def roles(self) -> list[Role]:
        """Return all roles by name."""
        return [role_of(row) for row in await self._session.execute(ROLES.order_by(roles.c.name_key))]

    async def lock_active_admins(self) -> int:
        """Count the active admins, and let nobody else count until the transaction ends."""
        admin_id = await self._session.scalar(
            sa.select(roles.c.id).where(roles.c.name_key == ADMIN_ROLE).with_for_update()
        )
        count = await self._session.scalar(
            sa.select(sa.func.count())
            .select_from(users)
            .join(user_roles, user_roles.c.user_id == users.c.id)
            .where(user_roles.c.role_id == admin_id, users.c.is_active)
        )
        return count or 0

    async def keep_built_ins(
        self, permission_texts: Mapping[str, str], built_ins: Mapping[str, frozenset[str]]
    ) -> None:
        """Make the permissions (name → description) and built-in roles exactly these; custom roles stay."""
        await keep_built_ins(self._session, self._stamps, permission_texts, built_ins)

    async def _role_ids(self, user: User) -> set[UUID]:
        found = set((await self._session.execute(sa.select(roles.c.id).where(roles.c.name.in_(user.roles)))).scalars())
        if len(found) != len(user.roles):
            # Between looking the roles up and giving them somebody deleted or renamed one.
            raise _role_deleted()
        return found

    async def _give(self, user: User, role_ids: Set[UUID]) -> None:
        if not role_ids:
            return
        try:
            async with self._session.begin_nested():
                given = [{"user_id": user.id, "role_id": role_id} for role_id in sorted(role_ids)]
                await self._session.execute(sa.insert(user_roles), given)
        except IntegrityError:
            raise _role_deleted() from None

    async def _guarded(self, statement: sa.Insert | sa.Update) -> None:
        try:
            async with self._session.begin_nested():
                await self._session.execute(statement)
        except IntegrityError as error:
            if "users_username_key_key" in str(error.orig):
                message = "this username is taken"
                raise ConflictError(message, code="username_taken", field="username") from None
            if "users_email_key_key" in str(error.orig):
                message = "this e-mail address belongs to another user"
                raise ConflictError(message, code="email_taken", field="email") from None
            if "users_pkey" in str(error.orig):
                message = "there is a user of this id already"
                raise ConflictError(message, code="id_taken", field="id") from None
            raise


def _role_deleted() -> ConflictError:
    return ConflictError("a role was deleted at this very moment", code="role_deleted", field="roles")


_SORTED_BY: Final[dict[str, sa.ColumnElement[Any]]] = {
    "username": users.c.username_key,
    "email": users.c.email_key,
    "created_at": users.c.created_at,
    "updated_at": users.c.updated_at,
}


def _matching(wanted: UserFilter) -> sa.ColumnElement[bool]:
    conditions: list[sa.ColumnElement[bool]] = [sa.true()]
    if wanted.search is not None:
        conditions.append(sa.or_(contains(users.c.username, wanted.search), contains(users.c.email, wanted.search)))
    if wanted.is_active is not None:
        conditions.append(users.c.is_active == wanted.is_active)
    if wanted.role is not None:
        held = sa.select(user_roles.c.user_id).join(roles, roles.c.id == user_roles.c.role_id)
        conditions.append(users.c.id.in_(held.where(roles.c.name_key == wanted.role.casefold())))
    return sa.and_(*conditions)


def _columns(user: User) -> dict[str, Any]:
    return {
        "username": user.username,
        "username_key": username_key(user.username),
        "email": user.email,
        "email_key": None if user.email is None else user.email.casefold(),
        "is_active": user.is_active,
        "version": user.version,
        "updated_at": user.updated_at,
    }


def _user(row: sa.Row[Any]) -> User:
    return User(
        id=row.id,
        username=row.username,
        email=row.email,
        is_active=row.is_active,
        roles=tuple(sorted(row.role_names)),
        permissions=frozenset(row.permission_names),
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
