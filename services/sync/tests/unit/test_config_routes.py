"""Every route of configuration says who may call it: reading and changing are two permissions."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from pulse_chassis.bearer import route_rules
from pulse_chassis.health import HealthRegistry
from pulse_sync import app


def test_reading_needs_config_read_and_changing_config_write() -> None:
    rules = [
        (method, path, rule and rule.detail)
        for method, path, rule in route_rules(app._routed_app(HealthRegistry(), CollectorRegistry(), None))
        if path.startswith("/api/config")
    ]
    assert len(rules) == 13
    for method, path, detail in rules:
        assert detail == ("config:read" if method == "GET" else "config:write"), (method, path)


def test_every_route_of_the_service_says_who_may_call_it() -> None:
    rules = route_rules(app._routed_app(HealthRegistry(), CollectorRegistry(), None))
    assert [path for _, path, rule in rules if rule is None] == []
