"""The audit log over HTTP: pages as JSON, everything that matches as CSV, streamed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from pulse_chassis.bearer import Principal, requires
from pulse_chassis.csv_text import csv_lines
from pulse_contracts.audit import AuditEvent, AuditOutcome
from pulse_contracts.permissions import Permission
from pulse_identity.domain.audit_chain import AuditFilter, AuditRow
from pulse_identity.domain.fields import PLAIN_TEXT
from pulse_identity.http.use_case_set import Given, caller_of

router = APIRouter(tags=["audit"])
CSV: Final = "text/csv"
_MAX_SEQ: Final = 2**63 - 1
_COLUMNS: Final = (
    "seq", "at", "last_at", "count", "service", "actor_kind", "actor_id", "actor_name", "address", "request_id",
    "action", "resource_type", "resource_id", "outcome", "reason", "before", "after", "digest",
)  # fmt: skip


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        message = "is outside of the calendar in UTC"
        raise ValueError(message) from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
AuditReader = Annotated[Principal, Depends(requires(Permission.AUDIT_READ))]


class AuditItem(AuditEvent):
    """A row of the log: the event, its number and its digest."""

    seq: int
    digest: Annotated[str, Field(description="SHA-256 over the previous row's digest, the number and the event, hex")]

    @classmethod
    def of(cls, row: AuditRow) -> AuditItem:
        """Return the answer for a row."""
        return cls(**row.event().model_dump(), seq=row.seq, digest=row.digest.hex())


class AuditPage(BaseModel):
    """Rows, newest first."""

    items: list[AuditItem]
    next_cursor: Annotated[int | None, Field(description="give it as `cursor` for the page after; none: the end")]


async def _wanted(
    actor: Annotated[
        str | None, Query(max_length=128, pattern=PLAIN_TEXT, description="id or name", examples=["admin"])
    ] = None,
    action: Annotated[
        str | None,
        Query(
            max_length=64,
            pattern=PLAIN_TEXT,
            description="exact, or `user.*` for all of a thing",
            examples=["session.*"],
        ),
    ] = None,
    resource: Annotated[
        str | None,
        Query(max_length=200, pattern=PLAIN_TEXT, description="`device`, or `device:DESKTOP-001`", examples=["device"]),
    ] = None,
    outcome: AuditOutcome | None = None,
    start: Annotated[Moment | None, Query(alias="from", description="inclusive")] = None,
    end: Annotated[Moment | None, Query(alias="to", description="exclusive")] = None,
) -> AuditFilter:
    return AuditFilter(actor or None, action or None, resource or None, outcome, start, end)


@router.get(
    "/api/audit",
    summary="Read the audit log",
    response_model=AuditPage,
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}},
)
async def read_audit(  # noqa: PLR0913, PLR0917 -- FastAPI's way to name the parameters of a query
    principal: AuditReader,
    given: Given,
    wanted: Annotated[AuditFilter, Depends(_wanted)],
    cursor: Annotated[int | None, Query(ge=1, le=_MAX_SEQ, description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="rows of a page; a CSV has all")] = 50,
    answer_format: Annotated[Literal["json", "csv"] | None, Query(alias="format")] = None,
    accept: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Return a page of what matches, newest first; as CSV everything. Being read is itself in the log."""
    caller = caller_of(principal)
    if answer_format == "csv" or (answer_format is None and _prefers_csv(accept)):
        pages = await given.read_audit.export(caller, wanted, cursor)
        headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
        return StreamingResponse(_csv(pages), media_type=f"{CSV}; charset=utf-8", headers=headers)
    rows = await given.read_audit.page(caller, wanted, cursor, limit)
    page = AuditPage(
        items=[AuditItem.of(row) for row in rows],
        next_cursor=rows[-1].seq if len(rows) == limit and rows[-1].seq > 1 else None,
    )
    return JSONResponse(page.model_dump(mode="json"))


def _prefers_csv(accept: str | None) -> bool:
    """Say whether CSV is asked for by name, and JSON not before it."""
    wanted = [part.partition(";")[0].strip().lower() for part in (accept or "").split(",")]
    return CSV in wanted and not ("application/json" in wanted and wanted.index("application/json") < wanted.index(CSV))


async def _csv(pages: AsyncIterator[list[AuditRow]]) -> AsyncIterator[str]:
    yield csv_lines([_COLUMNS])
    async for rows in pages:
        yield csv_lines(_values(row) for row in rows)


def _values(row: AuditRow) -> list[Any]:
    event = row.event()
    return [
        row.seq,
        event.at.isoformat(),
        None if event.last_at is None else event.last_at.isoformat(),
        event.count,
        event.service,
        event.actor.kind,
        event.actor.id,
        event.actor.name,
        event.address,
        event.request_id,
        event.action,
        event.resource.type,
        event.resource.id,
        event.outcome.value,
        event.reason,
        None if event.before is None else json.dumps(event.before),
        None if event.after is None else json.dumps(event.after),
        row.digest.hex(),
    ]
