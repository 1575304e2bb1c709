"""`/api/dashboards` and `/api/preferences`: what anybody who is signed in keeps for themselves, and nobody else sees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from pulse_chassis.api_links import link, links
from pulse_chassis.bearer import Principal, authenticated
from pulse_chassis.http_preconditions import IfMatch, set_etag
from pulse_chassis.route_bounds import body_bound
from pulse_gateway.domain.saved_dashboard import Dashboard, DashboardWish, Preferences
from pulse_gateway.domain.time_zones import checked_time_zone
from pulse_gateway.http.dashboard_widgets import MAX_DASHBOARD_BYTES, DashboardDocument, Part
from pulse_gateway.use_cases.keep_dashboards import KeepDashboards
from pulse_gateway.use_cases.keep_preferences import KeepPreferences

SomebodySignedIn = Annotated[Principal, Depends(authenticated())]
DashboardId = Annotated[UUID, Path(examples=["0b8f1c52-4a57-4c8e-8a55-6a0f3b7d9c21"])]
DashboardName = Annotated[
    str, StringConstraints(min_length=1, max_length=80, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]*$")
]
_SELF = {"dashboard_id": "$response.body#/id"}
_LINKS = {
    "read": link("GET /api/dashboards/{dashboard_id}", _SELF),
    "replace": link("PUT /api/dashboards/{dashboard_id}", _SELF, if_match=True),
    "delete": link("DELETE /api/dashboards/{dashboard_id}", _SELF, if_match=True),
}
_EXAMPLE: dict[str, Any] = {
    "name": "Pump house",
    "widgets": [
        {"id": "figures", "kind": "kpi", "figures": ["active_devices", "buffered_records"]},
        {"id": "heat", "kind": "chart", "series": [{"device_id": "PUMP-7", "metric": "temperature"}]},
    ],
    "layouts": {
        "lg": [{"i": "figures", "x": 0, "y": 0, "w": 12, "h": 2}, {"i": "heat", "x": 0, "y": 2, "w": 6, "h": 5}]
    },
}


TimeZone = Annotated[
    str, StringConstraints(max_length=64), AfterValidator(checked_time_zone), Field(examples=["Europe/Berlin"])
]


class DashboardBody(DashboardDocument):
    """A whole dashboard."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [_EXAMPLE]})

    name: DashboardName
    is_default: Annotated[bool | None, Field(description="null: as it is; the default stays it until another is")] = (
        None
    )

    def wish(self) -> DashboardWish:
        """Return it as the use case takes it."""
        document = self.model_dump(mode="json", exclude={"name", "is_default"})
        return DashboardWish(self.name, self.is_default, document)


class DashboardAnswer(DashboardDocument):
    """A dashboard as it is kept."""

    id: UUID
    name: str
    is_default: bool
    version: int
    created_at: datetime
    updated_at: datetime


class DashboardItem(Part):
    """A dashboard without what is on it."""

    id: UUID
    name: str
    is_default: bool
    widgets: Annotated[int, Field(description="how many")]
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, kept: Dashboard) -> DashboardItem:
        """Return the line for a dashboard."""
        return cls(
            id=kept.id, name=kept.name, is_default=kept.is_default, widgets=len(kept.document.get("widgets", ())),
            version=kept.version, created_at=kept.created_at, updated_at=kept.updated_at,
        )  # fmt: skip


class DashboardList(Part):
    """All of one's dashboards, the oldest first."""

    items: Sequence[DashboardItem]


class PreferencesBody(Part):
    """All of one's preferences; null: as the browser says."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"theme": "dark", "time_zone": "Europe/Berlin"}]}
    )

    theme: Literal["light", "dark", "system"] = "system"
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")] | None = None
    density: Literal["comfortable", "compact"] = "comfortable"
    wall: Annotated[bool, Field(description="shown from afar: large, and without navigation")] = False
    time_zone: TimeZone | None = None
    clock: Annotated[Literal["12h", "24h"] | None, Field(description="null: as the language has it")] = None


class PreferencesAnswer(PreferencesBody):
    """One's preferences as they are kept; version 0: never saved."""

    version: int
    updated_at: datetime | None


def personal_router(dashboards: KeepDashboards, preferences: KeepPreferences) -> APIRouter:
    """Return the routes over what people keep."""
    router = APIRouter(prefix="/api", tags=["dashboard"])

    @router.get("/dashboards", summary="List one's dashboards")
    async def list_dashboards(principal: SomebodySignedIn) -> DashboardList:
        return DashboardList(items=[DashboardItem.of(kept) for kept in await dashboards.all(principal.user_id)])

    @router.post(
        "/dashboards", status_code=201, summary="Add a dashboard", responses=links(201, _LINKS),
        dependencies=[Depends(body_bound(MAX_DASHBOARD_BYTES))],
    )  # fmt: skip
    async def add_dashboard(body: DashboardBody, principal: SomebodySignedIn, response: Response) -> DashboardAnswer:
        return _dashboard(response, await dashboards.add(principal.user_id, body.wish()))

    @router.get("/dashboards/{dashboard_id}", summary="Read a dashboard", responses=links(200, _LINKS))
    async def read_dashboard(
        dashboard_id: DashboardId, principal: SomebodySignedIn, response: Response
    ) -> DashboardAnswer:
        return _dashboard(response, await dashboards.one(principal.user_id, dashboard_id))

    @router.put(
        "/dashboards/{dashboard_id}", summary="Replace a dashboard", responses=links(200, _LINKS),
        dependencies=[Depends(body_bound(MAX_DASHBOARD_BYTES))],
    )  # fmt: skip
    async def replace_dashboard(
        dashboard_id: DashboardId, body: DashboardBody, principal: SomebodySignedIn, expected: IfMatch,
        response: Response,
    ) -> DashboardAnswer:  # fmt: skip
        kept = await dashboards.replace(principal.user_id, dashboard_id, body.wish(), expected)
        return _dashboard(response, kept)

    @router.delete("/dashboards/{dashboard_id}", status_code=204, summary="Delete a dashboard")
    async def delete_dashboard(dashboard_id: DashboardId, principal: SomebodySignedIn, expected: IfMatch) -> Response:
        await dashboards.delete(principal.user_id, dashboard_id, expected)
        return Response(status_code=204)

    @router.get("/preferences", summary="Read one's preferences")
    async def read_preferences(principal: SomebodySignedIn, response: Response) -> PreferencesAnswer:
        return _preferences(response, await preferences.read(principal.user_id))

    @router.put("/preferences", summary="Replace one's preferences")
    async def replace_preferences(
        body: PreferencesBody, principal: SomebodySignedIn, expected: IfMatch, response: Response
    ) -> PreferencesAnswer:
        kept = await preferences.replace(principal.user_id, body.model_dump(mode="json"), expected)
        return _preferences(response, kept)

    return router


def _dashboard(response: Response, kept: Dashboard) -> DashboardAnswer:
    set_etag(response, kept.version)
    return DashboardAnswer(
        **kept.document, id=kept.id, name=kept.name, is_default=kept.is_default, version=kept.version,
        created_at=kept.created_at, updated_at=kept.updated_at,
    )  # fmt: skip


def _preferences(response: Response, kept: Preferences) -> PreferencesAnswer:
    set_etag(response, kept.version)
    return PreferencesAnswer(**kept.document, version=kept.version, updated_at=kept.updated_at)
