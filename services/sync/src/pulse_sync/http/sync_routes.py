"""`/api/sync`: desktops, the sync log, conflicts. What the caller may not see is answered like what is not there."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AwareDatetime

from pulse_chassis.bearer import Principal, requires
from pulse_contracts.ids import CLIENT_ID_PATTERN
from pulse_contracts.permissions import Permission
from pulse_sync.http.schemas import (
    ConflictAnswer,
    ConflictPage,
    DesktopAnswer,
    DesktopPage,
    LogAnswer,
    LogPage,
)
from pulse_sync.http.use_case_set import Given
from pulse_sync.use_cases.view_ports import ConflictFilter, DesktopFilter, DesktopSort, DeviceScope, LogFilter, Part

router = APIRouter(tags=["sync"])
MAX_PAGE: Final = 10_000
PLAIN_TEXT: Final = r"^[^\x00-\x1f\x7f]*$"
Entity = Literal["permissions", "roles", "users", "config"]
PageNumber = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Limit = Annotated[int, Query(ge=1, le=500)]
DeviceQuery = Annotated[str | None, Query(pattern=CLIENT_ID_PATTERN)]
DeviceId = Annotated[str, Path(pattern=CLIENT_ID_PATTERN)]
Reader = Annotated[Principal, Depends(requires(Permission.SYNC_READ))]
Resolver = Annotated[Principal, Depends(requires(Permission.SYNC_RESOLVE))]


def _scope(principal: Principal) -> DeviceScope:
    return DeviceScope(None if Permission.DEVICES_ALL in principal.permissions else principal.user_id)


async def _wanted_desktops(
    q: Annotated[str | None, Query(max_length=64, pattern=PLAIN_TEXT, description="part of an id or a name")] = None,
    is_lagging: bool | None = None,
    sort: DesktopSort = DesktopSort.ID,
) -> DesktopFilter:
    return DesktopFilter(q or None, is_lagging, sort)


async def _wanted_lines(  # noqa: PLR0913, PLR0917 -- a filter, each by name
    desktop_id: DeviceQuery = None,
    direction: Literal["up", "down", "web"] | None = None,
    entity: Entity | None = None,
    row_id: Annotated[str | None, Query(max_length=256, pattern=PLAIN_TEXT)] = None,
    source: Literal["web", "desktop"] | None = None,
    status: Annotated[
        Literal["applied", "conflict_lost", "rejected", "refused", "failed"] | None, Query(description="how it ended")
    ] = None,
    begins: Annotated[AwareDatetime | None, Query(alias="from", description="from this moment on")] = None,
    ends: Annotated[AwareDatetime | None, Query(alias="to", description="before this moment")] = None,
) -> LogFilter:
    return LogFilter(desktop_id, direction, entity, row_id, source, status, begins, ends)


async def _wanted_conflicts(
    state: Literal["open", "resolved"] | None = None,
    desktop_id: DeviceQuery = None,
    entity: Entity | None = None,
    winner: Literal["desktop", "server"] | None = None,
) -> ConflictFilter:
    return ConflictFilter(None if state is None else state == "open", desktop_id, entity, winner)


@router.get("/api/sync/desktops", summary="List desktops")
async def list_desktops(
    principal: Reader,
    given: Given,
    wanted: Annotated[DesktopFilter, Depends(_wanted_desktops)],
    page: PageNumber = 1,
    limit: Limit = 50,
) -> DesktopPage:
    """Return desktops with how far each is."""
    found, total = await given.views.desktops(_scope(principal), wanted, Part(limit, (page - 1) * limit))
    return DesktopPage(items=[DesktopAnswer.of(view) for view in found], total=total, page=page, limit=limit)


@router.get("/api/sync/desktops/{device_id}", summary="Read a desktop's sync state")
async def read_desktop(device_id: DeviceId, principal: Reader, given: Given) -> DesktopAnswer:
    """Return how far a desktop is."""
    return DesktopAnswer.of(await given.views.desktop(_scope(principal), device_id))


@router.post("/api/sync/desktops/{device_id}/force", status_code=202, summary="Make a desktop compare everything")
async def force_desktop(device_id: DeviceId, principal: Resolver, given: Given) -> DesktopAnswer:
    """Have a desktop compare all it holds with the server, and fetch what differs."""
    return DesktopAnswer.of(await given.force(_scope(principal), device_id))


@router.get("/api/sync/log", summary="Read the sync log")
async def read_log(
    principal: Reader,
    given: Given,
    wanted: Annotated[LogFilter, Depends(_wanted_lines)],
    page: PageNumber = 1,
    limit: Limit = 50,
) -> LogPage:
    """Return what was applied and refused, newest first."""
    found, total = await given.views.log(_scope(principal), wanted, Part(limit, (page - 1) * limit))
    return LogPage(items=[LogAnswer.of(view) for view in found], total=total, page=page, limit=limit)


@router.get("/api/sync/conflicts", summary="List conflicts")
async def list_conflicts(
    principal: Reader,
    given: Given,
    wanted: Annotated[ConflictFilter, Depends(_wanted_conflicts)],
    page: PageNumber = 1,
    limit: Limit = 50,
) -> ConflictPage:
    """Return conflicts, newest first."""
    found, total = await given.views.conflicts(_scope(principal), wanted, Part(limit, (page - 1) * limit))
    return ConflictPage(items=[ConflictAnswer.of(view) for view in found], total=total, page=page, limit=limit)


@router.get("/api/sync/conflicts/{conflict_id}", summary="Read a conflict")
async def read_conflict(conflict_id: UUID, principal: Reader, given: Given) -> ConflictAnswer:
    """Return both sides of a conflict."""
    return ConflictAnswer.of(await given.views.conflict(_scope(principal), conflict_id))


@router.post("/api/sync/conflicts/{conflict_id}/restore", summary="Make the lost side stand after all")
async def restore_conflict(conflict_id: UUID, principal: Resolver, given: Given) -> ConflictAnswer:
    """Apply the side that lost as a new edit by the caller, with the caller's rights; the conflict is resolved."""
    return ConflictAnswer.of(await given.settle.restore(principal, _scope(principal), conflict_id))


@router.post("/api/sync/conflicts/{conflict_id}/dismiss", summary="Leave what stands")
async def dismiss_conflict(conflict_id: UUID, principal: Resolver, given: Given) -> ConflictAnswer:
    """Resolve a conflict without changing anything."""
    return ConflictAnswer.of(await given.settle.dismiss(principal, _scope(principal), conflict_id))
