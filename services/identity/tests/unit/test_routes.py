"""What can be said of the routes without a database."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from pulse_chassis.bearer import route_rules
from pulse_chassis.health import HealthRegistry
from pulse_identity import app as identity
from pulse_identity.http.routed_app import routed_app

PUBLIC = {
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/refresh"),
    ("POST", "/api/auth/logout"),
    ("POST", "/api/auth/register"),
    ("GET", "/api/auth/methods"),
    ("GET", "/api/auth/oidc/login"),
    ("GET", "/api/auth/oidc/callback"),
    ("GET", "/.well-known/jwks.json"),
    ("POST", "/api/devices/enroll"),
    ("GET", "/health"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
}


def _rules():
    return route_rules(routed_app(identity.SERVICE, HealthRegistry(), CollectorRegistry(), None))


def test_every_route_says_who_may_call_it():
    assert [(method, path) for method, path, rule in _rules() if rule is None] == []


def test_only_what_must_be_is_public():
    open_routes = {(method, path) for method, path, rule in _rules() if rule is not None and rule.kind == "public"}
    documents = {(method, path) for method, path in open_routes if path.startswith(("/api/docs", "/api/openapi"))}
    assert open_routes - documents == PUBLIC


def test_writing_needs_a_writers_permission():
    for method, path, rule in _rules():
        if method in {"POST", "PUT", "PATCH", "DELETE"} and rule is not None and rule.kind != "public":
            is_own = path.startswith("/api/profile") or path == "/api/auth/logout-everywhere"
            if path.startswith("/internal/"):
                assert rule.kind == "declared", (method, path)
            elif is_own:
                assert rule.kind == "authenticated", (method, path)
            else:
                assert rule.detail in {"users:write", "roles:write", "devices:write"}, (method, path)


def test_the_document_has_all_routes_and_no_secret_of_ours():
    document = identity.document()
    assert {"/api/auth/login", "/api/devices/batch", "/api/devices/enroll", "/api/users/{user_id}"} <= set(
        document["paths"]
    )
    assert "password_hash" not in str(document)


def test_what_services_ask_each_other_is_not_in_peoples_document():
    ours = {path for _, path, _ in _rules() if path.startswith("/internal/") and "/emqx/" not in path}
    assert ours == {"/internal/operations", "/internal/restores", "/internal/verifiers"}
    assert not ours & set(identity.document()["paths"])
