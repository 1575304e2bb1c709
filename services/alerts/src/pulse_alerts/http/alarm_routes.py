"""Alarms over HTTP. What is not in the caller's scope is answered like what is not there."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query

from pulse_alerts.http.alarm_schemas import (
    ActionBody,
    AlarmDetail,
    AlarmItem,
    AlarmPage,
    AlarmParameters,
    CommentBody,
    OpenCount,
    OpenCounts,
    ShelveBody,
)
from pulse_alerts.http.use_case_set import Given
from pulse_alerts.use_cases.ports import Page
from pulse_chassis.bearer import Principal, requires
from pulse_contracts.permissions import Permission

router = APIRouter(prefix="/api/alerts", tags=["alerts"])
Reader = Annotated[Principal, Depends(requires(Permission.ALERTS_READ))]
Keeper = Annotated[Principal, Depends(requires(Permission.ALERTS_ACKNOWLEDGE))]
AlarmId = Annotated[UUID, Path(examples=["5b0d1f6e-7a05-4b67-9a0a-0f4f4b2d6c11"])]


@router.get("", summary="List alarms")
async def list_alarms(principal: Reader, given: Given, asked: Annotated[AlarmParameters, Query()]) -> AlarmPage:
    """Return a page of the alarms of devices in scope, newest first."""
    live = await given.live_position()
    found = await given.find_alerts.alarms(principal, asked.wanted(), Page(asked.limit, asked.cursor))
    is_last = len(found) < asked.limit
    return AlarmPage(
        items=[AlarmItem.of(alarm) for alarm in found], next_cursor=None if is_last else found[-1].seq, live=live
    )


@router.get("/open", summary="Count open alarms")
async def count_open(principal: Reader, given: Given) -> OpenCounts:
    """Return how many alarms of devices in scope are not cleared, by severity and state."""
    live = await given.live_position()
    counts = await given.find_alerts.open_counts(principal)
    items = [
        OpenCount.model_validate({"severity": severity, "state": state, "count": count})
        for (severity, state), count in sorted(counts.items())
    ]
    return OpenCounts(items=items, live=live)


@router.get("/{alarm_id}", summary="Read an alarm")
async def read_alarm(alarm_id: AlarmId, principal: Reader, given: Given) -> AlarmDetail:
    """Return an alarm with its steps."""
    return AlarmDetail.with_steps(*await given.find_alerts.alarm(principal, alarm_id))


@router.post("/{alarm_id}/acknowledge", summary="Acknowledge an alarm")
async def acknowledge(alarm_id: AlarmId, body: ActionBody, principal: Keeper, given: Given) -> AlarmItem:
    """Say that one takes care of it; 409 `already_acknowledged` or `already_cleared`."""
    return AlarmItem.of(await given.change_alarm.acknowledge(principal, alarm_id, body.comment))


@router.post("/{alarm_id}/comment", summary="Comment an alarm")
async def comment(alarm_id: AlarmId, body: CommentBody, principal: Keeper, given: Given) -> AlarmItem:
    """Write something beside it, also when it is cleared."""
    return AlarmItem.of(await given.change_alarm.comment(principal, alarm_id, body.comment))


@router.post("/{alarm_id}/shelve", summary="Shelve an alarm")
async def shelve(alarm_id: AlarmId, body: ShelveBody, principal: Keeper, given: Given) -> AlarmItem:
    """Have nobody notified of this rule on this device until then, also when it is raised anew."""
    return AlarmItem.of(await given.change_alarm.shelve(principal, alarm_id, body.until, body.comment))


@router.post("/{alarm_id}/unshelve", summary="Unshelve an alarm")
async def unshelve(alarm_id: AlarmId, body: ActionBody, principal: Keeper, given: Given) -> AlarmItem:
    """Have people notified again; 409 `not_shelved`."""
    return AlarmItem.of(await given.change_alarm.unshelve(principal, alarm_id, body.comment))


@router.post("/{alarm_id}/clear", summary="Clear an alarm by hand")
async def clear(alarm_id: AlarmId, body: ActionBody, principal: Keeper, given: Given) -> AlarmItem:
    """End it, whatever the readings say; it is raised anew only after they were on the other side. 409 `already_cleared`."""
    return AlarmItem.of(await given.change_alarm.clear(principal, alarm_id, body.comment))
