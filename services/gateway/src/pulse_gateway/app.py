"""The composition root of the gateway: the only place where adapters are made and settings are read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from redis.asyncio import Redis

from pulse_chassis.audit import AuditTrail
from pulse_chassis.bearer import Authority, jwks_url
from pulse_chassis.clock import SystemClock
from pulse_chassis.current_rights import CurrentRights, published_rights
from pulse_chassis.database import Database, upgrade
from pulse_chassis.errors import UnavailableError
from pulse_chassis.garbage_collection import collect_rarely
from pulse_chassis.health import HealthRegistry
from pulse_chassis.http import Edge, create_app
from pulse_chassis.idempotency import Idempotency, PlainAnswers
from pulse_chassis.logging import configure_logging
from pulse_chassis.mail import mail_sender
from pulse_chassis.metrics import create_registry, loop_lag_worker
from pulse_chassis.outbox import OutboxRelay
from pulse_chassis.periodic import periodic_worker
from pulse_chassis.revocations import RevokedSessions
from pulse_chassis.run import Worker
from pulse_chassis.serve import http_worker
from pulse_chassis.streams import connect_redis
from pulse_chassis.tracing import tracing_to
from pulse_contracts.frames import CloseCode
from pulse_gateway.domain.refusal import Farewell
from pulse_gateway.domain.stats import LiveStats
from pulse_gateway.domain.stream_id import StreamId
from pulse_gateway.domain.summary import PartState
from pulse_gateway.http.completeness_routes import completeness_router
from pulse_gateway.http.dashboard_routes import dashboard_router
from pulse_gateway.http.export_job_routes import export_job_router
from pulse_gateway.http.export_routes import export_router
from pulse_gateway.http.fleet_metrics import FleetMetrics
from pulse_gateway.http.forwarding import forwarding_client, forwarding_router
from pulse_gateway.http.history_routes import history_router
from pulse_gateway.http.live_door import LiveDoor
from pulse_gateway.http.live_metrics import LiveMetrics
from pulse_gateway.http.pages import pages_router
from pulse_gateway.http.personal_routes import personal_router
from pulse_gateway.http.release_routes import release_router
from pulse_gateway.http.report_routes import report_router
from pulse_gateway.http.schedule_routes import schedule_router
from pulse_gateway.http.telemetry_routes import telemetry_router
from pulse_gateway.messaging.live_feeds import live_feeds
from pulse_gateway.messaging.part_probes import PartProbes, Probe, http_probe
from pulse_gateway.settings import GatewaySettings
from pulse_gateway.storage.completeness import PostgresCompletenessReader
from pulse_gateway.storage.export_copy import PostgresExportCopy
from pulse_gateway.storage.export_jobs import PostgresExportStore
from pulse_gateway.storage.history_pages import PostgresHistoryReader
from pulse_gateway.storage.personal_store import PostgresPersonalStore
from pulse_gateway.storage.pool import ReadPool
from pulse_gateway.storage.published_state import PostgresPublishedState
from pulse_gateway.storage.release_directory import ReleaseDirectory
from pulse_gateway.storage.report_data import PostgresReportData
from pulse_gateway.storage.schedule_store import PostgresScheduleStore
from pulse_gateway.storage.series_snapshot import PostgresSeriesReader
from pulse_gateway.storage.tables import SCHEMA, outbox
from pulse_gateway.use_cases.access_directory import AccessDirectory
from pulse_gateway.use_cases.channel import Ticker
from pulse_gateway.use_cases.desk import Desk, SocketLimits
from pulse_gateway.use_cases.hub import Hub
from pulse_gateway.use_cases.keep_dashboards import KeepDashboards
from pulse_gateway.use_cases.keep_exports import KeepExports
from pulse_gateway.use_cases.keep_preferences import KeepPreferences
from pulse_gateway.use_cases.keep_schedules import KeepSchedules
from pulse_gateway.use_cases.live_state import LiveState
from pulse_gateway.use_cases.make_report import MakeReport
from pulse_gateway.use_cases.run_exports import RunExports
from pulse_gateway.use_cases.send_reports import SendReports
from pulse_gateway.use_cases.sockets import Sockets
from pulse_gateway.use_cases.stream_export import AT_ONCE

SERVICE = "gateway"
VERSION = "0.1.0"
MIGRATIONS = Path(__file__).parent / "storage" / "migrations"
OWN_POOL_SIZE = 4
"""The audit trail and the outbox, and two requests for what people keep."""
HISTORY_POOL_SIZE = 4
"""Long questions wait for each other, and never hold up what the live state is loaded with."""
EXPORT_POOL_SIZE = AT_ONCE + 1
"""The exports that are streamed, and the one that is made in the background."""
HOUSEKEEPING_SECONDS = 3600.0
STORAGE_SECONDS = 30.0
"""Ingest measures every ten minutes."""
SENDING_SECONDS = 5.0
"""How late a report may be."""
OWN_POSTS = ("/api/dashboards", "/api/report-schedules", "/api/telemetry/exports")
"""Whose POSTs honour an Idempotency-Key here; that of a forwarded one is its owner's business."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A composed gateway: its app, its workers, and what a test may look at."""

    app: FastAPI
    workers: Sequence[Worker]
    desk: Desk


