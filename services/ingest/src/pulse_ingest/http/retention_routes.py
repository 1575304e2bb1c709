"""`/api/retention`: how long readings and their roll-ups are kept. Without any rule everything is kept.

A rule is named by a device and a metric, `-` for every. Reading needs config:read (rules of devices only within one's
scope), changing config:write and devices:all: what a rule ends is gone for good.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Path, Response

from pulse_chassis.bearer import Principal, requires
from pulse_chassis.http_preconditions import IfMatch, parse_if_match, set_etag
from pulse_chassis.preconditions import Precondition
from pulse_contracts.ids import CLIENT_ID_PATTERN, METRIC_KEY_PATTERN
from pulse_contracts.permissions import Permission
from pulse_ingest.domain.retention import RetentionRule, RetentionScope
from pulse_ingest.http.retention_schemas import RetentionAnswer, RetentionBody, RetentionList
from pulse_ingest.use_cases.edit_retention import EditRetention

EVERY: Final = "-"
_DEVICE_OR_EVERY: Final = f"^(?:{EVERY}|{CLIENT_ID_PATTERN.removeprefix('^').removesuffix('$')})$"
Reader = Annotated[Principal, Depends(requires(Permission.CONFIG_READ))]
Writer = Annotated[Principal, Depends(requires(Permission.CONFIG_WRITE))]
RULE: Final = "/api/retention/{device_id}/{metric:path}"


async def _scope(
    device_id: Annotated[str, Path(pattern=_DEVICE_OR_EVERY, description="`-`: every device")],
    metric: Annotated[str, Path(pattern=METRIC_KEY_PATTERN, description="`-`: every metric")],
) -> RetentionScope:
    return RetentionScope(None if device_id == EVERY else device_id, None if metric == EVERY else metric)


async def _expected(
    if_match: Annotated[
        str | None, Header(alias="If-Match", description="the `ETag` of the version seen; left out: create")
    ] = None,
) -> Precondition | None:
    return None if if_match is None else parse_if_match(if_match)


Scope = Annotated[RetentionScope, Depends(_scope)]
OptionalMatch = Annotated[Precondition | None, Depends(_expected)]


class RetentionRoutes:
    """The router and what its routes need."""

    def __init__(self, edit: EditRetention) -> None:
        self._edit = edit
        self.router = APIRouter(tags=["retention"])
        self._add_readers()
        self._add_writers()

    def _add_readers(self) -> None:
        @self.router.get("/api/retention", summary="List how long what is kept")
        async def list_rules(principal: Reader) -> RetentionList:
            """Return every rule that the caller may see."""
            return RetentionList(items=[RetentionAnswer.of(rule) for rule in await self._edit.rules(principal)])

        @self.router.get(RULE, summary="Read a rule of retention")
        async def read_rule(principal: Reader, scope: Scope, response: Response) -> RetentionAnswer:
            """Return the rule of exactly this device and metric."""
            return _answer(response, await self._edit.read(principal, scope))

    def _add_writers(self) -> None:
        @self.router.put(
            RULE,
            summary="Set how long data is kept",
            responses={201: {"model": RetentionAnswer, "description": "The rule is new"}},
        )
        async def put_rule(
            principal: Writer, scope: Scope, body: RetentionBody, expected: OptionalMatch, response: Response
        ) -> RetentionAnswer:
            """Create a rule, or change one with `If-Match`. Data that it ends is removed within minutes, for good."""
            rule, is_new = await self._edit.put(principal, scope, body.kept(), expected)
            response.status_code = 201 if is_new else 200
            return _answer(response, rule)

        @self.router.delete(RULE, status_code=204, summary="Remove a rule of retention")
        async def delete_rule(principal: Writer, scope: Scope, expected: IfMatch) -> Response:
            """Remove a rule; the next more general one holds then."""
            await self._edit.delete(principal, scope, expected)
            return Response(status_code=204)


def _answer(response: Response, rule: RetentionRule) -> RetentionAnswer:
    set_etag(response, rule.version)
    return RetentionAnswer.of(rule)
