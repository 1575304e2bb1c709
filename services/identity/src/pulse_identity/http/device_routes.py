"""Devices. One that the caller may not see is answered like one that is not there."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import StringConstraints

from pulse_chassis.api_links import link, links
from pulse_chassis.bearer import Principal, requires
from pulse_chassis.errors import InvalidError
from pulse_chassis.http_preconditions import IfMatch, OptionalIfMatch, set_etag
from pulse_contracts.ids import CLIENT_ID_PATTERN
from pulse_contracts.permissions import Permission
from pulse_identity.domain.devices import DeviceView
from pulse_identity.domain.fields import PLAIN_TEXT
from pulse_identity.domain.queries import DeviceFilter, DeviceSort, Page
from pulse_identity.http.device_schemas import (
    BatchBody,
    ChangeDeviceBody,
    DeviceAnswer,
    DeviceDetail,
    DevicePage,
    RegisterBody,
    RegisteredDevice,
    RegisteredDevices,
    RotateBody,
    RotatedKey,
    ShareAnswer,
    ShareBody,
    ShareList,
)
from pulse_identity.http.people_routes import Limit, PageNumber, Search
from pulse_identity.http.use_case_set import Given, caller_of

router = APIRouter(tags=["devices"])
DeviceId = Annotated[str, Path(pattern=CLIENT_ID_PATTERN, examples=["PUMP-7"])]
ShareId = Annotated[UUID, Path(examples=["7f7f0b36-0f4c-4a3b-8f6e-3f1f5f0c9d42"])]
_SELF = {"device_id": "$response.body#/id"}
_NEW_DEVICE_LINKS = {
    "read": link("GET /api/devices/{device_id}", _SELF),
    "rotate_key": link("POST /api/devices/{device_id}/rotate-key", _SELF),
    "disable": link("POST /api/devices/{device_id}/disable", _SELF),
    "share": link("POST /api/devices/{device_id}/shares", _SELF),
    "shares": link("GET /api/devices/{device_id}/shares", _SELF),
}
_DEVICE_LINKS = _NEW_DEVICE_LINKS | {
    "change": link("PATCH /api/devices/{device_id}", _SELF, if_match=True),
    "enable": link("POST /api/devices/{device_id}/enable", _SELF, if_match=True),
    "delete": link("DELETE /api/devices/{device_id}", _SELF, if_match=True),
}
_SHARE_LINKS = {
    "take_back": link(
        "DELETE /api/devices/{device_id}/shares/{share_id}",
        {"device_id": "$request.path.device_id", "share_id": "$response.body#/id"},
    )
}
Reader = Annotated[Principal, Depends(requires(Permission.DEVICES_READ))]
Writer = Annotated[Principal, Depends(requires(Permission.DEVICES_WRITE))]


MetadataTerm = Annotated[str, StringConstraints(max_length=256, pattern=r"^[^\x00-\x1f\x7f:]{1,64}:[^\x00-\x1f\x7f]*$")]


async def _wanted(  # noqa: PLR0913, PLR0917 -- a filter, each by name
    q: Search = None,
    group: Annotated[str | None, Query(max_length=64, pattern=PLAIN_TEXT, examples=["hall-2"])] = None,
    kind: Annotated[str | None, Query(max_length=32, pattern=PLAIN_TEXT)] = None,
    is_active: bool | None = None,
    owner_id: UUID | None = None,
    metadata: Annotated[
        list[MetadataTerm],
        Query(max_length=8, description="`name:value`, compared as text; all must hold", examples=[["site:Oslo"]]),
    ] = [],  # noqa: B006 -- FastAPI copies it
    sort: DeviceSort = DeviceSort.ID,
) -> DeviceFilter:
    terms = tuple((name, value) for name, _, value in (term.partition(":") for term in metadata))
    return DeviceFilter(q or None, group, kind, is_active, owner_id, terms, sort)


Wanted = Annotated[DeviceFilter, Depends(_wanted)]


@router.post("/api/devices", status_code=201, responses=links(201, _NEW_DEVICE_LINKS), summary="Register a device")
async def register_device(body: RegisterBody, principal: Writer, given: Given) -> RegisteredDevice:
    """Register a device and its broker account; the API key is in the answer and nowhere else."""
    (new,) = await given.register_devices(caller_of(principal), [body.wish()])
    given.count.add("devices_registered")
    return RegisteredDevice.of(new)


@router.post("/api/devices/batch", status_code=201, summary="Register up to 500 devices")
async def register_batch(body: BatchBody, principal: Writer, given: Given) -> RegisteredDevices:
    """Register devices, all or none; answers in the order of the request."""
    new = await given.register_devices(caller_of(principal), [device.wish() for device in body.devices])
    given.count.add("devices_registered", len(new))
    return RegisteredDevices(devices=[RegisteredDevice.of(device) for device in new])


@router.get("/api/devices", summary="List devices")
async def list_devices(
    principal: Reader,
    given: Given,
    wanted: Wanted,
    page: PageNumber = 1,
    limit: Limit = 50,
    cursor: Annotated[
        str | None, Query(pattern=CLIENT_ID_PATTERN, description="`next_cursor` of the page before")
    ] = None,
) -> DevicePage:
    """Return a page of the devices that the caller sees: by number, or, in the order by id, after a cursor."""
    if cursor is not None and wanted.sort is not DeviceSort.ID:
        message = "a cursor goes with the order by id; use page numbers with any other"
        raise InvalidError(message, code="cursor_needs_id_order", field="cursor")
    live = await given.live_position()
    part = Page(limit=limit, offset=(page - 1) * limit, cursor=cursor)
    views, total = await given.find_devices.page(caller_of(principal), wanted, part)
    is_last = len(views) < limit
    return DevicePage(
        items=[DeviceAnswer.of(view) for view in views],
        total=total,
        page=None if cursor else page,
        limit=limit,
        next_cursor=None if is_last or wanted.sort is not DeviceSort.ID else views[-1].device.id,
        live=live,
    )


@router.get("/api/devices/{device_id}", responses=links(200, _DEVICE_LINKS), summary="Read a device")
async def read_device(device_id: DeviceId, principal: Reader, given: Given, response: Response) -> DeviceDetail:
    """Return a device."""
    return _detail(response, await given.find_devices.one(caller_of(principal), device_id))


@router.patch("/api/devices/{device_id}", responses=links(200, _DEVICE_LINKS), summary="Change a device")
async def change_device(
    device_id: DeviceId,
    body: ChangeDeviceBody,
    principal: Writer,
    given: Given,
    expected: IfMatch,
    response: Response,
) -> DeviceDetail:
    """Change a device's name, kind, groups, metadata; its owner with devices:all."""
    return _detail(response, await given.change_device(caller_of(principal), device_id, body.change(), expected))


