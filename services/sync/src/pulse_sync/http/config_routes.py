"""`/api/config`: entries, their history, what holds on a device, and who lags.

An entry is named by its scope, its target (`-` for all) and its key. What the caller may not see is answered like what
is not there.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from pydantic import AwareDatetime

from pulse_chassis.bearer import Principal, requires
from pulse_chassis.errors import InvalidError
from pulse_chassis.http_preconditions import IfMatch, parse_if_match, set_etag
from pulse_chassis.preconditions import Precondition
from pulse_contracts.configuration import ConfigAddress, ConfigScope
from pulse_contracts.ids import CLIENT_ID_PATTERN
from pulse_contracts.permissions import Permission
from pulse_sync.domain.config_entries import ConfigEntry
from pulse_sync.http.config_schemas import (
    AppliedAnswer,
    AppliedPage,
    ChangeAnswer,
    ChangePage,
    DiffAnswer,
    DifferenceAnswer,
    EffectiveAnswer,
    EntryAnswer,
    EntryPage,
    SettingAnswer,
    ValueBody,
)
from pulse_sync.http.sync_routes import PLAIN_TEXT, DeviceId, DeviceQuery, Limit, PageNumber
from pulse_sync.http.use_case_set import Given
from pulse_sync.use_cases.config_ports import AppliedFilter, ConfigActor, EntryFilter
from pulse_sync.use_cases.config_rules import checked_address
from pulse_sync.use_cases.view_ports import Part

router = APIRouter(tags=["config"])
FOR_ALL: Final = "-"
Reader = Annotated[Principal, Depends(requires(Permission.CONFIG_READ))]
Writer = Annotated[Principal, Depends(requires(Permission.CONFIG_WRITE))]
KeyQuery = Annotated[str | None, Query(max_length=96, pattern=PLAIN_TEXT)]


def actor_of(principal: Principal) -> ConfigActor:
    """Return who asks, by their access token."""
    return ConfigActor(principal.user_id, principal.username, principal.permissions)


async def _address(
    scope: ConfigScope,
    target: Annotated[str, Path(max_length=64, description="group or device id; `-` for all")],
    key: Annotated[str, Path(max_length=96)],
) -> ConfigAddress:
    if scope is ConfigScope.ALL and target != FOR_ALL:
        message = "the target of an entry for all is -"
        raise InvalidError(message, code="invalid_address", field="path.target")
    return checked_address(scope, "" if scope is ConfigScope.ALL else target, key)


async def _wanted_entries(
    scope: ConfigScope | None = None,
    target: Annotated[str | None, Query(max_length=64, pattern=PLAIN_TEXT)] = None,
    key: KeyQuery = None,
    search: Annotated[
        str | None, Query(max_length=64, pattern=PLAIN_TEXT, description="part of a key, a target or a value")
    ] = None,
) -> EntryFilter:
    return EntryFilter(scope, target, key, search or None)


async def _wanted_applied(
    key: KeyQuery = None, device_id: DeviceQuery = None, is_lagging: bool | None = None
) -> AppliedFilter:
    return AppliedFilter(key, device_id, is_lagging)


async def _expected(
    if_match: Annotated[
        str | None, Header(alias="If-Match", description="the `ETag` of the version seen; left out: create")
    ] = None,
) -> Precondition | None:
    return None if if_match is None else parse_if_match(if_match)


Address = Annotated[ConfigAddress, Depends(_address)]
ENTRY: Final = "/api/config/{scope}/{target:path}/{key}"


@router.get("/api/config", summary="List configuration entries")
async def list_entries(
    principal: Reader,
    given: Given,
    wanted: Annotated[EntryFilter, Depends(_wanted_entries)],
    page: PageNumber = 1,
    limit: Limit = 50,
) -> EntryPage:
    """Return entries by id; those for devices only of devices in scope."""
    live = await given.config_position()
    found, total = await given.read_config.entries(actor_of(principal), wanted, Part(limit, (page - 1) * limit))
    items = [EntryAnswer.of(entry) for entry in found]
    return EntryPage(items=items, total=total, page=page, limit=limit, live=live)


@router.get("/api/config/effective/{device_id}", summary="What holds on a device")
async def read_effective(device_id: DeviceId, principal: Reader, given: Given) -> EffectiveAnswer:
    """Return, by key, the value that holds, the entry it comes from, and whether the device has it in force."""
    settings = await given.read_config.effective(actor_of(principal), device_id)
    return EffectiveAnswer(device_id=device_id, items=[SettingAnswer.of(setting) for setting in settings])


@router.get(
    "/api/config/diff", summary="Compare two devices, or two moments",
    responses={404: {"description": "No such device, or none of yours"}},
)  # fmt: skip
async def read_diff(
    principal: Reader,
    given: Given,
    device_id: Annotated[str, Query(pattern=CLIENT_ID_PATTERN)],
    other: DeviceQuery = None,
    begins: Annotated[AwareDatetime | None, Query(alias="from", description="the left side as it was then")] = None,
    ends: Annotated[AwareDatetime | None, Query(alias="to", description="the right side as it was then")] = None,
) -> DiffAnswer:
    """Return the keys that hold something else: on another device, or on the same one at another moment."""
    found = await given.read_config.diff(actor_of(principal), device_id, other, (begins, ends))
    return DiffAnswer(items=[DifferenceAnswer.of(difference) for difference in found])


@router.get("/api/config/applied", summary="Who has applied what, and who lags")
async def list_applied(
    principal: Reader,
    given: Given,
    wanted: Annotated[AppliedFilter, Depends(_wanted_applied)],
    page: PageNumber = 1,
    limit: Limit = 50,
) -> AppliedPage:
    """Return the entries that shall be in force on desktops, each with what the desktop said of it."""
    found, total = await given.read_config.applied(actor_of(principal), wanted, Part(limit, (page - 1) * limit))
    return AppliedPage(items=[AppliedAnswer.of(view) for view in found], total=total, page=page, limit=limit)


@router.get(f"{ENTRY}/history", summary="Read an entry's history")
async def read_history(
    principal: Reader, given: Given, address: Address, page: PageNumber = 1, limit: Limit = 50
) -> ChangePage:
    """Return every version of an entry, newest first: value before and after, who, when, and from where."""
    found, total = await given.read_config.history(actor_of(principal), address, Part(limit, (page - 1) * limit))
    return ChangePage(items=[ChangeAnswer.of(change) for change in found], total=total, page=page, limit=limit)


@router.get(ENTRY, summary="Read an entry")
async def read_entry(principal: Reader, given: Given, address: Address, response: Response) -> EntryAnswer:
    """Return an entry."""
    return _answer(response, await given.read_config.entry(actor_of(principal), address))


@router.put(ENTRY, summary="Create or change an entry", responses={201: {"model": EntryAnswer}})
async def put_entry(
    principal: Writer,
    given: Given,
    address: Address,
    body: ValueBody,
    expected: Annotated[Precondition | None, Depends(_expected)],
    response: Response,
) -> EntryAnswer:
    """Give an entry a value. To change one that is there, say with If-Match which version you have seen."""
    entry, is_new = await given.edit_config.put(actor_of(principal), address, body.value, expected)
    if is_new:
        response.status_code = 201
    return _answer(response, entry)


@router.delete(ENTRY, status_code=204, summary="Delete an entry")
async def delete_entry(principal: Writer, given: Given, address: Address, expected: IfMatch) -> Response:
    """Delete an entry: what is set farther away, or the key's default, holds again."""
    await given.edit_config.delete(actor_of(principal), address, expected)
    return Response(status_code=204)


def _answer(response: Response, entry: ConfigEntry) -> EntryAnswer:
    set_etag(response, entry.version)
    return EntryAnswer.of(entry)
