"""`/api/report-schedules`: one's own reports that are sent by mail, and what became of each sending."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from pulse_chassis.api_links import link, links
from pulse_chassis.bearer import Principal, requires
from pulse_chassis.http_preconditions import IfMatch, set_etag
from pulse_chassis.mail import ADDRESS_PATTERN
from pulse_contracts.ids import ClientIdField, MetricKeyField
from pulse_contracts.permissions import Permission
from pulse_gateway.domain.report import Period, ReportFilter, ReportKind
from pulse_gateway.domain.report_schedule import (
    MAX_RECEIVERS,
    AttachedAs,
    Schedule,
    ScheduleWish,
    Sending,
    SendingState,
)
from pulse_gateway.domain.rhythm import Every, Rhythm
from pulse_gateway.http.report_routes import GroupName, Moment, TimeZone
from pulse_gateway.http.telemetry_routes import scope_for
from pulse_gateway.use_cases.access_directory import AccessDirectory
from pulse_gateway.use_cases.keep_schedules import KeepSchedules
from pulse_gateway.use_cases.live_state import LiveState

Reader = Annotated[Principal, Depends(requires(Permission.REPORTS_READ))]
ScheduleId = Annotated[UUID, Path(examples=["0b8f1c52-4a57-4c8e-8a55-6a0f3b7d9c21"])]
Receiver = Annotated[str, StringConstraints(pattern=ADDRESS_PATTERN), Field(examples=["night@example.com"])]
_SELF = {"schedule_id": "$response.body#/id"}
_LINKS = {
    "read": link("GET /api/report-schedules/{schedule_id}", _SELF),
    "replace": link("PUT /api/report-schedules/{schedule_id}", _SELF, if_match=True),
    "delete": link("DELETE /api/report-schedules/{schedule_id}", _SELF, if_match=True),
    "sendings": link("GET /api/report-schedules/{schedule_id}/sendings", _SELF),
}
_EXAMPLE: dict[str, Any] = {
    "name": "Health of the hall, weekly",
    "kind": "device-health",
    "attached_as": "html",
    "every": "week",
    "at": "07:00",
    "weekday": 1,
    "tz": "Europe/Berlin",
    "receivers": ["night@example.com"],
}


def _each_once(values: list[str]) -> list[str]:
    if len({value.lower() for value in values}) < len(values):
        message = "names somebody twice"
        raise ValueError(message)
    return values


class Part(BaseModel):
    """A part of a body or an answer; in a body an unknown field is a mistake that must not go unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ScheduleFields(Part):
    """What is sent, to whom and when."""

    name: Annotated[
        str, StringConstraints(min_length=1, max_length=80, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]*$")
    ]
    kind: ReportKind
    attached_as: AttachedAs = "html"
    every: Every
    at: Annotated[
        str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), Field(description="local time")
    ] = "07:00"
    weekday: Annotated[int, Field(ge=1, le=7, description="of `week`; 1 is Monday")] = 1
    day: Annotated[int, Field(ge=1, le=31, description="of `month`; the last one in shorter months")] = 1
    tz: TimeZone = "UTC"
    receivers: Annotated[list[Receiver], Field(min_length=1, max_length=MAX_RECEIVERS), AfterValidator(_each_once)]
    device_ids: Annotated[list[ClientIdField] | None, Field(max_length=200, description="null: all in scope")] = None
    groups: Annotated[list[GroupName] | None, Field(max_length=50)] = None
    metrics: Annotated[list[MetricKeyField] | None, Field(max_length=64, description="of `metrics`")] = None
    period: Annotated[Period, Field(description="of `metrics`")] = "day"
    is_active: bool = True


class ScheduleBody(ScheduleFields):
    """A whole schedule."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [_EXAMPLE]})

    def wish(self) -> ScheduleWish:
        """Return it as the use case takes it."""
        return ScheduleWish(
            name=self.name,
            kind=self.kind,
            attached_as=self.attached_as,
            filter=ReportFilter(
                device_ids=None if self.device_ids is None else frozenset(self.device_ids),
                groups=None if self.groups is None else frozenset(self.groups),
                metrics=None if self.metrics is None else tuple(dict.fromkeys(self.metrics)),
                period=self.period,
            ),
            rhythm=Rhythm(self.every, time.fromisoformat(self.at), self.tz, self.weekday, self.day),
            receivers=tuple(self.receivers),
            is_active=self.is_active,
        )


class ScheduleAnswer(ScheduleFields):
    """A schedule as it is kept."""

    id: UUID
    next_at: Annotated[datetime | None, Field(description="when it is due; null: it is switched off")]
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, kept: Schedule) -> ScheduleAnswer:
        """Return the answer for a schedule."""
        wish, rhythm, chosen = kept.wish, kept.wish.rhythm, kept.wish.filter
        return cls(
            id=kept.id,
            name=wish.name,
            kind=wish.kind,
            attached_as=wish.attached_as,
            every=rhythm.every,
            at=rhythm.at.isoformat("minutes"),
            weekday=rhythm.weekday,
            day=rhythm.day,
            tz=rhythm.zone,
            receivers=list(wish.receivers),
            device_ids=None if chosen.device_ids is None else sorted(chosen.device_ids),
            groups=None if chosen.groups is None else sorted(chosen.groups),
            metrics=None if chosen.metrics is None else list(chosen.metrics),
            period=chosen.period,
            is_active=wish.is_active,
            next_at=kept.next_at,
            version=kept.version,
            created_at=kept.created_at,
            updated_at=kept.updated_at,
        )


class ScheduleList(Part):
    """All of one's schedules, the oldest first."""

    items: Sequence[ScheduleAnswer]
    is_mail_configured: Annotated[
        bool, Field(description="false: nothing is sent until an operator names a mail server")
    ]


