"""`/api/reports`: what there was, as JSON, as CSV, and as a page to be printed; within the reader's rights and devices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from pulse_chassis.bearer import Principal, requires
from pulse_chassis.clock import Clock
from pulse_contracts.ids import ClientIdField, MetricKeyField
from pulse_contracts.permissions import Permission
from pulse_gateway.domain.report import (
    NEEDED,
    TITLES,
    ColumnKind,
    Period,
    Report,
    ReportFilter,
    ReportKind,
    ReportQuestion,
)
from pulse_gateway.domain.report_text import PAGE_POLICY, report_csv, report_json, report_page
from pulse_gateway.domain.time_zones import checked_time_zone
from pulse_gateway.http.telemetry_routes import scope_for
from pulse_gateway.use_cases.access_directory import AccessDirectory
from pulse_gateway.use_cases.live_state import LiveState
from pulse_gateway.use_cases.make_report import MakeReport
from pulse_gateway.use_cases.ports import AccessAudit
from pulse_gateway.use_cases.tell_access import tell_report

Reader = Annotated[Principal, Depends(requires(Permission.REPORTS_READ))]
ReportFormat = Literal["json", "csv", "html"]
TimeZone = Annotated[str, StringConstraints(max_length=64), AfterValidator(checked_time_zone)]
GroupName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
USUAL_RANGE: Final = timedelta(days=7)
_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_FRAMES: Final = "; frame-ancestors 'none'"
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}, "text/html": {"schema": {"type": "string"}}}},
    404: {"description": "No such device, or none of yours"},
}


def _within_the_calendar(moment: datetime) -> datetime:
    if not _FIRST <= moment <= _LAST:
        message = "is not between 2000 and 2200"
        raise ValueError(message)
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_within_the_calendar)]


class ReportParameters(BaseModel):
    """What of a report; one that is not known is an error, because a misspelt filter would show too much."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    from_: Annotated[Moment | None, Field(alias="from", description="inclusive; default: seven days before `to`")] = (
        None
    )
    to: Annotated[Moment | None, Field(description="exclusive; default: now")] = None
    device_id: Annotated[list[ClientIdField] | None, Field(max_length=200, description="repeat it")] = None
    group: Annotated[list[GroupName] | None, Field(max_length=50, description="repeat it")] = None
    metric: Annotated[list[MetricKeyField] | None, Field(max_length=64, description="repeat it; of `metrics`")] = None
    period: Annotated[Period, Field(description="of `metrics`")] = "day"
    tz: Annotated[TimeZone, Field(description="whose days, and in which times are shown")] = "UTC"
    format: ReportFormat = "json"
    bom: Annotated[bool, Field(description="a CSV begins with a byte order mark, by which spreadsheets know UTF-8")] = (
        True
    )

    def question(self, kind: ReportKind, now: datetime) -> ReportQuestion:
        """Return the question."""
        end = self.to or now
        chosen = ReportFilter(
            device_ids=None if self.device_id is None else frozenset(self.device_id),
            groups=None if self.group is None else frozenset(self.group),
            metrics=None if self.metric is None else tuple(dict.fromkeys(self.metric)),
            period=self.period,
        )
        return ReportQuestion(kind, self.from_ or end - USUAL_RANGE, end, self.tz, chosen)


class ColumnAnswer(BaseModel):
    """A column; `kind` says how to show it."""

    key: str
    label: str
    kind: ColumnKind


class FigureAnswer(BaseModel):
    """A number of the whole."""

    label: str
    value: str | int | float | bool | None
    kind: ColumnKind


class ReportAnswer(BaseModel):
    """A report. Rows have a value for each column's key; moments are ISO 8601 in UTC."""

    kind: ReportKind
    title: str
    from_: Annotated[datetime, Field(alias="from")]
    to: datetime
    time_zone: str
    made_at: datetime
    columns: list[ColumnAnswer]
    figures: list[FigureAnswer]
    rows: list[dict[str, str | int | float | bool | None]]
    notes: Annotated[list[str], Field(description="what one should know to read it rightly")]


class ReportItem(BaseModel):
    """A kind of report, and whether the caller may have it."""

    kind: ReportKind
    title: str
    needs: Annotated[list[str], Field(description="permissions")]
    may_read: bool


class ReportList(BaseModel):
    """Every kind of report."""

    items: list[ReportItem]


def report_router(
    make: MakeReport, directory: AccessDirectory, state: LiveState, audit: AccessAudit, clock: Clock
) -> APIRouter:
    """Return the routes of reports."""
    router = APIRouter(prefix="/api/reports", tags=["reports"])

    @router.get("", summary="Which reports there are")
    async def list_reports(principal: Reader) -> ReportList:
        return ReportList(
            items=[
                ReportItem(
                    kind=kind,
                    title=TITLES[kind],
                    needs=[Permission.REPORTS_READ, NEEDED[kind]],
                    may_read=NEEDED[kind] in principal.permissions,
                )
                for kind in ReportKind
            ]
        )

    @router.get("/{kind}", summary="Make a report", response_model=ReportAnswer, responses=_ANSWERS)
    async def read_report(
        kind: Annotated[ReportKind, Path()],
        principal: Reader,
        asked: Annotated[ReportParameters, Query()],
    ) -> Response:
        scope = await scope_for(principal, directory, state)
        report = await make(asked.question(kind, clock.now()), scope)
        tell_report(audit, kind)
        return _shown(report, asked)

    return router


def _shown(report: Report, asked: ReportParameters) -> Response:
    if asked.format == "csv":
        headers = {"Content-Disposition": f'attachment; filename="{report.file_name}.csv"'}
        return Response(report_csv(report, has_mark=asked.bom), media_type="text/csv; charset=utf-8", headers=headers)
    if asked.format == "html":
        return HTMLResponse(report_page(report), headers={"Content-Security-Policy": PAGE_POLICY + _FRAMES})
    return JSONResponse(report_json(report))
