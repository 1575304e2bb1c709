"""The description of the socket is what the code says, complete, and committed."""

import json

from pulse_chassis.bearer import route_rules
from pulse_contracts import frames
from pulse_gateway.app import openapi_app
from pulse_gateway.http.asyncapi import COMMITTED, asyncapi_document, asyncapi_text


def test_the_committed_document_is_current() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == asyncapi_text(), "run `python -m pulse_gateway asyncapi`"


def test_every_frame_of_both_directions_is_described() -> None:
    document = asyncapi_document()
    types = {
        schema["properties"]["type"]["const"]
        for union in (frames.CLIENT_FRAME, frames.SERVER_FRAME)
        for schema in union.json_schema()["$defs"].values()
        if "const" in schema.get("properties", {}).get("type", {})
    }
    assert set(document["components"]["messages"]) == types
    listed = [m["$ref"] for operation in document["operations"].values() for m in operation["messages"]]
    assert sorted(listed) == sorted(f"#/channels/live/messages/{name}" for name in types)


def test_every_reference_leads_somewhere() -> None:
    document = asyncapi_document()

    def walk(node) -> None:
        if isinstance(node, dict):
            if isinstance(target := node.get("$ref"), str):
                found = document
                for part in target.removeprefix("#/").split("/"):
                    found = found[part]
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(document)
    assert '"del"' in json.dumps(document)
    assert '"del_"' not in json.dumps(document)


def test_every_route_says_who_may_call_it() -> None:
    rules = route_rules(openapi_app())
    assert [f"{method} {path}" for method, path, rule in rules if rule is None] == []
    guarded = {path: rule.kind for _, path, rule in rules if rule is not None}
    for path in ("/api/telemetry/latest", "/api/telemetry/history", "/api/dashboard/summary"):
        assert guarded[path] == "permission"
