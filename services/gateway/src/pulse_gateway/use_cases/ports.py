"""What the gateway needs from outside: roles, not technologies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from pulse_chassis.principal import Principal
from pulse_contracts.audit import AuditOutcome, AuditResource
from pulse_contracts.streams import ConfigChanged, DesktopSyncChanged, DeviceRegistration, DeviceStatus
from pulse_gateway.domain.completeness import EpochCompleteness
from pulse_gateway.domain.history import HistoryPage, HistoryQuery
from pulse_gateway.domain.scope import Rights
from pulse_gateway.domain.summary import StorageState
from pulse_gateway.domain.telemetry import Reading


@dataclass(frozen=True, slots=True)
class DevicesLoaded:
    """All devices, as identity and ingest publish them."""

    registrations: Mapping[str, DeviceRegistration]
    statuses: Mapping[str, DeviceStatus]


@dataclass(frozen=True, slots=True)
class UserAccess:
    """What identity publishes of one user."""

    rights: Rights
    devices: frozenset[str]


class TokenVerifier(Protocol):
    """Whoever knows whether an access token is one of ours."""

    async def verify(self, token: str) -> Principal:
        """Return who the token speaks for. Raises UnauthorizedError, or UnavailableError when nobody can tell."""
        ...


class PublishedState(Protocol):
    """The state that other services publish. Raises UnavailableError when it cannot be read, or nobody publishes it."""

    async def load_devices(self) -> DevicesLoaded:
        """Return every device."""
        ...

    async def load_latest(self) -> Iterable[Reading]:
        """Return the latest value of every device and metric."""
        ...

    async def load_desktops(self) -> Iterable[DesktopSyncChanged]:
        """Return how far every desktop is with syncing."""
        ...

    async def load_config(self) -> Iterable[ConfigChanged]:
        """Return every configuration entry."""
        ...

    async def check_view(self, schema: str, view: str) -> None:
        """Return when a service publishes this view."""
        ...

    async def load_storage(self) -> StorageState | None:
        """Return how much room there is; None while ingest has not measured it."""
        ...

    async def load_access(self, user_ids: Collection[UUID]) -> Mapping[UUID, UserAccess]:
        """Return what these users may do and see; who is missing does not exist."""
        ...


class AccessAudit(Protocol):
    """Tells the audit log what the request or socket at hand did; of many alike within a minute it tells their number."""

    def note(self, action: str, resource: AuditResource, outcome: AuditOutcome, reason: str | None = None) -> None:
        """Tell it."""
        ...


class HistoryReader(Protocol):
    """Stored readings, page by page."""

    async def read_page(self, query: HistoryQuery) -> HistoryPage:
        """Return one page in order. Raises UnavailableError."""
        ...


class CompletenessReader(Protocol):
    """What ingest publishes of a device's numbered readings."""

    async def epochs(self, device_id: str, limit: int) -> Sequence[EpochCompleteness]:
        """Return the newest epochs of a device, the newest first. Raises UnavailableError."""
        ...