@dataclass(frozen=True, slots=True)
class Stores:
    """What the gateway reads from, and the database in which it keeps what is its own."""

    redis: Redis
    pool: ReadPool
    history_pool: ReadPool
    export_pool: ReadPool
    database: Database
    client: httpx.AsyncClient


@asynccontextmanager
async def compose(settings: GatewaySettings | None = None) -> AsyncIterator[Sequence[Worker]]:
    """Give the workers of the process; close what they used when they have ended."""
    settings = settings or GatewaySettings()
    configure_logging(SERVICE, settings.log_level, settings.log_format)
    async with compose_gateway(settings) as gateway:
        yield gateway.workers


@asynccontextmanager
async def compose_gateway(settings: GatewaySettings, limits: SocketLimits | None = None) -> AsyncIterator[Gateway]:
    """Put a gateway together. Nothing needs to be there yet: the workers wait for what they need."""
    collect_rarely()
    stores = _stores(settings)
    try:
        yield _assemble(settings, limits or _limits(settings), stores)
    finally:
        await stores.client.aclose()
        await stores.database.dispose()
        await stores.export_pool.close()
        await stores.history_pool.close()
        await stores.pool.close()
        await stores.redis.aclose()


def openapi_app() -> FastAPI:
    """Return the app for its OpenAPI document only; nothing is connected."""
    settings = GatewaySettings(
        database_url=SecretStr("postgresql://localhost/precisionpulse"), redis_url=SecretStr("redis://localhost")
    )
    return _assemble(settings, _limits(settings), _stores(settings)).app


async def migrate(settings: GatewaySettings) -> None:
    """Bring schema `gateway` to the newest revision."""
    await upgrade(settings.database_url, MIGRATIONS, SCHEMA)


def _stores(settings: GatewaySettings) -> Stores:
    own = Database(settings.database_url, pool_size=OWN_POOL_SIZE, application_name="gateway-own", outbox=outbox)
    return Stores(
        connect_redis(settings.redis_url),
        ReadPool(settings.database_url),
        ReadPool(settings.database_url, size=HISTORY_POOL_SIZE),
        ReadPool(settings.database_url, size=EXPORT_POOL_SIZE, statement_seconds=None),
        own,
        forwarding_client(),
    )


