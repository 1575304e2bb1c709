"""What can be said of the routes without a database."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from pulse_chassis.bearer import route_rules
from pulse_chassis.health import HealthRegistry
from pulse_commands import app


def _rules():
    return route_rules(app._routed_app(HealthRegistry(), CollectorRegistry(), None))


def test_every_route_says_who_may_call_it():
    assert [(method, path) for method, path, rule in _rules() if rule is None] == []


def test_only_what_must_be_is_public():
    public = {path for _, path, rule in _rules() if rule is not None and rule.kind == "public"}
    assert {path for path in public if not path.startswith(("/api/docs", "/api/openapi"))} == {
        "/api/commands/keys",
        "/health",
        "/readyz",
        "/metrics",
    }


def test_reading_and_sending_need_their_permission():
    for method, path, rule in _rules():
        if rule is not None and rule.kind == "permission":
            assert rule.detail == ("commands:send" if method == "POST" else "commands:read"), (method, path)


def test_no_answer_of_the_document_holds_a_token():
    document = app.openapi()
    assert "/api/commands/{command_id}/cancel" in document["paths"]
    names = {name for schema in document["components"]["schemas"].values() for name in schema.get("properties", {})}
    assert "token" not in names
