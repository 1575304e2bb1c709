"""One transaction with all stores in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_chassis import outbox
from pulse_chassis.clock import Clock
from pulse_chassis.database import Database
from pulse_contracts.audit import AuditEvent
from pulse_contracts.streams import ACCESS_STREAM, AUDIT_STREAM, DEVICES_STREAM, AccessChanged, DeviceChanged
from pulse_identity.domain.edits import Editor
from pulse_identity.storage.device_key_store import PostgresDeviceKeyStore
from pulse_identity.storage.device_store import PostgresDeviceStore
from pulse_identity.storage.identity_link_store import PostgresIdentityLinkStore
from pulse_identity.storage.people_store import PostgresPeopleStore
from pulse_identity.storage.role_store import PostgresRoleStore
from pulse_identity.storage.row_stamps import RowStamps
from pulse_identity.storage.session_store import PostgresSessionStore
from pulse_identity.storage.share_store import PostgresShareStore
from pulse_identity.storage.signing_key_store import PostgresSigningKeyStore
from pulse_identity.storage.sync_stores import (
    PostgresDesktopStore,
    PostgresOperationStore,
    PostgresPasswordBoxStore,
    PostgresSyncedRowStore,
)
from pulse_identity.use_cases.ports import UnitOfWork

_STREAMS = {DeviceChanged: DEVICES_STREAM, AccessChanged: ACCESS_STREAM, AuditEvent: AUDIT_STREAM}
_LOCK = sa.text(
    "select pg_advisory_xact_lock(key) from"
    " (select distinct hashtextextended('identity:' || name, 0) as key"
    " from unnest(cast(:names as text[])) as name order by key) ordered"
)


class PostgresUnitOfWork:
    """A `UnitOfWork` on one database session."""

    def __init__(self, session: AsyncSession, clock: Clock) -> None:
        self._session = session
        self._stamps = RowStamps(session, clock)

    @property
    def editor(self) -> Editor | None:
        """Who edits synced rows; None: whoever makes the request at hand."""
        return self._stamps.editor

    def edit_as(self, editor: Editor) -> None:
        """Say who edits synced rows from here on."""
        self._stamps.editor = editor

    @cached_property
    def people(self) -> PostgresPeopleStore:
        """Users, roles, permissions."""
        return PostgresPeopleStore(self._session, self._stamps)

    @cached_property
    def roles(self) -> PostgresRoleStore:
        """Custom roles."""
        return PostgresRoleStore(self._session, self._stamps)

    @cached_property
    def identity_links(self) -> PostgresIdentityLinkStore:
        """Users as other sign-in providers know them."""
        return PostgresIdentityLinkStore(self._session)

    @cached_property
    def sessions(self) -> PostgresSessionStore:
        """Sign-ins."""
        return PostgresSessionStore(self._session)

    @cached_property
    def devices(self) -> PostgresDeviceStore:
        """Devices and their keys."""
        return PostgresDeviceStore(self._session)

    @cached_property
    def device_keys(self) -> PostgresDeviceKeyStore:
        """Keys on their way to the broker."""
        return PostgresDeviceKeyStore(self._session)

    @cached_property
    def shares(self) -> PostgresShareStore:
        """Shares of devices and enrolment codes."""
        return PostgresShareStore(self._session)

    @cached_property
    def signing_keys(self) -> PostgresSigningKeyStore:
        """Signing keys at rest."""
        return PostgresSigningKeyStore(self._session)

    @cached_property
    def synced_rows(self) -> PostgresSyncedRowStore:
        """Users and roles as sync sees them."""
        return PostgresSyncedRowStore(self._session)

    @cached_property
    def operations(self) -> PostgresOperationStore:
        """Operations that were answered."""
        return PostgresOperationStore(self._session)

    @cached_property
    def desktops(self) -> PostgresDesktopStore:
        """Desktops' keys."""
        return PostgresDesktopStore(self._session)

    @cached_property
    def password_box(self) -> PostgresPasswordBoxStore:
        """The key that passwords are sealed to."""
        return PostgresPasswordBoxStore(self._session)

    async def publish(self, event: DeviceChanged | AccessChanged | AuditEvent) -> None:
        """Tell the other services when, and only if, the transaction commits."""
        await outbox.append(self._session, _STREAMS[type(event)], event)

    async def lock(self, *names: str) -> None:
        """Wait for and hold these names until the transaction ends, in an order that cannot deadlock."""
        await self._session.execute(_LOCK, {"names": list(names)})


class PostgresWork:
    """Begins transactions: a `Work`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[UnitOfWork]:
        """Give a transaction; it commits at the end of the block."""
        async with self._database.transaction() as session:
            yield PostgresUnitOfWork(session, self._clock)