def _assemble(settings: GatewaySettings, limits: SocketLimits, stores: Stores) -> Gateway:
    redis, pool = stores.redis, stores.pool
    published = PostgresPublishedState(pool)
    clock, stats, ticker = SystemClock(), LiveStats(), Ticker()
    trail = AuditTrail(SERVICE, stores.database, clock)
    directory = AccessDirectory(published, clock)
    state = LiveState(ticker, directory.rights_changed)
    revoked = RevokedSessions(redis)
    rights = CurrentRights(revoked, published_rights(stores.database))
    authority = Authority(jwks_url(settings.identity_url), revoked=revoked, rights=rights)
    desk = Desk(
        state=state,
        hub=Hub(state, clock, stats),
        directory=directory,
        authority=authority,
        audit=trail,
        sockets=Sockets(limits),
        clock=clock,
        stats=stats,
        limits=limits,
        server=f"precisionpulse-{SERVICE}/{VERSION}",
    )
    _connect(desk)
    tracing = tracing_to(settings.traces_endpoint, settings.traces_ratio, SERVICE)
    registry = create_registry()
    ticker.on_flush = LiveMetrics(registry, desk).observe_tick
    FleetMetrics(registry, state.summarise)
    own = _own(settings, stores, desk, published)
    app = _app(settings, desk, authority, registry, stores, own.routers)
    app.state.audit = trail
    probes = PartProbes(_probes(settings, desk, pool, stores.client), lambda parts: _tell_parts(state, parts))
    workers = [
        *(Worker(f"{name}_feed", feed.run) for name, feed in live_feeds(redis, desk, published, tracing).items()),
        Worker("rights", directory.run),
        revoked.worker(),
        *own.workers,
        trail.worker(),
        OutboxRelay(stores.database, outbox, redis).worker(),
        Worker("parts", probes.run),
        periodic_worker(STORAGE_SECONDS, "storage", lambda: _read_storage(state, published)),
        Worker("sockets", lambda stop: desk.sockets.run(desk, stop)),
        loop_lag_worker(registry),
        http_worker(
            app,
            host=settings.http_host,
            port=settings.http_port,
            trusted_proxies=settings.trusted_proxies,
        ),
    ]
    return Gateway(app, workers, desk)


@dataclass(frozen=True, slots=True)
class Own:
    """What the gateway does beside passing on and telling: its own routes, and the work behind them."""

    routers: Sequence[APIRouter]
    workers: Sequence[Worker]


def _own(settings: GatewaySettings, stores: Stores, desk: Desk, published: PostgresPublishedState) -> Own:
    state, directory, trail, clock, own = desk.state, desk.directory, desk.audit, desk.clock, stores.database
    series = PostgresSeriesReader(stores.history_pool)
    personal = PostgresPersonalStore(own)
    dashboards = KeepDashboards(personal, clock)
    make_report = MakeReport(PostgresReportData(stores.pool), series, state, clock)
    schedule_store = PostgresScheduleStore(own)
    schedules = KeepSchedules(schedule_store, clock)
    send_reports = SendReports(schedule_store, make_report, published, mail_sender(settings.mail_server), clock)
    export_store, export_copy = PostgresExportStore(own), PostgresExportCopy(stores.export_pool)
    run_exports = RunExports(export_store, export_copy, clock)
    keep_exports = KeepExports(export_store, series, clock, run_exports.wake)
    routers = [
        personal_router(dashboards, KeepPreferences(personal, clock)),
        report_router(make_report, directory, state, trail, clock),
        schedule_router(schedules, directory, state, is_mail_configured=settings.mail_server is not None),
        completeness_router(state, directory, PostgresCompletenessReader(stores.pool)),
        history_router(state, directory, (PostgresHistoryReader(stores.history_pool), series), trail, clock),
        export_router(state, directory, (series, export_copy), trail, clock),
        export_job_router(state, directory, keep_exports, trail, clock),
    ]
    workers = [
        periodic_worker(HOUSEKEEPING_SECONDS, "personal_housekeeping", dashboards.forget_strangers),
        periodic_worker(HOUSEKEEPING_SECONDS, "report_housekeeping", schedules.forget_old),
        periodic_worker(SENDING_SECONDS, "report_sender", send_reports),
        Worker("exports", run_exports.run),
        periodic_worker(HOUSEKEEPING_SECONDS, "export_housekeeping", keep_exports.forget_old),
    ]
    return Own(routers, workers)


def _limits(settings: GatewaySettings) -> SocketLimits:
    return SocketLimits(
        per_process=settings.gateway_max_connections,
        per_user=settings.gateway_max_connections_per_user,
        unauthenticated=settings.gateway_max_unauthenticated,
    )


