"""Permissions and built-in roles, kept in step with this version of the program; only what differs is written."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_contracts.stamps import NO_STAMP
from pulse_identity.domain.edits import permission_key
from pulse_identity.storage.row_stamps import RowStamps, with_revocations
from pulse_identity.storage.tables import permissions, role_permissions, roles


async def keep_built_ins(
    session: AsyncSession,
    stamps: RowStamps,
    permission_texts: Mapping[str, str],
    built_ins: Mapping[str, frozenset[str]],
) -> None:
    """Make the permissions (name → description) and built-in roles exactly these.

    Custom roles stay, but for permissions that there are no more. Every role that changes by it is stamped.
    """
    held = await _allowed(session)
    await _keep_permissions(session, stamps, permission_texts)
    for name, allowed in built_ins.items():
        await _keep_built_in(session, stamps, name, allowed)
    now_allowed = await _allowed(session)
    for role_id, before in held.items():
        if before != now_allowed[role_id]:
            await _stamp(session, stamps, role_id, before - now_allowed[role_id])


async def _keep_permissions(session: AsyncSession, stamps: RowStamps, texts: Mapping[str, str]) -> None:
    known: dict[str, str] = {row.name: row.description for row in await session.execute(sa.select(permissions))}
    fresh = [{"name": name, "description": text} for name, text in texts.items() if known.get(name) != text]
    gone = sorted(set(known) - set(texts))
    if fresh:
        upsert = insert(permissions).values(fresh)
        texts_now: dict[str, Any] = {"description": upsert.excluded.description}
        await session.execute(upsert.on_conflict_do_update(index_elements=["name"], set_=texts_now))
    await session.execute(sa.delete(permissions).where(permissions.c.name.in_(gone)))
    await stamps.tell("permissions", [(name, 1) for name in (*(row["name"] for row in fresh), *gone)])


async def _keep_built_in(session: AsyncSession, stamps: RowStamps, name: str, allowed: frozenset[str]) -> None:
    now = datetime.now(UTC)
    fresh = {"id": uuid.uuid4(), "name": name, "name_key": name, "is_built_in": True, "version": 1}
    made = await session.scalar(
        insert(roles)
        .values(
            **fresh,
            **stamps.columns(NO_STAMP),
            description=f"Built-in role {name}",
            created_at=now,
            updated_at=now,
        )
        .on_conflict_do_nothing(index_elements=["name_key"])
        .returning(roles.c.id)
    )
    role_id = made or await session.scalar(sa.select(roles.c.id).where(roles.c.name_key == name))
    held = role_permissions.c.role_id == role_id
    await session.execute(sa.delete(role_permissions).where(held, role_permissions.c.permission.not_in(allowed)))
    await session.execute(
        insert(role_permissions)
        .values([{"role_id": role_id, "permission": permission} for permission in sorted(allowed)])
        .on_conflict_do_nothing()
    )
    if made is not None:
        await stamps.tell("roles", [(str(made), 1)])


async def _allowed(session: AsyncSession) -> dict[UUID, frozenset[str]]:
    found = await session.execute(
        sa.select(roles.c.id, sa.func.array_agg(role_permissions.c.permission).label("allowed"))
        .outerjoin(role_permissions, role_permissions.c.role_id == roles.c.id)
        .group_by(roles.c.id)
    )
    return {row.id: frozenset(filter(None, row.allowed)) for row in found}


async def _stamp(session: AsyncSession, stamps: RowStamps, role_id: UUID, lost: frozenset[str]) -> None:
    held = (await session.execute(sa.select(roles).where(roles.c.id == role_id).with_for_update())).one()
    version = held.version + 1
    values = {
        **stamps.columns(held.stamp),
        "revoked": with_revocations(held.revoked, map(permission_key, lost), version),
        "version": version,
        "updated_at": datetime.now(UTC),
    }
    await session.execute(sa.update(roles).where(roles.c.id == role_id).values(**values))
    await stamps.tell("roles", [(str(role_id), version)])
