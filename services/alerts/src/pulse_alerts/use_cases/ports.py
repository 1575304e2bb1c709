"""What the use cases need of the outside, as roles; `storage` and `messaging` play them.

What notifications need stands in `notification_ports`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from pulse_alerts.domain.alarm import Alarm, AlarmState, Found, Step
from pulse_alerts.domain.rule import Rule, Severity
from pulse_contracts.audit import AuditEvent
from pulse_contracts.permissions import Permission
from pulse_contracts.telemetry import MetricValue


@dataclass(frozen=True, slots=True)
class Caller:
    """A user with the rights that hold now."""

    user_id: UUID
    username: str
    permissions: frozenset[str]

    @property
    def sees_all_devices(self) -> bool:
        """Whether every device is in scope, whoever owns it."""
        return Permission.DEVICES_ALL in self.permissions


class Directory(Protocol):
    """Who may do what with which device, as identity publishes it."""

    async def caller(self, user_id: UUID) -> Caller | None:
        """Return an active user with the rights of now; None when there is none."""
        ...

    async def seen(self, caller: Caller, device_ids: Collection[str]) -> set[str]:
        """Return those of these devices that the caller sees."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list, newest first: what is older than `cursor`."""

    limit: int
    cursor: int | None = None


@dataclass(frozen=True, slots=True)
class AlarmFilter:
    """Which of the alarms in scope; `start` is inclusive, `end` exclusive, by when they were raised."""

    device_id: str | None = None
    rule_id: UUID | None = None
    states: tuple[AlarmState, ...] = ()
    severities: tuple[Severity, ...] = ()
    is_late: bool | None = None
    start: datetime | None = None
    end: datetime | None = None


class AlertReads(Protocol):
    """One view of the data for somebody who reads, within their scope."""

    @property
    def directory(self) -> Directory:
        """Rights and devices."""
        ...

    async def rules(self, caller: Caller) -> list[Rule]:
        """Return the rules that the caller sees, by name."""
        ...

    async def rule(self, caller: Caller, rule_id: UUID) -> Rule | None:
        """Return a rule that the caller sees."""
        ...

    async def alarms(self, caller: Caller, wanted: AlarmFilter, page: Page) -> list[Alarm]:
        """Return a page of the alarms of devices in scope, newest first."""
        ...

    async def alarm(self, caller: Caller, alarm_id: UUID) -> Alarm | None:
        """Return an alarm of a device in scope."""
        ...

    async def steps(self, alarm_id: UUID) -> list[Step]:
        """Return an alarm's steps in their order."""
        ...

    async def open_counts(self, caller: Caller) -> dict[tuple[str, str], int]:
        """Return how many alarms of devices in scope are not cleared, by severity and state."""
        ...


class AlertUnit(Protocol):
    """One transaction by somebody."""

    @property
    def directory(self) -> Directory:
        """Rights and devices."""
        ...

    async def locked_alarm(self, alarm_id: UUID) -> Alarm | None:
        """Return an alarm, held until the transaction ends."""
        ...

    async def write_step(self, alarm: Alarm, step: Step, *, is_notified: bool) -> None:
        """Write an alarm as it is after a step, the step, and the news of it."""
        ...

    async def lock_rules(self) -> int:
        """Wait for the turn to change rules, count the change, and return how many rules there are."""
        ...

    async def has_examples(self) -> bool:
        """Return whether the example rules were made, and note that they are; in the turn."""
        ...

    async def rule(self, rule_id: UUID) -> Rule | None:
        """Return a rule."""
        ...

    async def is_named(self, name: str, except_id: UUID | None) -> bool:
        """Tell whether another rule has this name."""
        ...

    async def write_rule(self, rule: Rule) -> None:
        """Write a rule, new or changed."""
        ...

    async def delete_rule(self, rule_id: UUID) -> None:
        """Delete a rule; its alarms stay."""
        ...

    async def open_alarms_of(self, rule_id: UUID) -> list[Alarm]:
        """Return the alarms of a rule that are not cleared, held until the transaction ends."""
        ...

    async def tell_audit(self, events: Sequence[AuditEvent]) -> None:
        """Tell the audit log when, and only if, the transaction commits."""
        ...

    async def forget_alarms(self, before: datetime, limit: int) -> int:
        """Delete cleared alarms that are older; return how many."""
        ...


class Work(Protocol):
    """Begins transactions. What they raise when the database is away is UnavailableError."""

    def change(self) -> AbstractAsyncContextManager[AlertUnit]:
        """Give a transaction; it commits at the end of the block."""
        ...

    def look(self) -> AbstractAsyncContextManager[AlertReads]:
        """Give a view that cannot write."""
        ...


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to where a stream was evaluated: its epoch, an entry, and when the readings of it were received."""

    epoch: str
    position: str
    received_ms: int


@dataclass(frozen=True, slots=True)
class Share:
    """A partition of the devices that this worker has; `generation` is new with each claim."""

    partition: int
    generation: int
    mark: Mark | None


@dataclass(frozen=True, slots=True)
class Device:
    """A registered device that is not disabled."""

    device_id: str
    name: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a device's history that changed behind the live edge; `grown_at` tells two looks apart."""

    device_id: str
    from_ms: int
    to_ms: int
    grown_at: datetime


