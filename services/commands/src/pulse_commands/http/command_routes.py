"""Commands over HTTP. What is not in the caller's scope is answered like what is not there."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query

from pulse_chassis.bearer import Principal, public, requires
from pulse_chassis.idempotency import HEADER
from pulse_commands.domain.queries import Page
from pulse_commands.http.schemas import (
    BatchAnswer,
    CatalogueAnswer,
    CommandDetail,
    CommandItem,
    CommandPage,
    CommandParameters,
    Part,
    RefusalItem,
    RefusalPage,
    SendBody,
    SentAnswer,
)
from pulse_commands.http.use_case_set import Given
from pulse_contracts.ids import ClientIdField
from pulse_contracts.permissions import Permission
from pulse_contracts.sync import ServiceKeys

router = APIRouter(prefix="/api/commands", tags=["commands"])
Reader = Annotated[Principal, Depends(requires(Permission.COMMANDS_READ))]
Sender = Annotated[Principal, Depends(requires(Permission.COMMANDS_SEND))]


@router.get(
    "/keys",
    summary="The public keys that commands are signed with",
    dependencies=[Depends(public("public keys: agents fetch them when they enrol"))],
)
async def read_keys(given: Given) -> ServiceKeys:
    """Return the public keys."""
    return given.keys


@router.post(
    "", status_code=202, summary="Send a command", responses={404: {"description": "There is no such device in scope"}}
)
async def send_command(
    body: SendBody,
    principal: Sender,
    given: Given,
    request_key: Annotated[str | None, Header(alias=HEADER, include_in_schema=False)] = None,
) -> SentAnswer:
    """Send a command to one device, up to 1,000, a group or all in scope; what becomes of it, its steps tell."""
    return SentAnswer.of(await given.send_commands(principal, body.wish(request_key)))


@router.get("", summary="List commands")
async def list_commands(principal: Reader, given: Given, asked: Annotated[CommandParameters, Query()]) -> CommandPage:
    """Return a page of the commands of devices in scope, newest first."""
    live = await given.live_position()
    found = await given.find_commands.page(principal, asked.wanted(), Page(asked.limit, asked.cursor))
    is_last = len(found) < asked.limit
    return CommandPage(
        items=[CommandItem.of(command) for _, command in found],
        next_cursor=None if is_last else found[-1][0],
        live=live,
    )


@router.get(
    "/catalogue",
    summary="Which commands there are",
    responses={404: {"description": "There is no such device in scope"}},
)
async def read_catalogue(
    principal: Reader, given: Given, device_id: Annotated[ClientIdField | None, Query()] = None
) -> CatalogueAnswer:
    """Return the built-in commands and those that a device declared, and whether the caller may send each."""
    return CatalogueAnswer.of(await given.read_catalogue(principal, device_id))


@router.get("/refusals", summary="What devices and the service refused")
async def list_refusals(principal: Reader, given: Given, asked: Annotated[Part, Query()]) -> RefusalPage:
    """Return a page of refusals of devices in scope: forged, replayed, unknown, oversized and unreadable messages."""
    found = await given.find_commands.refusals(principal, asked.device_id, Page(asked.limit, asked.cursor))
    is_last = len(found) < asked.limit
    return RefusalPage(
        items=[RefusalItem.of(counted) for counted in found], next_cursor=None if is_last else found[-1].id
    )


@router.get("/batches/{batch_id}", summary="Read a batch")
async def read_batch(batch_id: UUID, principal: Reader, given: Given) -> BatchAnswer:
    """Return what one request sent, counted by state."""
    return BatchAnswer.of(await given.find_commands.batch(principal, batch_id))


@router.get("/{command_id}", summary="Read a command")
async def read_command(command_id: UUID, principal: Reader, given: Given) -> CommandDetail:
    """Return a command with its steps."""
    return CommandDetail.with_steps(*await given.find_commands.one(principal, command_id))


@router.post("/{command_id}/cancel", summary="Cancel a command that was not published yet")
async def cancel_command(command_id: UUID, principal: Sender, given: Given) -> CommandItem:
    """Cancel; 409 `already_published` when the device may have it, `already_ended` when it is over."""
    return CommandItem.of(await given.cancel_command(principal, command_id))
