"""What the use cases need from outside, as roles that adapters fill.

A `UnitOfWork` is one transaction: all stores in it see and change the same state, events leave with its commit or not
at all. Stores answer with domain values; nothing here knows SQL, MQTT or HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from pulse_contracts.audit import AuditEvent
from pulse_contracts.streams import AccessChanged, DeviceChanged
from pulse_identity.domain.credentials import Credentials
from pulse_identity.domain.devices import (
    Device,
    DeviceAccount,
    DeviceKey,
    DeviceShare,
    DeviceView,
    EnrolmentCode,
    Grantee,
    NewDevice,
    ShareLevel,
)
from pulse_identity.domain.edits import Editor
from pulse_identity.domain.people import Actor, Role, User
from pulse_identity.domain.queries import DeviceFilter, Page, UserFilter
from pulse_identity.domain.reconciliation import AccountState
from pulse_identity.domain.sessions import RefreshToken, Session, SessionView
from pulse_identity.use_cases.device_key_ports import DeviceKeyStore
from pulse_identity.use_cases.key_ports import SigningKeyStore
from pulse_identity.use_cases.oidc_ports import IdentityLinkStore
from pulse_identity.use_cases.role_ports import RoleStore
from pulse_identity.use_cases.sync_ports import DesktopStore, OperationStore, PasswordBoxStore, SyncedRowStore


class PeopleStore(Protocol):
    """Users, roles, permissions. Every write of a synced row stamps it and tells the others."""

    async def actor(self, user_id: UUID, session_id: UUID) -> Actor | None:
        """Return who acts, with the rights of now; None when the user or the session is not active any more."""
        ...

    async def user(self, user_id: UUID, *, for_update: bool = False) -> User | None:
        """Return a user."""
        ...

    async def credentials(self, username: str) -> Credentials | None:
        """Return what a username signs in with, whatever the case it is written in."""
        ...

    async def users(self, wanted: UserFilter, page: Page) -> tuple[list[User], int]:
        """Return a page of the users wanted, and how many match."""
        ...

    async def add_user(self, user: User, password_hash: str) -> None:
        """Add a user with the roles it names; raises ConflictError when the username, e-mail or id is taken."""
        ...

    async def save_user(self, user: User, password_hash: str | None = None) -> None:
        """Write a user's fields and roles, and a new password's hash if given; raises ConflictError as `add_user`.

        What the user loses by it is noted as revoked in the user's version.
        """
        ...

    async def rehash_password(self, user_id: UUID, old_hash: str, password_hash: str) -> None:
        """Replace a hash by one of the same password with today's parameters, unless the password was changed since.

        Nothing that anybody would notice: the row's version stays.
        """
        ...

    async def delete_user(self, user_id: UUID) -> None:
        """Delete a user; sessions, shares and codes go along, devices lose their owner. A tombstone stays."""
        ...

    async def is_empty(self) -> bool:
        """Whether there is no user at all."""
        ...

    async def roles(self) -> list[Role]:
        """Return all roles by name."""
        ...

    async def lock_active_admins(self) -> int:
        """Count the active admins, and let nobody else count until the transaction ends."""
        ...

    async def keep_built_ins(self, permissions: Mapping[str, str], roles: Mapping[str, frozenset[str]]) -> None:
        """Make the permissions (name → description) and built-in roles exactly these; custom roles stay."""
        ...


class SessionStore(Protocol):
    """Sign-ins and their refresh tokens."""

    async def add(self, session: Session, token: RefreshToken, client: Mapping[str, str]) -> None:
        """Add a session with its first token; `client` describes the browser or program for people."""
        ...

    async def find(self, token_sha256: bytes) -> tuple[RefreshToken, Session] | None:
        """Return a token and its session, locked: of two requests with tokens of one family, one waits."""
        ...

    async def rotate(self, parent: RefreshToken, child: RefreshToken, client: bytes, now: datetime) -> None:
        """Make `child` the newest token of the session, and note who turned `parent` in."""
        ...

    async def revoke(self, session_id: UUID, reason: str, now: datetime) -> bool:
        """End a session; whether it was open."""
        ...

    async def revoke_all(self, user_id: UUID, reason: str, now: datetime, keep: UUID | None = None) -> list[UUID]:
        """End all open sessions of a user, but for `keep`; return their ids."""
        ...

    async def open_of(self, user_id: UUID, now: datetime) -> list[SessionView]:
        """Return a user's open sessions, the one used last first."""
        ...

    async def forget(self, before: datetime) -> int:
        """Delete what expired before then; return how many sessions and tokens."""
        ...


