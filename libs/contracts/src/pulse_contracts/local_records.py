"""What happened on a desktop: edits that wait or met others, readings set aside or lost, the log (`local_protocol`)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field

from pulse_contracts.local_status import MAX_PAGE, LocalModel, LocalParams
from pulse_contracts.operations import EditableEntity

MAX_LOG_RECORDS: Final = 1_000
"""Log records that the agent remembers; overflow policy: the oldest goes."""


# -- sync -------------------------------------------------------------------------------------------------------------


class Compared(LocalModel):
    """A full comparison with the server came to its end; `differed`: the scopes that had to be fetched."""

    cursor: int
    differed: list[str]
    pending: int


class PendingEdit(LocalModel):
    """An edit that waits for the server; a password shows only as true."""

    op_id: str
    entity: EditableEntity
    row_id: str
    name: str
    fields: dict[str, Any]
    actor_id: str
    actor: str | None
    made_ms: int
    is_sent: bool


class PendingEdits(LocalModel):
    """All that wait, in the order of their making, at most 500; `total` counts all."""

    total: int
    rows: list[PendingEdit]


class BeforeParams(LocalParams):
    """A page, newest first; `before` is the number of the last row of the page before."""

    before: Annotated[int | None, Field(ge=1)] = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 100


class SyncLogRow(LocalModel):
    """One line of what sync did."""

    number: int
    at_ms: int
    kind: str
    source: str
    status: str
    entity: str | None
    row_id: str | None
    detail: str


class SyncLog(LocalModel):
    """Newest first."""

    rows: list[SyncLogRow]


class ConflictsParams(BeforeParams):
    """Which conflicts: `open` ones nobody decided on, or all."""

    only_open: bool = False


class ConflictRow(LocalModel):
    """An edit made here that met another's. `outcome`: `conflict_lost`, `rejected` (both undone here) or `won`."""

    number: int
    at_ms: int
    entity: EditableEntity
    row_id: str
    name: str
    outcome: str
    code: str | None
    sentence: Annotated[str, Field(description="what happened, in English")]
    actor_id: str
    actor: str | None
    here: Annotated[dict[str, Any], Field(description="what was changed here; a password shows only as true")]
    here_ms: int | None
    server: Annotated[dict[str, Any] | None, Field(description="the row that stands, or that was met")]
    server_ms: int | None = None
    server_by: str | None = None
    resolution: Annotated[str | None, Field(description="`accepted` or `restored`; none: open")] = None
    can_restore: bool
    is_read: bool


class Conflicts(LocalModel):
    """Newest first."""

    total: int
    open: int
    rows: list[ConflictRow]


class NumberParams(LocalParams):
    """Which conflict."""

    number: int


class NumbersParams(LocalParams):
    """Which notices; none: all."""

    numbers: Annotated[list[int], Field(max_length=1000)] | None = None


class NoticeRow(LocalModel):
    """A change made here that did not stand, not read by anybody yet; `number` is that of its conflict."""

    number: int
    at_ms: int
    sentence: str


class Notices(LocalModel):
    """Unread ones, oldest first."""

    rows: list[NoticeRow]


# -- quarantine, losses, log ------------------------------------------------------------------------------------------


class AfterParams(LocalParams):
    """A page, oldest first; `after` is the number of the last row of the page before. To export, take all pages."""

    after: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 100


class QuarantinedRow(LocalModel):
    """A reading that the server refused for good, or that was damaged on this disk."""

    number: int
    sequence: int
    epoch: int
    recorded_ms: int | None
    channel: str | None
    metrics: Annotated[str | None, Field(description="JSON, as it was to be sent")]
    code: str
    detail: str
    moved_ms: int


class Quarantine(LocalModel):
    """A page of the quarantine; `next` None: it was the last."""

    total: int
    rows: list[QuarantinedRow]
    next: int | None = None


class UpToParams(LocalParams):
    """Up to and including this number."""

    up_to: Annotated[int, Field(ge=1)]


class Cleared(LocalModel):
    """How many rows were deleted."""

    count: int


class LossRow(LocalModel):
    """A range of readings that were lost; `reason`: quota, age, disk, corrupt, error. `declared_ms`: the server knows."""

    number: int
    low: int
    high: int
    count: int
    reason: str
    at_ms: int
    declared_ms: int | None = None


class Losses(LocalModel):
    """A page of losses: all that the server was not told of, and the latest 1,000 that it was."""

    total: int
    rows: list[LossRow]
    next: int | None = None


class LogLevel(StrEnum):
    """Least important first."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class TailParams(LocalParams):
    """The newest records of this level or above; `follow` True has new ones come as events, False ends that."""

    limit: Annotated[int, Field(ge=1, le=MAX_LOG_RECORDS)] = 200
    level: LogLevel = LogLevel.DEBUG
    follow: bool | None = None


class LogRecord(LocalModel):
    """One line of the agent's log: a name of what happened, and fields; never a secret."""

    number: int
    at_ms: int
    level: str
    event: str
    part: str | None
    fields: dict[str, Any]


class LogRecords(LocalModel):
    """Oldest first."""

    records: list[LogRecord]
