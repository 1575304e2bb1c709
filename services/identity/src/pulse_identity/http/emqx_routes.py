"""EMQX asks who may connect (its HTTP authenticator) and who may use a topic (its HTTP authorizer).

To EMQX a 4xx or 5xx means "ignore, ask the next one", so every question, a malformed one too, is answered with 200 and
`allow` or `deny`. Only a broker that sends the shared secret in `X-Broker-Secret` is told anything but `deny`. The
paths are none of those that the gateway forwards. In EMQX these are the only authenticator and the only source of
authorization, with `authorization.no_match = deny`: `files/emqx.hocon` of the Helm chart. The bodies:

    authenticate  {"clientid": "${clientid}", "username": "${username}", "password": "${password}"}
    authorize     {"clientid": "${clientid}", "username": "${username}", "peerhost": "${peerhost}",
                   "action": "${action}", "topic": "${topic}"}

EMQX from 5.8 takes the rules from the first answer and need not ask the second question; asked, the answer is the same,
and a device that was disabled is refused as soon as EMQX's authorization cache forgets it. Of a shared subscription EMQX
checks and asks about the filter behind `$share/<group>/`.
"""

from __future__ import annotations

import hmac
import json
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel, Field

from pulse_chassis.bearer import declares_access
from pulse_chassis.errors import PulseError
from pulse_chassis.logging import get_logger
from pulse_chassis.route_bounds import not_rate_limited
from pulse_identity.domain.broker_rules import BrokerRule
from pulse_identity.http.schemas import Answer
from pulse_identity.http.use_case_set import Given, UseCases

router = APIRouter(
    tags=["broker"], dependencies=[Depends(not_rate_limited("one broker asks for all devices, and has a secret"))]
)
_ADMISSION: Final = ("clientid", "username", "password")
_EXAMPLES: Final = {
    "clientid": "PUMP-7",
    "username": "PUMP-7",
    "password": "ppk_…",
    "action": "publish",
    "topic": "telemetry/PUMP-7/live",
}
_TOPIC_USE: Final = ("clientid", "username", "action", "topic")
_log = get_logger("emqx")


def _body(fields: tuple[str, ...]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": list(fields),
        "properties": {name: {"type": "string", "examples": [_EXAMPLES[name]]} for name in fields},
    }
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


class AclEntry(BaseModel):
    """A rule as EMQX reads it."""

    permission: Literal["allow", "deny"]
    action: Literal["publish", "subscribe", "all"]
    topic: str

    @classmethod
    def of(cls, rule: BrokerRule) -> AclEntry:
        """Return the entry for a rule."""
        return cls(permission="allow" if rule.is_allowed else "deny", action=rule.action, topic=rule.topic)


class AdmissionAnswer(Answer):
    """EMQX's answer: the first matching rule of `acl` decides, the last denies everything."""

    result: Literal["allow", "deny"]
    is_superuser: Literal[False] = False
    acl: Annotated[list[AclEntry], Field(default_factory=list, description="empty when it is not let in")]


class TopicAnswer(Answer):
    """EMQX's answer about one topic."""

    result: Literal["allow", "deny"]


_DENIED: Final = AdmissionAnswer(result="deny", acl=[])


@router.post(
    "/internal/emqx/authenticate", summary="EMQX asks whether a client may connect", openapi_extra=_body(_ADMISSION)
)
@declares_access("the broker's shared secret in X-Broker-Secret")
async def authenticate(
    request: Request,
    given: Given,
    x_broker_secret: Annotated[str | None, Header()] = None,
) -> AdmissionAnswer:
    """Say allow with the client's rules, or deny; never ignore."""
    if not _is_broker(given, x_broker_secret):
        return _DENIED
    question = _question(await request.body(), _ADMISSION)
    if question is None:
        return _DENIED
    client_id, username, password = question
    try:
        rules = await given.admit_to_broker(client_id, username, password)
    except PulseError as error:
        # The device tries again; letting EMQX ask somebody else would open what is shut.
        _log.warning("admission_not_decided", code=error.code)
        return _DENIED
    if rules is None:
        return _DENIED
    return AdmissionAnswer(result="allow", acl=[AclEntry.of(rule) for rule in rules])


@router.post(
    "/internal/emqx/authorize", summary="EMQX asks whether a client may use a topic", openapi_extra=_body(_TOPIC_USE)
)
@declares_access("the broker's shared secret in X-Broker-Secret")
async def authorize(
    request: Request,
    given: Given,
    x_broker_secret: Annotated[str | None, Header()] = None,
) -> TopicAnswer:
    """Say allow or deny; never ignore."""
    question = _question(await request.body(), _TOPIC_USE) if _is_broker(given, x_broker_secret) else None
    if question is None:
        return TopicAnswer(result="deny")
    client_id, username, action, topic = question
    try:
        is_allowed = await given.admit_to_broker.may(client_id, username, action, topic)
    except PulseError as error:
        _log.warning("topic_use_not_decided", code=error.code)
        is_allowed = False
    return TopicAnswer(result="allow" if is_allowed else "deny")


def _is_broker(given: UseCases, secret: str | None) -> bool:
    expected = given.broker_secret
    if not expected or secret is None:
        return False
    return hmac.compare_digest(expected.encode(), secret.encode("utf-8", "surrogatepass"))


def _question(body: bytes, fields: tuple[str, ...]) -> list[str] | None:
    """Return the fields of a question, in order; None unless each is a text. Others are not ours to mind."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    found = [value for name in fields if isinstance(value := document.get(name), str)]
    return found if len(found) == len(fields) else None
