"""EMQX asks who may connect: its HTTP authenticator, with the device's access rules in the answer.

To EMQX a 4xx or 5xx means "ignore, ask the next one", so every question, a malformed one too, is answered with 200 and
`allow` or `deny`. Only a broker that sends the shared secret in `X-Broker-Secret` is told anything but `deny`. The
path is none of those that the gateway forwards. In EMQX: built-in database first (accounts of services), then this one
with body `{"clientid": "${clientid}", "username": "${username}", "password": "${password}"}`, and
`authorization.no_match = deny`.
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
_FIELDS: Final = ("clientid", "username", "password")
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": list(_FIELDS),
                    "properties": {name: {"type": "string"} for name in _FIELDS},
                }
            }
        },
    }
}
_log = get_logger("emqx")


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


_DENIED: Final = AdmissionAnswer(result="deny", acl=[])


@router.post("/internal/emqx/authenticate", summary="EMQX asks whether a device may connect", openapi_extra=_BODY)
@declares_access("the broker's shared secret in X-Broker-Secret")
async def authenticate(
    request: Request,
    given: Given,
    x_broker_secret: Annotated[str | None, Header()] = None,
) -> AdmissionAnswer:
    """Say allow with the device's rules, or deny; never ignore."""
    if not _is_broker(given, x_broker_secret):
        return _DENIED
    question = _question(await request.body())
    if question is None:
        return _DENIED
    try:
        rules = await given.admit_to_broker(*question)
    except PulseError as error:
        # The device tries again; letting EMQX ask somebody else would open what is shut.
        _log.warning("admission_not_decided", code=error.code)
        return _DENIED
    if rules is None:
        return _DENIED
    return AdmissionAnswer(result="allow", acl=[AclEntry.of(rule) for rule in rules])


def _is_broker(given: UseCases, secret: str | None) -> bool:
    expected = given.broker_secret
    if not expected or secret is None:
        return False
    return hmac.compare_digest(expected.encode(), secret.encode("utf-8", "surrogatepass"))


def _question(body: bytes) -> tuple[str, str, str] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    found = tuple(document.get(name) for name in _FIELDS)
    client_id, username, password = found
    if isinstance(client_id, str) and isinstance(username, str) and isinstance(password, str):
        return client_id, username, password
    return None