def _connect(desk: Desk) -> None:
    """Lead each kind of change to whom it concerns."""

    def on_change(user_id: UUID, has_gained: bool) -> None:
        # First, so that a client knows why its subscriptions end.
        desk.sockets.tell_rights(user_id)
        desk.hub.rescope(user_id)
        if has_gained:
            # What it could not subscribe to before, it asks for again after coming back.
            farewell = Farewell(CloseCode.PERMISSIONS_CHANGED, "the permissions of this user changed", 500)
            desk.sockets.close_user(user_id, farewell)

    def on_registry_change(entry_id: StreamId) -> None:
        desk.hub.regroup()
        desk.directory.note_registry(entry_id)

    desk.directory.on_change = on_change
    desk.directory.on_end = lambda user_id: desk.sockets.close_user(
        user_id, Farewell(CloseCode.SESSION_REVOKED, "this user is not active any more")
    )
    desk.directory.on_session_end = lambda session_id: desk.sockets.close_session(
        session_id, Farewell(CloseCode.SESSION_REVOKED, "this session was ended")
    )
    desk.state.on_registry_change = on_registry_change


def _app(
    settings: GatewaySettings,
    desk: Desk,
    authority: Authority,
    registry: CollectorRegistry,
    stores: Stores,
    own: Sequence[APIRouter],
) -> FastAPI:
    pool, client = stores.pool, stores.client
    health = HealthRegistry()
    for name, probe in _needed(settings, desk, pool, client).items():
        health.add(name, probe)
    app = create_app(
        service=SERVICE,
        title="PrecisionPulse gateway",
        version=VERSION,
        health=health,
        metrics_registry=registry,
        authority=authority,
        # Its answers say what was kept, and hold no secrets.
        idempotency=Idempotency(stores.redis, SERVICE, PlainAnswers(), authority, prefixes=OWN_POSTS),
        edge=Edge.of(settings, stores.redis, SERVICE),
    )
    for router in own:
        app.include_router(router)
    app.include_router(telemetry_router(desk.state, desk.directory, desk.audit))
    app.include_router(dashboard_router(desk.state, desk.directory))
    app.include_router(release_router(ReleaseDirectory(settings.gateway_releases_dir)))
    app.include_router(forwarding_router(client, settings.services))
    app.include_router(pages_router(settings.gateway_dashboard_dir, sorted(settings.services)))
    app.add_middleware(LiveDoor, desk=desk, allowed_origins=settings.origins)
    return app


def _needed(settings: GatewaySettings, desk: Desk, pool: ReadPool, client: httpx.AsyncClient) -> Mapping[str, Probe]:
    """Return the checks of readiness: without these the gateway cannot do its own work."""

    async def streams() -> None:
        if not (desk.state.telemetry.is_connected and desk.state.devices.is_connected):
            message = "the live streams are not being read"
            raise UnavailableError(message)

    async def keys() -> None:
        try:
            answer = await client.get(jwks_url(settings.identity_url), timeout=1.5)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            message = "the signing keys cannot be fetched"
            raise UnavailableError(message) from error

    async def loaded() -> None:
        if not desk.state.is_ready:
            message = "the live state has not been loaded yet"
            raise UnavailableError(message)

    return {"postgresql": pool.ping, "redis": streams, "identity": keys, "live_state": loaded}


def _probes(settings: GatewaySettings, desk: Desk, pool: ReadPool, client: httpx.AsyncClient) -> Mapping[str, Probe]:
    """Return what the KPI cards show: the stores, and every service of this installation."""
    own = _needed(settings, desk, pool, client)
    services = {name: http_probe(client, url) for name, url in settings.services.items()}
    return {"postgresql": own["postgresql"], "redis": own["redis"], **services}


def _tell_parts(state: LiveState, parts: Mapping[str, PartState]) -> None:
    if state.summarise.set_parts(parts):
        state.system_changed()


async def _read_storage(state: LiveState, published: PostgresPublishedState) -> None:
    if state.summarise.set_storage(await published.load_storage()):
        state.system_changed()
