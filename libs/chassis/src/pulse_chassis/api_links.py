"""OpenAPI links, beside the route whose answer they start from: what can be done next with what was answered.

    @router.post("/api/users", status_code=201, responses=links(201, USER_LINKS))
    USER_LINKS = {"delete": link("DELETE /api/users/{user_id}", {"user_id": "$response.body#/id"}, if_match=True)}

The document is only built when every operation that is named exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

REFERENCE: Final = "x-operation"
"""Where a link keeps method and path until the document is built, which replaces it by the operation's id."""
_ETAG: Final = "$response.header.ETag"
Link = dict[str, Any]


def link(operation: str, parameters: Mapping[str, str], *, if_match: bool = False) -> Link:
    """Return a link to an operation (`METHOD /path/{name}`); `parameters` are runtime expressions by the path's names.

    With `if_match` the version that the answer carries is the one that is meant.
    """
    named = {f"path.{name}": expression for name, expression in parameters.items()}
    return {REFERENCE: operation, "parameters": named | ({"header.If-Match": _ETAG} if if_match else {})}


def links(status: int, found: Mapping[str, Link]) -> dict[int | str, dict[str, Any]]:
    """Return a route's `responses` that give one of its answers these links."""
    return {status: {"links": dict(found)}}


def resolve_links(document: Mapping[str, Any]) -> None:
    """Put operation ids in the place of method and path; raises KeyError for an operation that is not there."""
    paths = document["paths"]
    for operations in paths.values():
        for operation in operations.values():
            for answer in operation.get("responses", {}).values():
                for name, found in answer.get("links", {}).items():
                    resolved = dict(found)
                    method, _, path = resolved.pop(REFERENCE).partition(" ")
                    resolved["operationId"] = paths[path][method.lower()]["operationId"]
                    answer["links"][name] = resolved
