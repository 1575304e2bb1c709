"""The OpenAPI document, made complete: who may call an operation, and every answer that it can give.

FastAPI knows the answers of the routes; what the chassis adds to each of them (401, 403, 422, problems in general) is
declared here, so that a client's generator and a fuzzer find no answer that is not in the document. There is no
"default" answer: it would declare everything, and so nothing. `x-access` says who may call an operation; one without
it is a route without a rule.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from pulse_chassis.api_links import resolve_links
from pulse_chassis.bearer import AccessRule, rule_of
from pulse_chassis.idempotency import HEADER, KEY_PATTERN
from pulse_chassis.route_bounds import RouteBounds, bounds_of
from pulse_contracts.problem import PROBLEM_MEDIA_TYPE, Problem

_SCHEMA_REF: Final = "#/components/schemas/"
_IDEMPOTENCY_KEY: Final[dict[str, Any]] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "The same key with the same body gets the same answer for 24 hours, and nothing is done twice",
    "schema": {"type": "string", "pattern": KEY_PATTERN},
}
_RETRY_AFTER: Final[dict[str, Any]] = {
    "Retry-After": {"description": "Seconds until it is worth trying again", "schema": {"type": "integer"}}
}
_SECURITY: Final[list[dict[str, list[str]]]] = [{"bearer": []}]


class DocumentedApp(FastAPI):
    """A FastAPI app with the complete document; it is made when it is first asked for, after all routers are in."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            self.openapi_schema = build_openapi(self)
        return self.openapi_schema


def build_openapi(app: FastAPI) -> dict[str, Any]:
    """Return the document for the routes that the app has now."""
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(_problem_schemas())
    for route in iter_route_contexts(app.routes):
        operations = document["paths"].get(getattr(route, "path_format", None), {})
        rule = rule_of(route)
        for method in route.methods or ():
            operation = operations.get(method.lower())
            if operation is not None:
                _complete(operation, rule, method, bounds_of(route, method, app.state.max_body_bytes))
    resolve_links(document)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return document


def _complete(operation: dict[str, Any], rule: AccessRule | None, method: str, bounds: RouteBounds) -> None:
    responses = operation.setdefault("responses", {})
    if method == "POST":
        operation["parameters"] = [*operation.get("parameters", ()), _IDEMPOTENCY_KEY]
    if rule is not None:
        operation["x-access"] = {"kind": rule.kind, "detail": rule.detail}
    if rule is not None and rule.kind in {"permission", "authenticated"}:
        operation["security"] = _SECURITY
        responses.setdefault("401", _problem("Not signed in, or the access token is no longer valid"))
    if rule is not None and rule.kind == "permission":
        operation["x-permission"] = rule.detail
        responses.setdefault("403", _problem(f"The permission {rule.detail} is needed"))
    if "HTTPValidationError" in str(responses.get("422")):
        responses["422"] = _problem("The request does not have the form it must have; `errors` says where")
    if bounds.rate_class is not None:
        operation["x-rate-class"] = bounds.rate_class.value
        responses.setdefault("429", _problem("Too many requests")).setdefault("headers", _RETRY_AFTER)
    for status, meaning in _always_possible(operation, method, bounds).items():
        responses.setdefault(status, _problem(meaning))
    for status, answer in responses.items():
        # A description alone would declare an answer without a body.
        if status[0] in "45" and "content" not in answer:
            answer["content"] = _problem("")["content"]


def _always_possible(operation: dict[str, Any], method: str, bounds: RouteBounds) -> dict[str, str]:
    """Return the answers that follow from what an operation takes, and from what it may do."""
    found = {"503": "Something that is needed is not there"}
    if operation.get("parameters") or "requestBody" in operation:
        found |= {"400": "The request cannot be read", "422": "The request is not acceptable"}
    if any(parameter.get("in") == "path" for parameter in operation.get("parameters", ())):
        found |= {"404": "It is not there, or not for these eyes"}
    if "requestBody" in operation:
        found |= {"413": f"The body is larger than {bounds.max_body_bytes} bytes", "415": "The body is of another kind"}
    if method not in {"GET", "HEAD"}:
        found |= {
            "401": "Not signed in, or the credentials are wrong",
            "403": "Not allowed",
            "409": "It contradicts what is there",
            "412": "It has changed since it was read",
            "428": "Say with If-Match which version shall be changed",
        }
    return found


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": f"{_SCHEMA_REF}Problem"}
    return {"description": description, "content": {PROBLEM_MEDIA_TYPE: {"schema": schema}}}


def _problem_schemas() -> dict[str, Any]:
    schema = Problem.model_json_schema(ref_template=_SCHEMA_REF + "{model}", mode="serialization")
    return {**schema.pop("$defs", {}), "Problem": schema}
