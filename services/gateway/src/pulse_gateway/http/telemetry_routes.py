"""`/api/telemetry/latest` and `/api/telemetry/history`: the read side, within the caller's scope."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from pulse_chassis.bearer import Principal, requires
from pulse_chassis.errors import InvalidError, UnavailableError
from pulse_contracts.frames import Topic
from pulse_contracts.permissions import Permission
from pulse_gateway.domain.history import BadCursorError, HistoryQuery, read_cursor, write_cursor
from pulse_gateway.domain.scope import Scope
from pulse_gateway.domain.times import to_ms
from pulse_gateway.http.schemas import (
    HistoryItem,
    HistoryParameters,
    HistoryReply,
    LatestItem,
    LatestPage,
    LatestParameters,
)
from pulse_gateway.use_cases.access_directory import AccessDirectory
from pulse_gateway.use_cases.live_state import LiveState
from pulse_gateway.use_cases.ports import AccessAudit, HistoryReader
from pulse_gateway.use_cases.read_history import live_position, read_history
from pulse_gateway.use_cases.read_latest import read_latest
from pulse_gateway.use_cases.tell_access import tell_access

Reader = Annotated[Principal, Depends(requires(Permission.TELEMETRY_READ))]


def telemetry_router(
    state: LiveState, directory: AccessDirectory, history: HistoryReader, audit: AccessAudit
) -> APIRouter:
    """Return the routes over this state."""
    router = APIRouter(prefix="/api/telemetry", tags=["telemetry"])

    @router.get("/latest", summary="The newest value of every metric")
    async def latest(principal: Reader, asked: Annotated[LatestParameters, Query()]) -> LatestPage:
        scope = await scope_for(principal, directory, state)
        live = live_position(state, Topic.TELEMETRY_LATEST)
        after = None if asked.cursor is None else _device_of(asked.cursor)
        page = read_latest(
            state, scope, device_ids=_split(asked.device_ids), metrics=_split(asked.metrics),
            after=after, limit=asked.limit,
        )  # fmt: skip
        tell_access(audit, "telemetry.read", _split(asked.device_ids))
        items = [
            LatestItem(device_id=row[0], metric=row[1], ts=row[2], value=row[3], quality=row[4]) for row in page.rows
        ]
        cursor = None if page.last_device is None else _cursor_of(page.last_device)
        return LatestPage(items=items, next_cursor=cursor, live=live)

    @router.get(
        "/history", summary="Stored readings of a device, page by page", response_model=HistoryReply,
        responses={404: {"description": "No such device, or none of yours"}},
    )  # fmt: skip
    async def read_history_page(principal: Reader, asked: Annotated[HistoryParameters, Query()]) -> Response:
        scope = await scope_for(principal, directory, state)
        query = _query(asked)
        page, live = await read_history(query, scope, state, history)
        tell_access(audit, "telemetry.read", [query.device_id])
        reply = HistoryReply(
            device_id=query.device_id,
            items=[
                HistoryItem(
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
        return Response(reply.model_dump_json(), media_type="application/json")

    return router


async def scope_for(principal: Principal, directory: AccessDirectory, state: LiveState) -> Scope:
    """Return what the caller may see now. Raises UnauthorizedError, UnavailableError."""
    if not state.is_ready:
        message = "the live state is being loaded"
        raise UnavailableError(message, code="not_ready", retry_after=1)
    return await directory.scope_of(principal)


def _query(asked: HistoryParameters) -> HistoryQuery:
    query = HistoryQuery(
        device_id=asked.device_id,
        metrics=None if asked.metric is None else tuple(asked.metric),
        start=_aware(asked.from_),
        end=_aware(asked.to),
        order=asked.order,
        limit=asked.limit,
    )
    if asked.cursor is None:
        return query
    try:
        place = read_cursor(query, asked.cursor)
    except BadCursorError:
        raise _bad_cursor() from None
    return HistoryQuery(query.device_id, query.metrics, query.start, query.end, query.order, query.limit, place)


def _aware(moment: datetime | None) -> datetime | None:
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)


def _split(values: list[str] | None) -> frozenset[str] | None:
    if values is None:
        return None
    return frozenset(part for value in values for part in value.split(",") if part)


def _cursor_of(device_id: str) -> str:
    return base64.urlsafe_b64encode(f"1:{device_id}".encode()).rstrip(b"=").decode()


def _device_of(cursor: str) -> str:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise _bad_cursor() from None
    if not text.startswith("1:"):
        raise _bad_cursor()
    return text[2:]


def _bad_cursor() -> InvalidError:
    return InvalidError("the cursor is not one of this query", code="bad_cursor", field="query.cursor")
