"""What the use cases of configuration need from the outside, as roles. Adapters: `storage/config_*`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from pulse_contracts.audit import AuditEvent
from pulse_contracts.configuration import ConfigScope
from pulse_contracts.operations import OperationOutcome
from pulse_contracts.sync import AppliedConfig
from pulse_sync.domain.config_entries import AppliedVersion, ConfigChange, ConfigEntry, ConfigKey
from pulse_sync.use_cases.view_ports import DeviceScope, Part

Level = Literal["read", "control", "owner"]


@dataclass(frozen=True, slots=True)
class ConfigActor:
    """Who changes configuration: by the access token of a request, or by what identity publishes of them now."""

    user_id: UUID
    name: str | None
    permissions: frozenset[str]


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which of the entries."""

    scope: ConfigScope | None = None
    target: str | None = None
    key: str | None = None
    search: str | None = None


@dataclass(frozen=True, slots=True)
class AppliedFilter:
    """Which entries on which desktops."""

    key: str | None = None
    device_id: str | None = None
    is_lagging: bool | None = None


@dataclass(frozen=True, slots=True)
class AppliedView:
    """An entry that shall be in force on a desktop, and what the desktop said of it."""

    device_id: str
    entry: ConfigEntry
    applied: AppliedVersion | None


class ConfigRegistry(Protocol):
    """What identity publishes of people and devices, as of now. Raises UnavailableError."""

    async def actor(self, user_id: UUID) -> ConfigActor | None:
        """Return an active user with what they may do."""
        ...

    async def level(self, user_id: UUID, device_id: str) -> Level | None:
        """Return how a user may use a device that is theirs or shared with them."""
        ...

    async def groups(self, device_id: str) -> tuple[str, ...] | None:
        """Return the groups of a registered device; None when there is no such device."""
        ...


class ConfigUnit(Protocol):
    """One transaction on configuration."""

    @property
    def registry(self) -> ConfigRegistry:
        """What identity publishes, as this sees it."""
        ...

    async def lock_key(self, key: str, *, is_shared: bool) -> None:
        """Keep a key as it is until the end: shared while entries of it change, alone while it changes itself."""
        ...

    async def lock_entry(self, entry_id: str) -> None:
        """Have an entry for oneself until the end."""
        ...

    async def keys(self) -> Mapping[str, ConfigKey]:
        """Return every key, built-in and custom."""
        ...

    async def entry(self, entry_id: str) -> ConfigEntry | None:
        """Return an entry, also a deleted one; None if there never was one."""
        ...

    async def entries_of_key(self, key: str) -> Sequence[ConfigEntry]:
        """Return the entries of a key that are not deleted."""
        ...

    async def write(self, changes: Sequence[tuple[ConfigEntry | None, ConfigEntry]], at: datetime) -> None:
        """Write entries, each with what was before, into table, history and outbox; with the end, into the change log."""
        ...

    async def write_key(self, key: ConfigKey) -> None:
        """Write a custom key."""
        ...

    async def delete_key(self, key: str) -> None:
        """Remove a custom key."""
        ...

    async def tell_audit(self, event: AuditEvent) -> None:
        """Tell the audit log, if this transaction commits."""
        ...

    async def answer_of(self, op_id: UUID) -> tuple[str, OperationOutcome] | None:
        """Return the desktop and the outcome of an operation that was answered; waits for one under way."""
        ...

    async def keep_answer(self, desktop_id: str, outcome: OperationOutcome, at: datetime) -> None:
        """Keep the outcome of an operation."""
        ...


class ConfigStore(Protocol):
    """Where configuration is kept. Raises UnavailableError."""

    def work(self) -> AbstractAsyncContextManager[ConfigUnit]:
        """Give a transaction; commit at the end of the block, or nothing at all, then tell that the log has grown."""
        ...


class ConfigViews(Protocol):
    """Reads configuration as far as somebody may see it. Raises UnavailableError."""

    @property
    def registry(self) -> ConfigRegistry:
        """What identity publishes, as this sees it."""
        ...

    async def keys(self) -> Mapping[str, ConfigKey]:
        """Return every key."""
        ...

    async def entry(self, entry_id: str) -> ConfigEntry | None:
        """Return an entry that is not deleted."""
        ...

    async def entries(self, scope: DeviceScope, wanted: EntryFilter, part: Part) -> tuple[Sequence[ConfigEntry], int]:
        """Return entries by id and how many match."""
        ...

    async def history(self, entry_id: str, part: Part) -> tuple[Sequence[ConfigChange], int]:
        """Return the versions of an entry, newest first, and how many there are."""
        ...

    async def concerning(
        self, device_id: str, groups: Collection[str], at: datetime | None = None
    ) -> Sequence[ConfigEntry]:
        """Return the entries for a device, its groups and all, as they are or were at a moment."""
        ...

    async def applied_on(self, device_id: str) -> Sequence[AppliedVersion]:
        """Return what a desktop made of its entries."""
        ...

    async def applied(self, scope: DeviceScope, wanted: AppliedFilter, part: Part) -> tuple[Sequence[AppliedView], int]:
        """Return the entries that shall be in force, by desktop and key, and how many match."""
        ...


class AppliedBook(Protocol):
    """Keeps what desktops made of their entries. Raises UnavailableError."""

    async def note(self, desktop_id: str, applied: Sequence[AppliedConfig], at: datetime) -> None:
        """Note it; what is known already changes nothing."""
        ...
