"""Devices, keys, shares and enrolment codes in PostgreSQL, within the transaction of a session.

Scope is part of every query that answers a person: what one may not see is not in the result, nor in the count.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.elements import ColumnElement

from pulse_chassis.errors import ConflictError
from pulse_identity.domain.credentials import ApiKey
from pulse_identity.domain.devices import (
    AccessLevel,
    Device,
    DeviceKey,
    DeviceView,
    NewDevice,
)
from pulse_identity.domain.people import Actor
from pulse_identity.domain.queries import DeviceFilter, DeviceSort, Page
from pulse_identity.storage.search import contains
from pulse_identity.storage.tables import device_keys, device_shares, devices, retired_devices, user_roles, users


class PostgresDeviceStore:
    """A `DeviceStore` on one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def taken(self, device_ids: Sequence[str], actor: Actor) -> set[str]:
        """Return those ids that the actor cannot register: in use, or retired from somebody else's device."""
        wanted = sa.select(devices.c.id).where(devices.c.id.in_(device_ids))
        if actor.sees_all_devices:
            return set((await self._session.execute(wanted)).scalars())
        retired = sa.select(retired_devices.c.device_id).where(
            retired_devices.c.device_id.in_(device_ids),
            # Readings of the old device are kept under this id; they must not become somebody else's.
            retired_devices.c.owner_id.is_distinct_from(actor.user_id),
        )
        return set((await self._session.execute(wanted.union_all(retired))).scalars())

    async def add(self, new_devices: Sequence[NewDevice]) -> None:
        """Add devices; raises ConflictError when an id is taken."""
        rows = [
            {"id": new.device.id, "created_at": new.device.created_at, **_columns(new.device)} for new in new_devices
        ]
        try:
            async with self._session.begin_nested():
                await self._session.execute(sa.insert(devices), rows)
        except IntegrityError as error:
            if "devices_pkey" not in str(error.orig):
                raise
            message = "a device with this id exists"
            raise ConflictError(message, code="device_id_taken", field="id") from None
        ids = [new.device.id for new in new_devices]
        await self._session.execute(sa.delete(retired_devices).where(retired_devices.c.device_id.in_(ids)))
        keys = [_key_row(new.device.id, new.key, new.device.created_at) for new in new_devices]
        await self._session.execute(sa.insert(device_keys), keys)

    async def get(self, device_id: str) -> Device | None:
        """Return a device, whoever asks, locked until the transaction ends."""
        found = await self._session.execute(sa.select(devices).where(devices.c.id == device_id).with_for_update())
        row = found.one_or_none()
        return None if row is None else _device(row)

    async def view(self, device_id: str, actor: Actor) -> DeviceView | None:
        """Return a device as the actor sees it; None when it isn't there or isn't for the actor's eyes."""
        found = await self._session.execute(_seen_by(actor).where(devices.c.id == device_id))
        row = found.one_or_none()
        return None if row is None else _view(row, await self.keys(device_id))

    async def views(self, actor: Actor, wanted: DeviceFilter, page: Page) -> tuple[list[DeviceView], int]:
        """Return a page of the devices that the actor sees, and how many match."""
        condition = sa.and_(_is_seen_by(actor), *_conditions(wanted))
        total = await self._session.scalar(sa.select(sa.func.count()).select_from(devices).where(condition))
        query = _seen_by(actor).where(*_conditions(wanted)).order_by(*_order(wanted.sort)).limit(page.limit)
        if page.cursor is not None:
            query = query.where(devices.c.id > page.cursor)
        elif page.offset:
            query = query.offset(page.offset)
        rows = (await self._session.execute(query)).all()
        return [_view(row) for row in rows], total or 0

    async def save(self, device: Device) -> None:
        """Write a device's fields."""
        await self._session.execute(sa.update(devices).where(devices.c.id == device.id).values(**_columns(device)))

    async def delete(self, device_id: str, now: datetime) -> None:
        """Delete a device with keys, shares and codes; its id stays reserved for its owner."""
        owner = sa.select(devices.c.id, devices.c.owner_id, sa.literal(now, sa.DateTime(timezone=True))).where(
            devices.c.id == device_id
        )
        await self._session.execute(
            insert(retired_devices).from_select(["device_id", "owner_id", "retired_at"], owner).on_conflict_do_nothing()
        )
        await self._session.execute(sa.delete(devices).where(devices.c.id == device_id))

    async def keys(self, device_id: str) -> list[DeviceKey]:
        """Return a device's keys, newest first."""
        query = (
            sa.select(device_keys.c.prefix, device_keys.c.created_at, device_keys.c.expires_at)
            .where(device_keys.c.device_id == device_id)
            .order_by(device_keys.c.created_at.desc(), device_keys.c.expires_at.desc().nulls_first())
        )
        return [DeviceKey(*row) for row in await self._session.execute(query)]

    async def activity(self) -> dict[str, bool]:
        """Return every device's `is_active`, by id."""
        rows = await self._session.execute(sa.select(devices.c.id, devices.c.is_active))
        return {row.id: row.is_active for row in rows}

    async def valid_prefixes(self, now: datetime) -> dict[str, frozenset[str]]:
        """Return the prefixes of every device's keys that are valid now, by id."""
        valid = sa.or_(device_keys.c.expires_at.is_(None), device_keys.c.expires_at > now)
        query = (
            sa.select(device_keys.c.device_id, sa.func.array_agg(device_keys.c.prefix))
            .where(valid)
            .group_by(device_keys.c.device_id)
        )
        return {device_id: frozenset(prefixes) for device_id, prefixes in await self._session.execute(query)}

    async def owned_by(self, user_id: UUID) -> list[Device]:
        """Return the devices of a user."""
        rows = await self._session.execute(
            sa.select(devices).where(devices.c.owner_id == user_id).order_by(devices.c.id).with_for_update()
        )
        return [_device(row) for row in rows]