@dataclass(slots=True)
class Progress:
    """What is committed at once: state with what was found in it, and, when all state is in it, up to where."""

    found: list[Found] = field(default_factory=list)
    states: list[tuple[str, int, Mapping[str, Any]]] = field(default_factory=list)
    """Device, partition, state."""
    gone: list[str] = field(default_factory=list)
    """Devices whose state is to be forgotten."""
    late: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Partition and the stretch of each device, in Unix milliseconds."""
    mark: Mark | None = None


class LostLeaseError(Exception):
    """Another worker has these devices now: whatever is in memory of them is void."""


class SharesMovedError(Exception):
    """Workers came or went: begin again with a fair share."""


class EvaluationStore(Protocol):
    """Where evaluation begins from, and where it commits. Raises UnavailableError."""

    async def claim(self, worker: str, lease_seconds: float) -> list[Share]:
        """Say that this worker is here; take its fair share, newly, and give back what it has beyond."""
        ...

    async def fair_share(self, worker: str, lease_seconds: float) -> tuple[int, int]:
        """Say that this worker is here; return how many partitions it should have, and how many are nobody's."""
        ...

    async def release(self, worker: str) -> None:
        """Give all its partitions back: this worker ends."""
        ...

    async def revision(self) -> int:
        """Return the count of changes of rules."""
        ...

    async def rules(self) -> tuple[int, list[Rule]]:
        """Return the count of changes, and all rules."""
        ...

    async def devices(self) -> list[Device]:
        """Return all registered devices that are not disabled."""
        ...

    async def series(self) -> dict[str, dict[str, int]]:
        """Return the number of each series, by device and metric."""
        ...

    async def states(self, partitions: Sequence[int]) -> dict[str, Mapping[str, Any]]:
        """Return what was kept of each device."""
        ...

    async def offline(self, device_ids: Collection[str]) -> set[str]:
        """Return those of these devices that are known to be offline."""
        ...

    async def commit(
        self, worker: str, shares: Sequence[Share], lease_seconds: float, now: datetime, progress: Progress
    ) -> int:
        """Commit progress while the shares are still ours; return how many steps are new. Raises LostLeaseError."""
        ...

    async def late_spans(self, partitions: Sequence[int], grown_before: datetime, limit: int) -> list[Span]:
        """Return stretches that have not grown since then."""
        ...

    async def commit_late(self, span: Span, now: datetime, found: Sequence[tuple[Found, Found]]) -> int:
        """Write alarms of the past, raised and cleared, where none of the rule stood; return how many are new."""
        ...


@dataclass(frozen=True, slots=True)
class Sample:
    """A stored reading of one metric; times in Unix milliseconds."""

    metric: str
    at_ms: int
    received_ms: int
    value: MetricValue


@dataclass(frozen=True, slots=True)
class LateReadings:
    """From when to when late readings of a device are, and when they were received, in Unix milliseconds, in order."""

    from_ms: int
    to_ms: int
    received_ms: Sequence[int]


class History(Protocol):
    """Stored readings, as ingest publishes them. Raises UnavailableError."""

    def live(
        self, series: Mapping[str, int], from_ms: int, to_ms: int | None = None
    ) -> AsyncIterator[Sequence[Sample]]:
        """Give the readings of a device that were not late, in the order in which they were received."""
        ...

    def recorded(self, series: Mapping[str, int], from_ms: int, to_ms: int) -> AsyncIterator[Sequence[Sample]]:
        """Give the readings of a device, late or not, in the order of their times; both ends are included."""
        ...

    async def late(
        self, series: Mapping[str, int], stretch: tuple[int, int | None], received_from_ms: int
    ) -> LateReadings | None:
        """Return what was late in a stretch of a device's history, as far as it was received since then."""
        ...


AnnouncedReading = tuple[str, int, str, Mapping[str, MetricValue]]
"""Device, time in Unix milliseconds, quality, metrics."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """An entry of the telemetry stream; `late` is (device, from, to)."""

    position: str
    at_ms: int
    rows: Sequence[AnnouncedReading]
    late: Sequence[tuple[str, int, int]]


class TelemetryNews(Protocol):
    """The telemetry stream. Raises UnavailableError."""

    async def epoch(self) -> str:
        """Return the stream's epoch."""
        ...

    async def end(self) -> str:
        """Return the position of its newest entry."""
        ...

    async def is_there(self, position: str) -> bool:
        """Tell whether an entry is still in the stream, so that nothing between it and the next is missing."""
        ...

    async def read(self, after: str, count: int, block_ms: int | None) -> list[Announcement]:
        """Return what follows, at most `count` entries; with `block_ms` wait that long for the first one."""
        ...


CounterName = Literal[
    "readings_evaluated",
    "alarms_raised",
    "alarms_cleared",
    "late_alarms_found",
    "late_spans_examined",
    "holes_filled",
    "readings_filled",
    "evaluations_restarted",
]


class Count(Protocol):
    """Counts what happened, for the metrics."""

    def __call__(self, name: CounterName, amount: int = 1) -> None:
        """Count."""
        ...
