"""The composition root of alerts: the only place where adapters are made and settings are read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from pulse_alerts.settings import AlertsSettings
from pulse_alerts.storage.tables import SCHEMA, outbox
from pulse_chassis import streams
from pulse_chassis.audit import AuditTrail
from pulse_chassis.bearer import Authority, jwks_url
from pulse_chassis.clock import Clock, SystemClock
from pulse_chassis.current_rights import CurrentRights, published_rights
from pulse_chassis.database import Database, upgrade
from pulse_chassis.garbage_collection import collect_rarely
from pulse_chassis.health import HealthRegistry
from pulse_chassis.http import Edge, create_app
from pulse_chassis.idempotency import Idempotency, PlainAnswers
from pulse_chassis.metrics import create_registry, loop_lag_worker
from pulse_chassis.outbox import OutboxRelay
from pulse_chassis.revocations import RevokedSessions
from pulse_chassis.run import Worker
from pulse_chassis.serve import http_worker

SERVICE: Final = "alerts"
MIGRATIONS: Final = Path(__file__).parent / "storage" / "migrations"
POOL_SIZE: Final = 10
"""Evaluation, late spans, notifications, the outbox, the audit trail, health, and requests."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The adapters, once each."""

    settings: AlertsSettings
    database: Database
    redis: Redis
    revoked: RevokedSessions
    audit_trail: AuditTrail
    clock: Clock
    registry: CollectorRegistry


async def migrate(settings: AlertsSettings) -> None:
    """Bring schema `alerts` to its newest revision."""
    await upgrade(settings.database_url, MIGRATIONS, SCHEMA)


@asynccontextmanager
async def compose(settings: AlertsSettings) -> AsyncIterator[Sequence[Worker]]:
    """Give the workers of the process; close what they used when they have ended."""
    collect_rarely()
    async with open_parts(settings) as parts:
        yield make_workers(parts)


@asynccontextmanager
async def open_parts(settings: AlertsSettings, clock: Clock | None = None) -> AsyncIterator[Parts]:
    """Construct the adapters and close them; what is away is waited for, and /readyz names it."""
    parts = _make_parts(settings, clock or SystemClock())
    try:
        yield parts
    finally:
        await parts.redis.aclose()
        await parts.database.dispose()


def make_app(parts: Parts) -> FastAPI:
    """Return the HTTP app over the adapters."""
    health = HealthRegistry()
    health.add("postgresql", parts.database.ping)
    health.add("redis", lambda: streams.ping(parts.redis))
    rights = CurrentRights(parts.revoked, published_rights(parts.database))
    authority = Authority(
        jwks_url(parts.settings.identity_url), clock=parts.clock, revoked=parts.revoked, rights=rights
    )
    # Its answers hold rules and alarms, no secrets.
    idempotency = Idempotency(parts.redis, SERVICE, PlainAnswers(), authority)
    edge = Edge.of(parts.settings, parts.redis, SERVICE)
    app = _routed_app(health, parts.registry, authority, idempotency, edge)
    app.state.audit = parts.audit_trail
    return app


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document; needs no environment."""
    return _routed_app(HealthRegistry(), CollectorRegistry(), None).openapi()


def make_workers(parts: Parts) -> Sequence[Worker]:
    """Return everything that runs in the process."""
    settings = parts.settings
    return [
        parts.revoked.worker(),
        parts.audit_trail.worker(),
        OutboxRelay(parts.database, outbox, parts.redis).worker(),
        loop_lag_worker(parts.registry),
        http_worker(
            make_app(parts),
            host=settings.http_host,
            port=settings.http_port,
            trusted_proxies=settings.trusted_proxies,
        ),
    ]


def _make_parts(settings: AlertsSettings, clock: Clock) -> Parts:
    database = Database(settings.database_url, pool_size=POOL_SIZE, application_name=SERVICE, outbox=outbox)
    redis = streams.connect_redis(settings.redis_url)
    return Parts(
        settings=settings,
        database=database,
        redis=redis,
        revoked=RevokedSessions(redis),
        audit_trail=AuditTrail(SERVICE, database, clock),
        clock=clock,
        registry=create_registry(),
    )


def _routed_app(
    health: HealthRegistry,
    registry: CollectorRegistry,
    authority: Authority | None,
    idempotency: Idempotency | None = None,
    edge: Edge | None = None,
) -> FastAPI:
    return create_app(
        service=SERVICE,
        title="PrecisionPulse alerts",
        version=version("pulse-alerts"),
        health=health,
        metrics_registry=registry,
        authority=authority,
        idempotency=idempotency,
        edge=edge,
    )