class DeviceStore(Protocol):
    """Devices and their keys."""

    async def taken(self, device_ids: Sequence[str], actor: Actor) -> set[str]:
        """Return those ids that the actor cannot register: in use, or retired from somebody else's device."""
        ...

    async def add(self, devices: Sequence[NewDevice]) -> None:
        """Add devices; raises ConflictError when an id is taken."""
        ...

    async def get(self, device_id: str) -> Device | None:
        """Return a device, whoever asks, locked until the transaction ends."""
        ...

    async def view(self, device_id: str, actor: Actor) -> DeviceView | None:
        """Return a device as the actor sees it; None when it isn't there or isn't for the actor's eyes."""
        ...

    async def views(self, actor: Actor, wanted: DeviceFilter, page: Page) -> tuple[list[DeviceView], int]:
        """Return a page, by id, of the devices that the actor sees, and how many match."""
        ...

    async def save(self, device: Device) -> None:
        """Write a device's fields."""
        ...

    async def delete(self, device_id: str, now: datetime) -> None:
        """Delete a device with keys, shares and codes; its id stays reserved for its owner."""
        ...

    async def keys(self, device_id: str) -> list[DeviceKey]:
        """Return a device's keys, newest first."""
        ...

    async def activity(self) -> dict[str, bool]:
        """Return every device's `is_active`, by id."""
        ...

    async def valid_prefixes(self, now: datetime) -> dict[str, frozenset[str]]:
        """Return the prefixes of every device's keys that are valid now, by id."""
        ...

    async def owned_by(self, user_id: UUID) -> list[Device]:
        """Return the devices of a user."""
        ...


class ShareStore(Protocol):
    """Shares of devices and enrolment codes."""

    async def shares(self, device_id: str) -> list[DeviceShare]:
        """Return a device's shares."""
        ...

    async def put(self, device_id: str, grantee: Grantee, level: ShareLevel, now: datetime) -> DeviceShare | None:
        """Share a device, or change the level of a share; None when there is no such user or role."""
        ...

    async def remove(self, device_id: str, share_id: UUID) -> DeviceShare | None:
        """Take a share back; return what it was."""
        ...

    async def add_code(self, code: EnrolmentCode) -> None:
        """Add an enrolment code."""
        ...

    async def find_code(self, sha256: bytes) -> EnrolmentCode | None:
        """Return a code, used or not, without locking it."""
        ...

    async def use_code(self, sha256: bytes, now: datetime) -> EnrolmentCode | None:
        """Use a code up; None when it is unknown, used or expired. Of two users of one code, one gets it."""
        ...

    async def release_code(self, sha256: bytes) -> None:
        """Make a code that was used in vain good again."""
        ...

    async def forget_codes(self, before: datetime) -> int:
        """Delete codes that expired before then; return how many."""
        ...