class SendingAnswer(Part):
    """One report that was sent, is to be sent, or could not be."""

    id: UUID
    due_at: datetime
    from_: Annotated[datetime, Field(serialization_alias="from", description="what it covers")]
    to: datetime
    state: SendingState
    attempts: int
    try_at: Annotated[datetime | None, Field(description="when it is tried next; null: it has ended")]
    finished_at: datetime | None
    rows: int | None
    code: Annotated[str | None, Field(description="why the last attempt did not work")]
    reason: str | None

    @classmethod
    def of(cls, kept: Sending) -> SendingAnswer:
        """Return the answer for a sending."""
        return cls(
            id=kept.id,
            due_at=kept.due_at,
            from_=kept.start,
            to=kept.end,
            state=kept.state,
            attempts=kept.attempts,
            try_at=kept.try_at if kept.state is SendingState.WAITING else None,
            finished_at=kept.finished_at,
            rows=kept.rows,
            code=kept.code,
            reason=kept.reason,
        )


class SendingPage(Part):
    """What became of a schedule's reports, newest first; ended ones are kept for 90 days."""

    items: Sequence[SendingAnswer]
    next_before: Annotated[datetime | None, Field(description="give it as `before` for the page after; null: the end")]


def schedule_router(
    keep: KeepSchedules, directory: AccessDirectory, state: LiveState, *, is_mail_configured: bool
) -> APIRouter:
    """Return the routes of schedules."""
    router = APIRouter(prefix="/api/report-schedules", tags=["reports"])

    @router.get("", summary="List one's report schedules")
    async def list_schedules(principal: Reader) -> ScheduleList:
        kept = await keep.all(await scope_for(principal, directory, state))
        return ScheduleList(items=[ScheduleAnswer.of(one) for one in kept], is_mail_configured=is_mail_configured)

    @router.post("", status_code=201, summary="Add a report schedule", responses=links(201, _LINKS))
    async def add_schedule(body: ScheduleBody, principal: Reader, response: Response) -> ScheduleAnswer:
        scope = await scope_for(principal, directory, state)
        return _answer(response, await keep.add(scope, body.wish()))

    @router.get("/{schedule_id}", summary="Read a report schedule", responses=links(200, _LINKS))
    async def read_schedule(schedule_id: ScheduleId, principal: Reader, response: Response) -> ScheduleAnswer:
        scope = await scope_for(principal, directory, state)
        return _answer(response, await keep.one(scope, schedule_id))

    @router.put("/{schedule_id}", summary="Replace a report schedule", responses=links(200, _LINKS))
    async def replace_schedule(
        schedule_id: ScheduleId, body: ScheduleBody, principal: Reader, expected: IfMatch, response: Response
    ) -> ScheduleAnswer:
        scope = await scope_for(principal, directory, state)
        return _answer(response, await keep.replace(scope, schedule_id, body.wish(), expected))

    @router.delete("/{schedule_id}", status_code=204, summary="Delete a report schedule")
    async def delete_schedule(schedule_id: ScheduleId, principal: Reader, expected: IfMatch) -> Response:
        await keep.delete(await scope_for(principal, directory, state), schedule_id, expected)
        return Response(status_code=204)

    @router.post("/{schedule_id}/send", status_code=202, summary="Send the newest report now")
    async def send_now(schedule_id: ScheduleId, principal: Reader) -> SendingAnswer:
        return SendingAnswer.of(await keep.send_now(await scope_for(principal, directory, state), schedule_id))

    @router.get("/{schedule_id}/sendings", summary="See what became of a schedule's reports")
    async def list_sendings(
        schedule_id: ScheduleId,
        principal: Reader,
        before: Annotated[Moment | None, Query(description="`next_before` of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> SendingPage:
        scope = await scope_for(principal, directory, state)
        found = await keep.sendings(scope, schedule_id, before, limit)
        return SendingPage(
            items=[SendingAnswer.of(sending) for sending in found],
            next_before=found[-1].due_at if len(found) == limit else None,
        )

    return router


def _answer(response: Response, kept: Schedule) -> ScheduleAnswer:
    set_etag(response, kept.version)
    return ScheduleAnswer.of(kept)
