"""What desktops said and what became of their operations, in memory: for tests of the use cases.

Passes the same contract suite as the adapter for PostgreSQL. Nothing here survives the process.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from pulse_contracts.operations import ConflictReport, Operation
from pulse_contracts.sync import Report
from pulse_sync.use_cases.ports import OutcomeNote


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the sync log."""

    desktop_id: str
    direction: str
    status: str
    op_id: UUID | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class KeptConflict:
    """Both sides of a conflict."""

    id: UUID
    desktop_id: str
    operation: Operation
    report: ConflictReport
    at: datetime


@dataclass(slots=True)
class InMemoryBook:
    """A `DesktopBook`."""

    reports: dict[str, Report] = field(default_factory=dict)
    lines: list[LogLine] = field(default_factory=list)
    conflicts: dict[tuple[str, UUID], KeptConflict] = field(default_factory=dict)

    async def note_report(self, device_id: str, report: Report, at: datetime) -> None:
        """Note how far a desktop is; a new error of its own is logged."""
        before = self.reports.get(device_id)
        if report.error is not None and (before is None or before.error != report.error):
            self.lines.append(LogLine(device_id, "down", "failed", error=report.error))
        self.reports[device_id] = report

    async def note_refusal(self, device_id: str, code: str, at: datetime) -> None:
        """Note that a pull could not be served."""
        self.lines.append(LogLine(device_id, "down", "refused", error=code))

    async def accepted(self, device_id: str, op_ids: Collection[UUID]) -> frozenset[UUID]:
        """Return those of these operations that the owner of their row has taken before."""
        known = {line.op_id for line in self.lines if line.desktop_id == device_id and line.status != "rejected"}
        return frozenset(op_id for op_id in op_ids if op_id in known)

    async def note_outcomes(self, device_id: str, outcomes: Sequence[OutcomeNote], at: datetime) -> Mapping[UUID, UUID]:
        """Log outcomes and keep their conflicts; return conflict ids by operation."""
        logged = {(line.desktop_id, line.op_id) for line in self.lines}
        found: dict[UUID, UUID] = {}
        for operation, outcome in outcomes:
            op_id = None if operation is None else operation.op_id
            if op_id is None or (device_id, op_id) not in logged:
                error = None if outcome.code is None else f"{outcome.code}: {outcome.detail or ''}".rstrip(": ")
                self.lines.append(LogLine(device_id, "up", outcome.outcome.value, op_id, error))
                logged.add((device_id, op_id))
            if operation is not None and outcome.conflict is not None:
                kept = KeptConflict(uuid4(), device_id, operation, outcome.conflict, at)
                found[operation.op_id] = self.conflicts.setdefault((device_id, operation.op_id), kept).id
        return found
