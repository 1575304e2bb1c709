"""`/api/telemetry/history`: stored readings one by one, or as series by interval or thinned to a number of points."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from pulse_chassis.bearer import Principal, requires
from pulse_chassis.clock import Clock
from pulse_chassis.errors import InvalidError
from pulse_contracts.frames import LivePosition
from pulse_contracts.permissions import Permission
from pulse_gateway.domain.history import (
    BadCursorError,
    HistoryPage,
    HistoryQuery,
    TooManySeriesError,
    read_cursor,
    write_cursor,
)
from pulse_gateway.domain.scope import Scope
from pulse_gateway.domain.series_query import SeriesAnswers, SeriesQuestion
from pulse_gateway.domain.times import to_ms
from pulse_gateway.http.history_schemas import (
    HistoryItem,
    HistoryPageReply,
    HistoryParameters,
    SeriesReply,
    aware,
    series_question,
)
from pulse_gateway.http.telemetry_routes import scope_for
from pulse_gateway.use_cases.access_directory import AccessDirectory
from pulse_gateway.use_cases.history_ports import SeriesReader
from pulse_gateway.use_cases.live_state import LiveState
from pulse_gateway.use_cases.ports import AccessAudit, HistoryReader
from pulse_gateway.use_cases.read_history import read_history
from pulse_gateway.use_cases.read_series import read_series
from pulse_gateway.use_cases.tell_access import tell_access


def history_router(
    state: LiveState,
    directory: AccessDirectory,
    readers: tuple[HistoryReader, SeriesReader],
    audit: AccessAudit,
    clock: Clock,
) -> APIRouter:
    """Return the route over this state."""
    router = APIRouter(prefix="/api/telemetry", tags=["telemetry"])
    pages, series = readers

    @router.get(
        "/history", summary="Stored readings of devices: page by page, by interval, or thinned for a chart",
        response_model=HistoryPageReply | SeriesReply,
        responses={404: {"description": "No such device, or none of yours"}},
    )  # fmt: skip
    async def read_telemetry_history(
        principal: Annotated[Principal, Depends(requires(Permission.TELEMETRY_READ))],
        asked: Annotated[HistoryParameters, Query()],
    ) -> Response:
        scope = await scope_for(principal, directory, state)
        if asked.is_for_series:
            question = series_question(asked, clock.now())
            answers, live = await read_series(question, scope, state, series)
            body = orjson.dumps(series_body(question, answers, live, asked.tz))
        else:
            body = await _page(asked, scope)
        tell_access(audit, "telemetry.read", asked.device_id)
        return Response(body, media_type="application/json")

    async def _page(asked: HistoryParameters, scope: Scope) -> bytes:
        query = _query(asked)
        try:
            page, live = await read_history(query, scope, state, pages)
        except TooManySeriesError as error:
            message = (
                f"a page of {query.limit} of each of {error.series} series is too much: ask for a smaller limit, or for"
                " fewer devices or metrics"
            )
            raise InvalidError(message, code="too_many_rows", field="query.limit") from None
        return _page_body(query, page, live)

    return router


def series_body(question: SeriesQuestion, answers: SeriesAnswers, live: LivePosition, zone: str) -> dict[str, object]:
    """Return what `SeriesReply` describes; there may be too many points in it for a model."""
    is_thinned = question.interval is None or question.max_points is not None
    names = [aggregate.value for aggregate in question.aggregates] if question.interval is not None else ["value"]
    return {
        "from": question.start_us // 1000,
        "to": question.end_us // 1000,
        "interval": None if question.interval is None else str(question.interval),
        "tz": zone,
        "downsample": question.thinning.value if is_thinned else None,
        "series": [
            {
                "device_id": answer.series.device_id,
                "metric": answer.series.metric,
                "kind": answer.series.kind.value,
                "source": answer.source.value,
                "resolution_ms": answer.resolution_ms,
                "columns": ["ts", *names],
                "points": answer.rows,
            }
            for answer in answers.answers
        ],
        "skipped": [
            {"device_id": skipped.series.device_id, "metric": skipped.series.metric, "reason": skipped.reason}
            for skipped in answers.skipped
        ],
        "live": live.model_dump(mode="json"),
    }


def _page_body(query: HistoryQuery, page: HistoryPage, live: LivePosition) -> bytes:
    reply = HistoryPageReply(
        device_ids=list(query.device_ids),
        items=[
            HistoryItem(
                device_id=reading.device_id,
                metric=reading.metric,
                ts=to_ms(reading.recorded_at),
                recorded_at=reading.recorded_at,
                received_at=reading.received_at,
                value=reading.value,
                quality=reading.quality,
                epoch=reading.epoch,
                sequence_no=reading.sequence_no,
            )
            for reading in page.readings
        ],
        next_cursor=None if page.next_place is None else write_cursor(query, page.next_place),
        live=live,
    )
    return reply.model_dump_json().encode()


def _query(asked: HistoryParameters) -> HistoryQuery:
    query = HistoryQuery(
        device_ids=tuple(dict.fromkeys(asked.device_id)),
        metrics=None if asked.metric is None else tuple(asked.metric),
        start=aware(asked.from_),
        end=aware(asked.to),
        order=asked.order,
        limit=asked.limit,
    )
    if asked.cursor is None:
        return query
    try:
        place = read_cursor(query, asked.cursor)
    except BadCursorError:
        message = "the cursor is not one of this query"
        raise InvalidError(message, code="bad_cursor", field="query.cursor") from None
    return HistoryQuery(query.device_ids, query.metrics, query.start, query.end, query.order, query.limit, place)