class UnitOfWork(Protocol):
    """One transaction."""

    @property
    def people(self) -> PeopleStore:
        """Users, roles, permissions."""
        ...

    @property
    def roles(self) -> RoleStore:
        """Custom roles."""
        ...

    @property
    def identity_links(self) -> IdentityLinkStore:
        """Users as other sign-in providers know them."""
        ...

    @property
    def sessions(self) -> SessionStore:
        """Sign-ins."""
        ...

    @property
    def devices(self) -> DeviceStore:
        """Devices and their keys."""
        ...

    @property
    def device_keys(self) -> DeviceKeyStore:
        """Keys on their way to the broker."""
        ...

    @property
    def shares(self) -> ShareStore:
        """Shares of devices and enrolment codes."""
        ...

    @property
    def signing_keys(self) -> SigningKeyStore:
        """Signing keys at rest."""
        ...

    @property
    def synced_rows(self) -> SyncedRowStore:
        """Users and roles as sync sees them."""
        ...

    @property
    def operations(self) -> OperationStore:
        """Operations that were answered."""
        ...

    @property
    def desktops(self) -> DesktopStore:
        """Desktops' keys."""
        ...

    @property
    def password_box(self) -> PasswordBoxStore:
        """The key that passwords are sealed to."""
        ...

    @property
    def editor(self) -> Editor | None:
        """Who edits synced rows; None: whoever makes the request at hand."""
        ...

    def edit_as(self, editor: Editor) -> None:
        """Say who edits synced rows from here on."""
        ...

    async def publish(self, event: DeviceChanged | AccessChanged | AuditEvent) -> None:
        """Tell the other services when, and only if, the transaction commits."""
        ...

    async def lock(self, *names: str) -> None:
        """Wait for and hold these names until the transaction ends, in an order that cannot deadlock."""
        ...


Work = Callable[[], AbstractAsyncContextManager[UnitOfWork]]
"""Begins a transaction; it commits at the end of the block and rolls back when the block raises."""


class BrokerAccounts(Protocol):
    """The broker's accounts of devices.

    Every method raises UnavailableError when the broker does not answer; it may then have done it or not, and the
    reconciler settles that. It touches no account that is not a device's.
    """

    async def put(self, accounts: Sequence[DeviceAccount]) -> None:
        """Create accounts, or give existing ones the new key, which disconnects them.

        Raises ConflictError when a name belongs to an account that is not a device's. Read back before it returns.
        """
        ...

    async def set_enabled(self, device_id: str, *, is_enabled: bool) -> bool:
        """Enable an account, or disable it and disconnect it at once; False when there is no such account."""
        ...

    async def delete(self, device_ids: Sequence[str]) -> None:
        """Delete accounts and disconnect them at once; those that are not there do not matter."""
        ...

    async def find(self, device_id: str) -> AccountState | None:
        """Return one device's account."""
        ...

    async def all(self) -> list[AccountState]:
        """Return all devices' accounts."""
        ...


class PasswordHasher(Protocol):
    """Slow, salted password hashes; at most so many at a time (UnavailableError beyond)."""

    async def hash(self, password: str) -> str:
        """Return the hash to store."""
        ...

    async def verify(self, password: str, stored: str | None) -> bool:
        """Compare; with None (no such user) it takes as long and says no."""
        ...

    def is_outdated(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        ...


class SignInLimits(Protocol):
    """Who may try again, and when. Raises UnavailableError when it cannot tell."""

    async def admit(self, account: str, address: str) -> None:
        """Count an attempt against account and address; raises RateLimitedError when it comes too early."""
        ...

    async def failed(self, account: str, address: str) -> None:
        """Note that the attempt was wrong."""
        ...

    async def succeeded(self, account: str, address: str) -> None:
        """Note that it was right: the account's count ends, the attempt is given back, the address is known."""
        ...

    async def abandoned(self, account: str, address: str) -> None:
        """Note that the attempt was never looked at (we were too busy): it is given back."""
        ...

    async def admit_enrolment(self, address: str) -> None:
        """Count an enrolment attempt against the address; raises RateLimitedError."""
        ...

    async def admit_registration(self, address: str) -> None:
        """Count a registration against the address; raises RateLimitedError."""
        ...

    async def enrolled(self, address: str) -> None:
        """Give an attempt back that was right."""
        ...
