"""Rows as sync sees them, answered operations, desktops' keys and the password key in PostgreSQL, on one session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_contracts.operations import OperationOutcome, SyncedRow
from pulse_contracts.reconciliation import RowState
from pulse_contracts.stamps import Stamp
from pulse_identity.domain.desktops import WORKSTATION_KIND, Desktop, DesktopKeys
from pulse_identity.storage.sync_tables import applied_operations, desktop_keys, password_box, synced_row, tombstones
from pulse_identity.storage.tables import devices, roles, users
from pulse_identity.use_cases.sync_ports import KnownRow, SyncedEntity

_TABLES: Final = {"users": users, "roles": roles}
_HASHES: Final = sa.text(
    "select u.id, u.password_hash from identity.users u"
    " join identity.device_access a on a.user_id = u.id and a.device_id = :device_id"
    " where u.is_active and u.id = any(:user_ids)"
).bindparams(sa.bindparam("user_ids", type_=sa.ARRAY(sa.Uuid)))
_ACCESS: Final = sa.text(
    "select exists (select from identity.device_access where device_id = :device_id and user_id = :user_id)"
).bindparams(sa.bindparam("user_id", type_=sa.Uuid))


class PostgresSyncedRowStore:
    """A `SyncedRowStore` on one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def known(self, entity: SyncedEntity, row_id: UUID) -> KnownRow | None:
        """Return a row, locked until the transaction ends, or its tombstone; None: there never was one, or long ago."""
        table = _TABLES[entity]
        # Locked in the table: the view has one look at everything, taken when its query began.
        await self._session.execute(sa.select(table.c.id).where(table.c.id == row_id).with_for_update())
        found = await self._find(entity, row_id)
        if found is not None:
            row, revoked = found
            return KnownRow(RowState(row.version, Stamp(row.updated_at), revoked=revoked), row)
        dead = await self._tombstone(entity, row_id)
        if dead is None:
            return None
        return KnownRow(RowState(dead.version, Stamp(dead.updated_at), is_deleted=True), dead)

    async def row(self, entity: SyncedEntity, row_id: UUID) -> SyncedRow | None:
        """Return a row as it is now in this transaction, deleted or not."""
        found = await self._find(entity, row_id)
        return await self._tombstone(entity, row_id) if found is None else found[0]

    async def forget_tombstones(self, before: datetime) -> int:
        """Delete tombstones of rows that were deleted before then; return how many."""
        result = await self._session.execute(sa.delete(tombstones).where(tombstones.c.deleted_at < before))
        return cast("CursorResult[Any]", result).rowcount

    async def _find(self, entity: SyncedEntity, row_id: UUID) -> tuple[SyncedRow, dict[str, int]] | None:
        query = sa.select(synced_row).where(synced_row.c.entity == entity, synced_row.c.id == str(row_id))
        row = (await self._session.execute(query)).mappings().one_or_none()
        return None if row is None else (SyncedRow.model_validate(dict(row)), row["revoked"])

    async def _tombstone(self, entity: SyncedEntity, row_id: UUID) -> SyncedRow | None:
        query = sa.select(tombstones).where(tombstones.c.entity == entity, tombstones.c.id == str(row_id))
        row = (await self._session.execute(query)).one_or_none()
        if row is None:
            return None
        return SyncedRow(
            entity=entity,
            id=row.id,
            version=row.version,
            updated_at=row.stamp,
            updated_by=row.deleted_by,
            source=row.source,
            deleted=True,
        )


class PostgresOperationStore:
    """An `OperationStore` on one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, op_id: UUID) -> tuple[str, OperationOutcome] | None:
        """Return who sent an operation and how it was answered."""
        row = (
            await self._session.execute(sa.select(applied_operations).where(applied_operations.c.op_id == op_id))
        ).one_or_none()
        return None if row is None else (row.desktop_id, OperationOutcome.model_validate(row.outcome))

    async def add(self, desktop_id: str, outcome: OperationOutcome, now: datetime) -> None:
        """Keep an answer."""
        await self._session.execute(
            sa.insert(applied_operations).values(
                op_id=outcome.op_id,
                desktop_id=desktop_id,
                op_no=outcome.op_no,
                outcome=outcome.model_dump(mode="json"),
                at=now,
            )
        )

    async def forget(self, before: datetime) -> int:
        """Delete answers from before then; return how many."""
        result = await self._session.execute(sa.delete(applied_operations).where(applied_operations.c.at < before))
        return cast("CursorResult[Any]", result).rowcount


class PostgresDesktopStore:
    """A `DesktopStore` on one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, device_id: str) -> Desktop | None:
        """Return a desktop; None for a device without keys."""
        query = (
            sa.select(desktop_keys, devices.c.kind, devices.c.is_active)
            .join(devices, devices.c.id == desktop_keys.c.device_id)
            .where(desktop_keys.c.device_id == device_id)
        )
        row = (await self._session.execute(query)).one_or_none()
        if row is None:
            return None
        return Desktop(
            device_id=row.device_id,
            keys=DesktopKeys(row.sign_jwk, row.seal_key),
            sealed_verifier_key=bytes(row.sealed_verifier_key),
            is_workstation=row.kind == WORKSTATION_KIND,
            is_active=row.is_active,
        )

    async def put_keys(self, device_id: str, keys: DesktopKeys, sealed_verifier_key: bytes, now: datetime) -> None:
        """Give a device keys, in place of those that it had."""
        columns = {
            "sign_jwk": keys.sign_jwk,
            "seal_key": keys.seal_key,
            "sealed_verifier_key": sealed_verifier_key,
            "enrolled_at": now,
        }
        upsert = insert(desktop_keys).values(device_id=device_id, **columns)
        await self._session.execute(upsert.on_conflict_do_update(index_elements=["device_id"], set_=columns))

    async def remove_keys(self, device_id: str) -> None:
        """Take a device's keys away: it is no desktop any more."""
        await self._session.execute(sa.delete(desktop_keys).where(desktop_keys.c.device_id == device_id))

    async def has_access(self, device_id: str, user_id: UUID) -> bool:
        """Whether a user owns a device or has it shared with them."""
        return bool(await self._session.scalar(_ACCESS, {"device_id": device_id, "user_id": user_id}))

    async def password_hashes(self, device_id: str, user_ids: Sequence[UUID]) -> dict[UUID, str]:
        """Return the password hashes of those of these users who are active and have access to a device."""
        rows = await self._session.execute(_HASHES, {"device_id": device_id, "user_ids": list(user_ids)})
        return {row.id: row.password_hash for row in rows}


class PostgresPasswordBoxStore:
    """A `PasswordBoxStore` on one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self) -> tuple[str, bytes] | None:
        """Return the public key and the sealed private one; None before the first start."""
        row = (await self._session.execute(sa.select(password_box))).one_or_none()
        return None if row is None else (row.public_key, bytes(row.sealed_private))

    async def add(self, public_key: str, sealed_private: bytes, now: datetime) -> None:
        """Keep the key; the first one stays."""
        fresh = insert(password_box).values(
            is_only=True, public_key=public_key, sealed_private=sealed_private, created_at=now
        )
        await self._session.execute(fresh.on_conflict_do_nothing())