def _shared_with(actor: Actor) -> ColumnElement[bool]:
    held_roles = sa.select(user_roles.c.role_id).where(user_roles.c.user_id == actor.user_id)
    return sa.and_(
        device_shares.c.device_id == devices.c.id,
        sa.or_(device_shares.c.user_id == actor.user_id, device_shares.c.role_id.in_(held_roles)),
    )


def _is_seen_by(actor: Actor) -> ColumnElement[bool]:
    if actor.sees_all_devices:
        return sa.true()
    return sa.or_(devices.c.owner_id == actor.user_id, sa.exists().where(_shared_with(actor)))


def _seen_by(actor: Actor) -> sa.Select[Any]:
    """Select devices in scope, with the owner's name and the actor's level."""
    if actor.sees_all_devices:
        level: ColumnElement[str] = sa.literal(AccessLevel.ALL.value)
    else:
        # Alphabetically "control" comes before "read": the smallest is the strongest.
        strongest = sa.select(sa.func.min(device_shares.c.level)).where(_shared_with(actor)).scalar_subquery()
        level = sa.case((devices.c.owner_id == actor.user_id, AccessLevel.OWNER.value), else_=strongest)
    return (
        sa.select(devices, users.c.username.label("owner_name"), level.label("level"))
        .outerjoin(users, users.c.id == devices.c.owner_id)
        .where(_is_seen_by(actor))
    )


def _conditions(wanted: DeviceFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.search is not None:
        conditions.append(sa.or_(contains(devices.c.id, wanted.search), contains(devices.c.name, wanted.search)))
    if wanted.group is not None:
        conditions.append(devices.c.groups.contains([wanted.group]))
    if wanted.kind is not None:
        conditions.append(devices.c.kind == wanted.kind)
    if wanted.is_active is not None:
        conditions.append(devices.c.is_active == wanted.is_active)
    if wanted.owner_id is not None:
        conditions.append(devices.c.owner_id == wanted.owner_id)
    conditions += [devices.c.metadata_[name].astext == value for name, value in wanted.metadata]
    return conditions


def _order(sort: DeviceSort) -> list[ColumnElement[Any]]:
    column = devices.c[sort.value.removeprefix("-")]
    first = column.desc() if sort.value.startswith("-") else column.asc()
    # The cursor of a page is an id: only in that order does it say where the next one begins.
    return [first] if sort is DeviceSort.ID else [first, devices.c.id.asc()]


def _columns(device: Device) -> dict[str, Any]:
    return {
        "name": device.name,
        "kind": device.kind,
        "owner_id": device.owner_id,
        "is_active": device.is_active,
        "groups": list(device.groups),
        "metadata_": device.metadata,
        "version": device.version,
        "updated_at": device.updated_at,
    }


def _key_row(device_id: str, key: ApiKey, now: datetime) -> dict[str, Any]:
    return {"sha256": key.sha256, "device_id": device_id, "prefix": key.prefix, "created_at": now, "expires_at": None}


def _device(row: sa.Row[Any]) -> Device:
    return Device(
        id=row.id,
        name=row.name,
        kind=row.kind,
        owner_id=row.owner_id,
        is_active=row.is_active,
        groups=tuple(row.groups),
        metadata=row.metadata,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _view(row: sa.Row[Any], keys: Sequence[DeviceKey] = ()) -> DeviceView:
    return DeviceView(_device(row), AccessLevel(row.level), row.owner_name, tuple(keys))
