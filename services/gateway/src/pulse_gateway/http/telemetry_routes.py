"""`/api/telemetry/latest`: the newest values, within the caller's scope."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from pulse_chassis.bearer import Principal, requires
from pulse_chassis.errors import InvalidError, UnavailableError
from pulse_contracts.frames import Topic
from pulse_contracts.permissions import Permission
from pulse_gateway.domain.scope import Scope
from pulse_gateway.http.schemas import LatestItem, LatestPage, LatestParameters
from pulse_gateway.use_cases.access_directory import AccessDirectory
from pulse_gateway.use_cases.live_state import LiveState
from pulse_gateway.use_cases.ports import AccessAudit
from pulse_gateway.use_cases.read_history import live_position
from pulse_gateway.use_cases.read_latest import read_latest
from pulse_gateway.use_cases.tell_access import tell_access

Reader = Annotated[Principal, Depends(requires(Permission.TELEMETRY_READ))]


def telemetry_router(state: LiveState, directory: AccessDirectory, audit: AccessAudit) -> APIRouter:
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

    return router


async def scope_for(principal: Principal, directory: AccessDirectory, state: LiveState) -> Scope:
    """Return what the caller may see now. Raises UnauthorizedError, UnavailableError."""
    if not state.is_ready:
        message = "the live state is being loaded"
        raise UnavailableError(message, code="not_ready", retry_after=1)
    return await directory.scope_of(principal)


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
