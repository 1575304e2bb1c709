"""What exports take and give."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pulse_chassis.errors import InvalidError
from pulse_gateway.domain.export import Decimal, ExportForm, ExportFormat, ExportQuestion, Layout, Separator
from pulse_gateway.domain.export_job import ExportJob, JobState
from pulse_gateway.http.history_schemas import RangeParameters, SeriesParameters, range_of
from pulse_gateway.http.schemas import Moment, Query


class FormFields(Query):
    """How an export is written."""

    format: Annotated[ExportFormat, Field(description="of the file")] = ExportFormat.CSV
    layout: Annotated[
        Layout, Field(description="long: a line for each reading; wide: a line for each device and moment")
    ] = Layout.LONG
    separator: Annotated[Separator, Field(description="between cells")] = Separator.COMMA
    decimal: Annotated[Decimal, Field(description="in numbers; not a comma where commas separate")] = Decimal.POINT
    bom: Annotated[bool, Field(description="begin with a byte order mark, by which a spreadsheet knows UTF-8")] = False

    @property
    def form(self) -> ExportForm:
        """The form. Raises InvalidError."""
        if self.decimal is Decimal.COMMA and self.separator is Separator.COMMA:
            message = "a comma cannot both separate cells and stand in numbers"
            raise InvalidError(message, code="ambiguous_comma", field="decimal")
        return ExportForm(self.format, self.layout, self.separator, self.decimal, self.bom)


class ExportParameters(SeriesParameters, FormFields):
    """Which readings, and how they are written: one by one, or put together by `interval` or `agg`."""

    @property
    def is_for_series(self) -> bool:
        """Whether series are asked for, not single readings."""
        return self.interval is not None or self.agg is not None


class ExportBody(RangeParameters, FormFields):
    """Which readings, and how they are written."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        json_schema_extra={
            "examples": [
                {"device_id": ["PUMP-7"], "from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z", "format": "csv"}
            ]
        },
    )


class ExportProblem(BaseModel):
    """Why an export failed."""

    code: str
    message: str


class ExportItem(BaseModel):
    """An export that is made in the background."""

    id: UUID
    state: JobState
    device_ids: list[str]
    metrics: Annotated[list[str] | None, Field(description="null: all")]
    from_: Annotated[int, Field(alias="from", description="Unix ms")]
    to: Annotated[int, Field(description="Unix ms")]
    format: ExportFormat
    layout: Layout
    file_name: str
    rows_done: int
    rows_estimated: int
    size_bytes: Annotated[int, Field(description="of the file as it is downloaded; grows until it is ready")]
    problem: ExportProblem | None
    created_at: Moment
    ended_at: Moment | None
    expires_at: Annotated[Moment | None, Field(description="the file is there until then")]

    @classmethod
    def of(cls, job: ExportJob) -> ExportItem:
        """Return what is told of a job."""
        question = job.question
        problem = None
        if job.problem is not None:
            problem = ExportProblem(code=job.problem.code, message=job.problem.message)
        fields = {"from": question.start_us // 1000, "to": question.end_us // 1000}
        return cls(
            id=job.id,
            state=job.state,
            device_ids=list(question.device_ids),
            metrics=None if question.metrics is None else list(question.metrics),
            format=question.form.format,
            layout=question.form.layout,
            file_name=job.file_name,
            rows_done=job.rows_done,
            rows_estimated=job.plan.rows,
            size_bytes=job.size_bytes,
            problem=problem,
            created_at=job.created_at,
            ended_at=job.ended_at,
            expires_at=job.expires_at,
            **fields,
        )


class ExportList(BaseModel):
    """Somebody's exports, newest first."""

    items: list[ExportItem]


def export_question(asked: ExportParameters | ExportBody, now: datetime) -> ExportQuestion:
    """Return the question. Raises InvalidError."""
    start, end = range_of(asked, now)
    return ExportQuestion(
        device_ids=tuple(dict.fromkeys(asked.device_id)),
        metrics=None if asked.metric is None else tuple(dict.fromkeys(asked.metric)),
        start_us=start,
        end_us=end,
        zone_name=asked.tz,
        form=asked.form,
    )
