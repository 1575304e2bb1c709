"""The HTTP app that every service starts from.

Guaranteed: every error is a problem document, every answer has its request id and security headers, bodies and rates
are bounded by route, other origins read nothing unless they are listed, `/health`, `/readyz` and `/metrics` are there,
and the OpenAPI document declares who may call an operation and every kind of answer it can give. Start and stop are
the process's business (`run`), not the app's: it has no lifespan.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import Depends, FastAPI
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, Field
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pulse_chassis.api_docs import install_docs
from pulse_chassis.bearer import Authority, public
from pulse_chassis.cross_origin import CrossOrigin
from pulse_chassis.health import HealthRegistry
from pulse_chassis.http_edge import HttpEdge, HttpMetrics, LastResort
from pulse_chassis.idempotency import Idempotency, IdempotentPosts
from pulse_chassis.metrics import EXPOSITION_MEDIA_TYPE, exposition
from pulse_chassis.openapi import DocumentedApp
from pulse_chassis.problems import install_problem_handlers
from pulse_chassis.rate_limits import RateLimiter, rate_limiter
from pulse_chassis.request_bounds import RequestBounds
from pulse_chassis.route_bounds import not_rate_limited
from pulse_chassis.settings import ServiceSettings
from pulse_chassis.tracing import Tracing, tracing_to
from pulse_chassis.turnstile import Turnstile

MAX_BODY_BYTES: Final = 1024 * 1024


class Liveness(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"
    service: str


class Dependency(BaseModel):
    """One thing that a service needs."""

    ok: bool
    detail: str | None = None


class Readiness(BaseModel):
    """Whether the service can work, and what each dependency says."""

    status: Literal["ok", "unavailable"]
    dependencies: Annotated[dict[str, Dependency], Field(description="by name")]


@dataclass(frozen=True, slots=True)
class Edge:
    """What an operator decides: the origins whose pages may use the app, how often a caller may call, and traces."""

    origins: Collection[str] = ()
    limiter: RateLimiter | None = None
    tracing: Tracing | None = None

    @classmethod
    def of(cls, settings: ServiceSettings, redis: Redis, service: str) -> Edge:
        """Return the edge that the settings say."""
        tracing = tracing_to(settings.traces_endpoint, settings.traces_ratio, service)
        return cls(settings.origins, rate_limiter(settings.rates, redis, service), tracing)


def create_app(  # noqa: PLR0913 -- the composition root names each part once
    *,
    service: str,
    title: str,
    version: str,
    health: HealthRegistry,
    metrics_registry: CollectorRegistry,
    authority: Authority | None,
    max_body_bytes: int = MAX_BODY_BYTES,
    idempotency: Idempotency | None = None,
    edge: Edge | None = None,
    turnstile: Turnstile | None = None,
) -> FastAPI:
    """Return an app without routes of its own but the operational ones; the caller includes its routers.

    Without an `edge` there are no other origins, and nobody is counted; without a `turnstile` nobody waits for a turn.
    """
    edge = edge or Edge()
    app = DocumentedApp(
        title=title,
        version=version,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.authority = authority
    app.state.max_body_bytes = max_body_bytes
    # Each one stands outside of those added before it.
    if idempotency is not None:
        app.add_middleware(IdempotentPosts, idempotency=idempotency)
    app.add_middleware(
        RequestBounds,
        max_body_bytes=max_body_bytes,
        limiter=edge.limiter,
        authority=authority,
        turnstile=turnstile,
    )
    app.add_middleware(LastResort)
    app.add_middleware(CrossOrigin, origins=edge.origins)
    app.add_middleware(HttpEdge, metrics=HttpMetrics(metrics_registry), tracing=edge.tracing)
    install_problem_handlers(app)
    install_docs(app)
    _add_operational_routes(app, service, health, metrics_registry)
    return app


def _add_operational_routes(
    app: FastAPI, service: str, health: HealthRegistry, metrics_registry: CollectorRegistry
) -> None:
    probe = [
        Depends(public("for the machinery that runs the service; says nothing about users or data")),
        Depends(not_rate_limited("a probe that is refused would restart a healthy service")),
    ]

    @app.get("/health", dependencies=probe, tags=["operations"], summary="Does the process live?")
    async def read_health() -> Liveness:
        return Liveness(service=service)

    @app.get(
        "/readyz",
        dependencies=probe,
        tags=["operations"],
        summary="Can the service work?",
        responses={503: {"model": Readiness, "description": "A dependency is down"}},
        response_model=Readiness,
    )
    async def read_readiness() -> Response:
        states = await health.check()
        is_ready = all(state.ok for state in states.values())
        readiness = Readiness(
            status="ok" if is_ready else "unavailable",
            dependencies={name: Dependency(ok=state.ok, detail=state.detail) for name, state in states.items()},
        )
        return JSONResponse(readiness.model_dump(exclude_none=True), status_code=200 if is_ready else 503)

    @app.get("/metrics", dependencies=probe, include_in_schema=False)
    async def read_metrics(_request: Request) -> Response:
        return Response(exposition(metrics_registry), headers={"Content-Type": EXPOSITION_MEDIA_TYPE})
