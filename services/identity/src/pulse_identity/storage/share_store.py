"""Shares of devices and one-time enrolment codes in PostgreSQL, within the transaction of a session."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_identity.domain.devices import DeviceShare, EnrolmentCode, Grantee, ShareLevel
from pulse_identity.storage.tables import device_shares, enrolment_codes, roles, users


class PostgresShareStore:
    """A `ShareStore` on one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def shares(self, device_id: str) -> list[DeviceShare]:
        """Return a device's shares."""
        rows = await self._session.execute(_SHARE.where(device_shares.c.device_id == device_id))
        return [_share(row) for row in rows]

    async def put(self, device_id: str, grantee: Grantee, level: ShareLevel, now: datetime) -> DeviceShare | None:
        """Share a device, or change the level of a share; None when there is no such user or role."""
        if grantee.kind == "user":
            found = sa.select(users.c.id).where(users.c.username_key == grantee.name.casefold())
            column = "user_id"
        else:
            found = sa.select(roles.c.id).where(roles.c.name_key == grantee.name.casefold())
            column = "role_id"
        grantee_id = await self._session.scalar(found)
        if grantee_id is None:
            return None
        wanted = (
            insert(device_shares)
            .values(id=uuid.uuid4(), device_id=device_id, level=level.value, created_at=now, **{column: grantee_id})
            .on_conflict_do_update(index_elements=["device_id", column], set_={"level": level.value})
            .returning(device_shares.c.id)
        )
        try:
            async with self._session.begin_nested():
                share_id = await self._session.scalar(wanted)
        except IntegrityError:
            return None  # Deleted between looking it up and sharing with it.
        rows = await self._session.execute(_SHARE.where(device_shares.c.id == share_id))
        return _share(rows.one())

    async def remove(self, device_id: str, share_id: UUID) -> DeviceShare | None:
        """Take a share back; return what it was."""
        is_it = sa.and_(device_shares.c.device_id == device_id, device_shares.c.id == share_id)
        row = (await self._session.execute(_SHARE.where(is_it))).one_or_none()
        if row is None:
            return None
        await self._session.execute(sa.delete(device_shares).where(is_it))
        return _share(row)

    async def add_code(self, code: EnrolmentCode) -> None:
        """Add an enrolment code."""
        await self._session.execute(
            sa.insert(enrolment_codes).values(
                id=code.id,
                sha256=code.sha256,
                device_id=code.device_id,
                bound_device_id=code.device_id if code.is_bound else None,
                name=code.name,
                kind=code.kind,
                groups=list(code.groups),
                owner_id=code.owner_id,
                created_by=code.created_by,
                created_at=code.created_at,
                expires_at=code.expires_at,
            )
        )

    async def find_code(self, sha256: bytes) -> EnrolmentCode | None:
        """Return a code, used or not, without locking it."""
        found = await self._session.execute(sa.select(enrolment_codes).where(enrolment_codes.c.sha256 == sha256))
        row = found.one_or_none()
        return None if row is None else _code(row)

    async def use_code(self, sha256: bytes, now: datetime) -> EnrolmentCode | None:
        """Use a code up; None when it is unknown, used or expired. Of two users of one code, one gets it."""
        # The second one waits on the row, then finds that used_at is set.
        found = await self._session.execute(
            sa.update(enrolment_codes)
            .where(
                enrolment_codes.c.sha256 == sha256,
                enrolment_codes.c.used_at.is_(None),
                enrolment_codes.c.expires_at > now,
            )
            .values(used_at=now)
            .returning(enrolment_codes)
        )
        row = found.one_or_none()
        return None if row is None else _code(row)

    async def release_code(self, sha256: bytes) -> None:
        """Make a code that was used in vain good again."""
        used = enrolment_codes.c.sha256 == sha256
        await self._session.execute(sa.update(enrolment_codes).where(used).values(used_at=None))

    async def forget_codes(self, before: datetime) -> int:
        """Delete codes that expired before then; return how many."""
        result = await self._session.execute(sa.delete(enrolment_codes).where(enrolment_codes.c.expires_at < before))
        return cast("CursorResult[Any]", result).rowcount


_SHARE = (
    sa.select(device_shares, users.c.username, roles.c.name.label("role_name"))
    .outerjoin(users, users.c.id == device_shares.c.user_id)
    .outerjoin(roles, roles.c.id == device_shares.c.role_id)
    .order_by(device_shares.c.created_at, device_shares.c.id)
)


def _share(row: sa.Row[Any]) -> DeviceShare:
    return DeviceShare(
        id=row.id,
        device_id=row.device_id,
        level=ShareLevel(row.level),
        created_at=row.created_at,
        user_id=row.user_id,
        username=row.username,
        role_id=row.role_id,
        role=row.role_name,
    )


def _code(row: sa.Row[Any]) -> EnrolmentCode:
    return EnrolmentCode(
        id=row.id,
        sha256=bytes(row.sha256),
        device_id=row.device_id,
        is_bound=row.bound_device_id is not None,
        name=row.name,
        kind=row.kind,
        groups=tuple(row.groups),
        owner_id=row.owner_id,
        created_by=row.created_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
