"""Alert rules over HTTP. What is not in the caller's scope is answered like what is not there."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response

from pulse_alerts.domain.rule import Rule
from pulse_alerts.http.rule_schemas import DryRunAnswer, DryRunBody, RuleAnswer, RuleBody, RulePage, TriedItem
from pulse_alerts.http.use_case_set import Given
from pulse_chassis.api_links import link, links
from pulse_chassis.bearer import Principal, requires
from pulse_chassis.http_preconditions import IfMatch, set_etag
from pulse_contracts.permissions import Permission

router = APIRouter(prefix="/api/alert-rules", tags=["alert rules"])
Reader = Annotated[Principal, Depends(requires(Permission.ALERTS_READ))]
Writer = Annotated[Principal, Depends(requires(Permission.ALERT_RULES_WRITE))]
RuleId = Annotated[UUID, Path(examples=["0b8f1c52-4a57-4c8e-8a55-6a0f3b7d9c21"])]
_SELF = {"rule_id": "$response.body#/id"}
_LINKS = {
    "read": link("GET /api/alert-rules/{rule_id}", _SELF),
    "change": link("PUT /api/alert-rules/{rule_id}", _SELF, if_match=True),
    "delete": link("DELETE /api/alert-rules/{rule_id}", _SELF, if_match=True),
}


@router.get("", summary="List alert rules")
async def list_rules(
    principal: Reader,
    given: Given,
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> RulePage:
    """Return a page of the rules that the caller sees, by name."""
    rules = await given.find_alerts.rules(principal)
    part = rules[(page - 1) * limit : page * limit]
    return RulePage(items=[RuleAnswer.of(rule) for rule in part], total=len(rules), page=page, limit=limit)


@router.post("", status_code=201, responses=links(201, _LINKS), summary="Add an alert rule")
async def create_rule(body: RuleBody, principal: Writer, given: Given, response: Response) -> RuleAnswer:
    """Add a rule; for groups or all devices only with the permission devices:all. It holds within seconds."""
    return _answer(response, await given.edit_rules.create(principal, body.content()))


@router.post("/dry-run", summary="Try a rule on stored readings")
async def dry_run(body: DryRunBody, principal: Writer, given: Given) -> DryRunAnswer:
    """Return when the rule would have raised and cleared, within bounds: 20 devices, 31 days, 200,000 values each."""
    tried = await given.try_rule(principal, body.rule.content(), body.device_ids, body.from_, body.to)
    return DryRunAnswer(items=[TriedItem.of(one) for one in tried])


@router.get("/{rule_id}", responses=links(200, _LINKS), summary="Read an alert rule")
async def read_rule(rule_id: RuleId, principal: Reader, given: Given, response: Response) -> RuleAnswer:
    """Return a rule."""
    return _answer(response, await given.find_alerts.rule(principal, rule_id))


@router.put("/{rule_id}", responses=links(200, _LINKS), summary="Replace an alert rule")
async def change_rule(
    rule_id: RuleId, body: RuleBody, principal: Writer, given: Given, expected: IfMatch, response: Response
) -> RuleAnswer:
    """Replace a rule. When it evaluates otherwise than before, its alarms are cleared, and it begins anew."""
    return _answer(response, await given.edit_rules.change(principal, rule_id, body.content(), expected))


@router.delete("/{rule_id}", status_code=204, summary="Delete an alert rule")
async def delete_rule(rule_id: RuleId, principal: Writer, given: Given, expected: IfMatch) -> Response:
    """Delete a rule; its alarms are cleared, and stay as history."""
    await given.edit_rules.delete(principal, rule_id, expected)
    return Response(status_code=204)


def _answer(response: Response, rule: Rule) -> RuleAnswer:
    set_etag(response, rule.version)
    return RuleAnswer.of(rule)
