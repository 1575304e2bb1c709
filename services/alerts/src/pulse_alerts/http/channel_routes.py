"""`/api/alert-channels`: where notifications go; and what became of them, of a channel and of an alarm."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Path, Query, Response

from pulse_alerts.domain.channel import Channel
from pulse_alerts.http.channel_schemas import ChannelAnswer, ChannelBody, ChannelList, TrialBody
from pulse_alerts.http.channel_use_cases import GivenChannels
from pulse_alerts.http.delivery_schemas import (
    DeliveryAnswer,
    DeliveryList,
    MessageAnswer,
    MessagePage,
    MessageParameters,
    TrialAnswer,
)
from pulse_alerts.use_cases.ports import Page
from pulse_chassis.api_links import link, links
from pulse_chassis.bearer import Principal, requires
from pulse_chassis.http_preconditions import IfMatch, set_etag
from pulse_contracts.permissions import Permission

router = APIRouter(tags=["channels"])
Writer = Annotated[Principal, Depends(requires(Permission.ALERT_RULES_WRITE))]
Reader = Annotated[Principal, Depends(requires(Permission.ALERTS_READ))]
ChannelId = Annotated[UUID, Path(examples=["00000000-0000-4000-8000-00000000a1e7"])]
_SELF = {"channel_id": "$response.body#/id"}
_LINKS = {
    "read": link("GET /api/alert-channels/{channel_id}", _SELF),
    "change": link("PUT /api/alert-channels/{channel_id}", _SELF, if_match=True),
    "delete": link("DELETE /api/alert-channels/{channel_id}", _SELF, if_match=True),
    "test": link("POST /api/alert-channels/{channel_id}/test", _SELF),
    "messages": link("GET /api/alert-channels/{channel_id}/messages", _SELF),
}


@router.get("/api/alert-channels", summary="List channels")
async def list_channels(principal: Writer, given: GivenChannels) -> ChannelList:
    """Return all channels, by name. This needs `devices:all` as well: a channel tells of every device."""
    return ChannelList(items=[ChannelAnswer.of(channel) for channel in await given.find.all(principal)])


@router.post("/api/alert-channels", status_code=201, responses=links(201, _LINKS), summary="Add a channel")
async def add_channel(body: ChannelBody, principal: Writer, given: GivenChannels, response: Response) -> ChannelAnswer:
    """Add a channel. This needs `devices:all` as well: a channel tells of every device that its filter admits."""
    return _answer(response, await given.edit.add(principal, body.wish()))


@router.get("/api/alert-channels/{channel_id}", responses=links(200, _LINKS), summary="Read a channel")
async def read_channel(
    channel_id: ChannelId, principal: Writer, given: GivenChannels, response: Response
) -> ChannelAnswer:
    """Return a channel, without its secrets."""
    return _answer(response, await given.find.one(principal, channel_id))


@router.put("/api/alert-channels/{channel_id}", responses=links(200, _LINKS), summary="Change a channel")
async def change_channel(
    channel_id: ChannelId,
    body: ChannelBody,
    principal: Writer,
    given: GivenChannels,
    expected: IfMatch,
    response: Response,
) -> ChannelAnswer:
    """Replace a channel; its kind stays, and so do a webhook's URL and key when they are left out."""
    return _answer(response, await given.edit.change(principal, channel_id, body.wish(), expected))


@router.delete("/api/alert-channels/{channel_id}", status_code=204, summary="Delete a channel")
async def delete_channel(channel_id: ChannelId, principal: Writer, given: GivenChannels, expected: IfMatch) -> Response:
    """Delete a channel; what waits for it is not told any more."""
    await given.edit.delete(principal, channel_id, expected)
    return Response(status_code=204)


@router.post("/api/alert-channels/{channel_id}/test", status_code=202, summary="Try a channel")
async def try_channel(
    channel_id: ChannelId,
    principal: Writer,
    given: GivenChannels,
    body: Annotated[TrialBody, Body()] = TrialBody(),  # noqa: B008 -- frozen
) -> TrialAnswer:
    """Send a message that says that it is a test; it is tried for a minute."""
    return TrialAnswer.of(await given.try_one(principal, channel_id, body.device_id))


@router.get("/api/alert-channels/{channel_id}/messages", summary="What went through a channel")
async def list_messages(
    channel_id: ChannelId,
    principal: Writer,
    given: GivenChannels,
    asked: Annotated[MessageParameters, Query()],
) -> MessagePage:
    """Return a page of a channel's messages, newest first."""
    found = await given.find.messages(principal, channel_id, asked.state, Page(asked.limit, asked.cursor))
    is_last = len(found) < asked.limit
    return MessagePage(items=[MessageAnswer.of(row) for row in found], next_cursor=None if is_last else found[-1].seq)


@router.get("/api/alerts/{alarm_id}/deliveries", summary="Who was told of an alarm")
async def list_deliveries(alarm_id: UUID, principal: Reader, given: GivenChannels) -> DeliveryList:
    """Return what became of each notified step of an alarm, for each channel that wants it."""
    found = await given.find.deliveries(principal, alarm_id)
    return DeliveryList(items=[DeliveryAnswer.of(row) for row in found])


def _answer(response: Response, channel: Channel) -> ChannelAnswer:
    set_etag(response, channel.version)
    return ChannelAnswer.of(channel)
