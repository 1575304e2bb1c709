"""The HTTP app with all of identity's routes."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from pulse_chassis.bearer import Authority
from pulse_chassis.health import HealthRegistry
from pulse_chassis.http import Edge, create_app
from pulse_chassis.idempotency import Idempotency
from pulse_chassis.turnstile import Turnstile
from pulse_identity.http import (
    account_routes,
    audit_routes,
    auth_routes,
    device_import,
    device_routes,
    emqx_routes,
    enrolment_routes,
    internal_routes,
    oidc_routes,
    people_routes,
    role_routes,
)


def routed_app(  # noqa: PLR0913, PLR0917 -- what the app is made over, each once
    service: str,
    health: HealthRegistry,
    registry: CollectorRegistry,
    authority: Authority | None,
    idempotency: Idempotency | None = None,
    edge: Edge | None = None,
    turnstile: Turnstile | None = None,
) -> FastAPI:
    """Return the app with every route, over these; without an authority it is good for its document only."""
    app = create_app(
        service=service,
        title="PrecisionPulse identity",
        version=version("pulse-identity"),
        health=health,
        metrics_registry=registry,
        authority=authority,
        idempotency=idempotency,
        edge=edge,
        turnstile=turnstile,
    )
    # The fixed paths under /api/devices before those with an id in them.
    for routes in (
        auth_routes,
        account_routes,
        oidc_routes,
        people_routes,
        role_routes,
        enrolment_routes,
        device_import,
        device_routes,
        emqx_routes,
        audit_routes,
        internal_routes,
    ):
        app.include_router(routes.router)
    return app
