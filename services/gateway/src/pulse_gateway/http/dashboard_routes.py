"""`/api/dashboard/summary` and the description of the live socket."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from pulse_chassis.bearer import Principal, public, requires
from pulse_contracts.frames import Topic
from pulse_contracts.permissions import Permission
from pulse_gateway.http.asyncapi import asyncapi_document
from pulse_gateway.http.schemas import SummaryReply
from pulse_gateway.http.telemetry_routes import scope_for
from pulse_gateway.use_cases.access_directory import AccessDirectory
from pulse_gateway.use_cases.live_state import LiveState
from pulse_gateway.use_cases.read_history import live_position


def dashboard_router(state: LiveState, directory: AccessDirectory) -> APIRouter:
    """Return the routes over this state."""
    router = APIRouter(prefix="/api", tags=["dashboard"])

    @router.get("/dashboard/summary", summary="The figures on top of the dashboard, within the caller's scope")
    async def summary(
        principal: Annotated[Principal, Depends(requires(Permission.SYSTEM_READ))],
    ) -> SummaryReply:
        scope = await scope_for(principal, directory, state)
        live = live_position(state, Topic.SYSTEM)
        return SummaryReply(**state.summarise(scope.visible).model_dump(), live=live)

    @router.get(
        "/live/asyncapi.json",
        summary="The live socket, as AsyncAPI 3",
        dependencies=[Depends(public("how to speak to the socket is no secret"))],
    )
    async def asyncapi() -> dict[str, Any]:
        return asyncapi_document()

    return router
