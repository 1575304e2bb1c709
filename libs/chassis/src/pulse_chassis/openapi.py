"""The OpenAPI document, made complete: who may call an operation, and every answer that it can give.

FastAPI knows the answers of the routes; what the chassis adds to each of them (401, 403, 422, problems in general) is
declared here, so that a client's generator and a fuzzer find no answer that is not in the document.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from pulse_chassis.bearer import AccessRule, rule_of
from pulse_contracts.problem import PROBLEM_MEDIA_TYPE, Problem

_SCHEMA_REF: Final = "#/components/schemas/"
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
                _complete(operation, rule)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return document


def _complete(operation: dict[str, Any], rule: AccessRule | None) -> None:
    responses = operation.setdefault("responses", {})
    if rule is not None and rule.kind in {"permission", "authenticated"}:
        operation["security"] = _SECURITY
        responses.setdefault("401", _problem("Not signed in, or the access token is no longer valid"))
    if rule is not None and rule.kind == "permission":
        operation["x-permission"] = rule.detail
        responses.setdefault("403", _problem(f"The permission {rule.detail} is needed"))
    if "HTTPValidationError" in str(responses.get("422")):
        responses["422"] = _problem("The request does not have the form it must have; `errors` says where")
    responses.setdefault("default", _problem("Any other error"))


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": f"{_SCHEMA_REF}Problem"}
    return {"description": description, "content": {PROBLEM_MEDIA_TYPE: {"schema": schema}}}


def _problem_schemas() -> dict[str, Any]:
    schema = Problem.model_json_schema(ref_template=_SCHEMA_REF + "{model}", mode="serialization")
    return {**schema.pop("$defs", {}), "Problem": schema}
