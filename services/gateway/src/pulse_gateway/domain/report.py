"""Reports as tables: what each kind needs and has, whatever it is shown as.

Bounds: at most `MAX_ROWS` rows, `MAX_DEVICES` devices and a range of `MAX_RANGE`. What would be more is refused with the
number and with what to change; a report is never cut short in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from pulse_contracts.permissions import Permission

MAX_ROWS: Final = 20_000
MAX_DEVICES: Final = 500
MAX_RANGE: Final = timedelta(days=366)

Cell = str | int | float | bool | datetime | None
ColumnKind = Literal["text", "number", "time", "seconds", "milliseconds", "percent"]
Period = Literal["hour", "day", "week", "month"]


class ReportKind(StrEnum):
    """What can be reported."""

    AUDIT = "audit"
    CONFIG_CHANGES = "config-changes"
    OFFLINE_EVENTS = "offline-events"
    DEVICE_HEALTH = "device-health"
    METRICS = "metrics"


TITLES: Final[Mapping[ReportKind, str]] = {
    ReportKind.AUDIT: "Audit log",
    ReportKind.CONFIG_CHANGES: "Changes of configuration",
    ReportKind.OFFLINE_EVENTS: "Offline events",
    ReportKind.DEVICE_HEALTH: "Device health",
    ReportKind.METRICS: "Minimum, maximum and average",
}
NEEDED: Final[Mapping[ReportKind, Permission]] = {
    ReportKind.AUDIT: Permission.AUDIT_READ,
    ReportKind.CONFIG_CHANGES: Permission.CONFIG_READ,
    ReportKind.OFFLINE_EVENTS: Permission.DEVICES_READ,
    ReportKind.DEVICE_HEALTH: Permission.DEVICES_READ,
    ReportKind.METRICS: Permission.TELEMETRY_READ,
}
"""What somebody needs beside `reports:read`: a report shows nobody what they could not see elsewhere."""


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """Which devices and metrics, None meaning all in scope; `period` and `metrics` are those of the kind `metrics`."""

    device_ids: frozenset[str] | None = None
    groups: frozenset[str] | None = None
    metrics: tuple[str, ...] | None = None
    period: Period = "day"


@dataclass(frozen=True, slots=True)
class ReportQuestion:
    """What is asked: `start` is included, `end` is not; times are shown in the zone of this name."""

    kind: ReportKind
    start: datetime
    end: datetime
    zone: str
    filter: ReportFilter = ReportFilter()


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `key` names it for programs, `label` for people."""

    key: str
    label: str
    kind: ColumnKind = "text"


@dataclass(frozen=True, slots=True)
class Figure:
    """What stands above the table: one number of the whole."""

    label: str
    value: Cell
    kind: ColumnKind = "number"


@dataclass(frozen=True, slots=True)
class Report:
    """A report as it was when it was made."""

    question: ReportQuestion
    made_at: datetime
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    figures: Sequence[Figure] = ()
    notes: Sequence[str] = ()
    """What one should know to read it rightly."""

    @property
    def title(self) -> str:
        """What it is called."""
        return TITLES[self.question.kind]

    @property
    def file_name(self) -> str:
        """A name for a file, without its ending."""
        return f"{self.question.kind.value}-{self.question.start:%Y%m%d}-{self.question.end:%Y%m%d}"
