"""What reports are made from: the roles that the use cases need."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pulse_contracts.audit import AuditEvent
from pulse_gateway.domain.health import DeviceFacts, OfflineTime


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """One version of a configuration entry; `updated_by` is a person's name where it is known."""

    at: datetime
    scope: str
    target: str
    key: str
    version: int
    before: Any
    after: Any
    updated_by: str | None
    source: str


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A row of the audit log."""

    seq: int
    event: AuditEvent


class ReportData(Protocol):
    """What the services publish for reports. Raises UnavailableError, and InvalidError for what would take too long."""

    async def audit(
        self, start: datetime, end: datetime, device_ids: Collection[str] | None, limit: int
    ) -> Sequence[AuditLine]:
        """Return rows of the audit log, newest first; only those about some devices where they are given."""
        ...

    async def config_changes(
        self, start: datetime, end: datetime, device_ids: Collection[str] | None, limit: int
    ) -> Sequence[ConfigChange]:
        """Return changes of configuration for all, for groups and for these devices (None: any), newest first."""
        ...

    async def offline_times(
        self, start: datetime, end: datetime, device_ids: Collection[str], limit: int
    ) -> Sequence[OfflineTime]:
        """Return the times in which these devices were away that touch the range, newest first."""
        ...

    async def device_names(self, device_ids: Collection[str]) -> dict[str, str]:
        """Return the names of these devices, as far as there are such devices."""
        ...

    async def device_facts(self, start: datetime, end: datetime, device_ids: Collection[str]) -> Sequence[DeviceFacts]:
        """Return what is known of these devices, by id."""
        ...