@router.delete("/api/devices/{device_id}", status_code=204, summary="Delete a device")
async def delete_device(device_id: DeviceId, principal: Writer, given: Given, expected: IfMatch) -> Response:
    """Delete a device; it is disconnected at once, its readings stay."""
    await given.delete_device(caller_of(principal), device_id, expected)
    return Response(status_code=204)


@router.post("/api/devices/{device_id}/rotate-key", summary="Give a device a new API key")
async def rotate_key(
    device_id: DeviceId, principal: Writer, given: Given, body: RotateBody | None = None
) -> RotatedKey:
    """Replace the API key; the device is disconnected at once."""
    overlap = (body or RotateBody()).overlap
    key = await given.rotate_device_key(caller_of(principal), device_id, overlap)
    given.count.add("device_keys_rotated")
    return RotatedKey.of(device_id, key)


@router.post("/api/devices/{device_id}/enable", responses=links(200, _DEVICE_LINKS), summary="Enable a device")
async def enable_device(
    device_id: DeviceId, principal: Writer, given: Given, expected: OptionalIfMatch, response: Response
) -> DeviceDetail:
    """Let a device in again, with the key it has."""
    caller = caller_of(principal)
    return _detail(response, await given.switch_device(caller, device_id, is_active=True, expected=expected))


@router.post("/api/devices/{device_id}/disable", responses=links(200, _DEVICE_LINKS), summary="Disable a device")
async def disable_device(
    device_id: DeviceId, principal: Writer, given: Given, expected: OptionalIfMatch, response: Response
) -> DeviceDetail:
    """Shut a device out; it is disconnected at once."""
    caller = caller_of(principal)
    return _detail(response, await given.switch_device(caller, device_id, is_active=False, expected=expected))


@router.get("/api/devices/{device_id}/shares", summary="List a device's shares")
async def list_shares(device_id: DeviceId, principal: Reader, given: Given) -> ShareList:
    """Return with whom a device is shared."""
    shares = await given.find_devices.shares(caller_of(principal), device_id)
    return ShareList(items=[ShareAnswer.of(share) for share in shares])


@router.post(
    "/api/devices/{device_id}/shares", status_code=201, responses=links(201, _SHARE_LINKS), summary="Share a device"
)
async def share_device(device_id: DeviceId, body: ShareBody, principal: Writer, given: Given) -> ShareAnswer:
    """Share a device with a user or a role, or change the level of that share."""
    return ShareAnswer.of(await given.share_device(caller_of(principal), device_id, body.grantee, body.level))


@router.delete("/api/devices/{device_id}/shares/{share_id}", status_code=204, summary="Take a share back")
async def unshare_device(device_id: DeviceId, share_id: ShareId, principal: Writer, given: Given) -> Response:
    """Remove a share."""
    await given.unshare_device(caller_of(principal), device_id, share_id)
    return Response(status_code=204)


def _detail(response: Response, view: DeviceView) -> DeviceDetail:
    set_etag(response, view.device.version)
    return DeviceDetail.of(view)
