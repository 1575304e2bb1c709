"""The composition root of sync: the only place where adapters are made and settings are read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from pulse_chassis import streams
from pulse_chassis.audit import AuditTrail
from pulse_chassis.bearer import Authority, jwks_url
from pulse_chassis.broker_link import BrokerLink, LinkOptions
from pulse_chassis.clock import Clock, SystemClock
from pulse_chassis.current_rights import CurrentRights, published_rights
from pulse_chassis.database import Database, asyncpg_pool, upgrade
from pulse_chassis.garbage_collection import collect_rarely
from pulse_chassis.health import HealthRegistry
from pulse_chassis.http import Edge, create_app
from pulse_chassis.idempotency import Idempotency, PlainAnswers
from pulse_chassis.metrics import create_registry, loop_lag_worker
from pulse_chassis.outbox import OutboxRelay
from pulse_chassis.periodic import periodic_worker
from pulse_chassis.revocations import RevokedSessions
from pulse_chassis.run import Worker
from pulse_chassis.sealing import SealError, SealKey
from pulse_chassis.serve import http_worker
from pulse_chassis.settings import SettingsError
from pulse_chassis.signatures import SigningKey
from pulse_chassis.stream_position import StreamPosition
from pulse_contracts.frames import Topic
from pulse_contracts.streams import CONFIG_STREAM
from pulse_contracts.sync import ServiceKeys
from pulse_sync.http import config_key_routes, config_routes, key_routes, sync_routes
from pulse_sync.http.instruments import CountedAnswers
from pulse_sync.http.use_case_set import UseCases
from pulse_sync.messaging.change_feed import READERS, ChangeFeed
from pulse_sync.messaging.desktop_link import SUBSCRIPTIONS, DesktopLink
from pulse_sync.messaging.identity_link import IdentityLink
from pulse_sync.messaging.poke_board import PokeBoard
from pulse_sync.messaging.sealed_messages import SealedMessages
from pulse_sync.settings import SyncSettings
from pulse_sync.storage.change_log import PostgresChangeLog
from pulse_sync.storage.config_store import PostgresAppliedBook, PostgresConfigStore
from pulse_sync.storage.config_views import PostgresConfigViews
from pulse_sync.storage.conflict_book import PostgresConflictBook
from pulse_sync.storage.desktop_book import PostgresDesktopBook
from pulse_sync.storage.desktop_states import PostgresStateBook
from pulse_sync.storage.outbox import SCHEMA, outbox
from pulse_sync.storage.scope_reader import PostgresScopeReader
from pulse_sync.storage.sync_views import PostgresSyncViews
from pulse_sync.use_cases.absorb_changes import AbsorbChanges
from pulse_sync.use_cases.answer_desktop import AnswerDesktop, Desks, Strangers
from pulse_sync.use_cases.apply_config_operation import ApplyConfigOperation
from pulse_sync.use_cases.edit_config import EditConfig
from pulse_sync.use_cases.edit_config_keys import EditConfigKeys
from pulse_sync.use_cases.force_sync import ForceSync
from pulse_sync.use_cases.ports import AppliedConfigs, ConfigOwner
from pulse_sync.use_cases.read_config import ReadConfig
from pulse_sync.use_cases.serve_pull import ServePull
from pulse_sync.use_cases.settle_conflict import SettleConflict
from pulse_sync.use_cases.take_push import Owners, TakePush
from pulse_sync.use_cases.take_report import TakeReport
from pulse_sync.use_cases.tell_desktops import TellDesktops

SERVICE: Final = "sync"
MIGRATIONS: Final = Path(__file__).parent / "storage" / "migrations"
POOL_SIZE: Final = 10
"""The REST API, the change log's one writer, the outbox and the audit trail."""

READERS_SIZE: Final = 16
"""What desktops ask and report, put together: two statements of each kind at a time, and pages of large scopes."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The adapters, once each."""

    settings: SyncSettings
    database: Database
    pool: Any
    scopes: PostgresScopeReader
    book: PostgresDesktopBook
    redis: Redis
    revoked: RevokedSessions
    signing_key: SigningKey
    seal_key: SealKey
    audit_trail: AuditTrail
    clock: Clock
    registry: CollectorRegistry
    identity: IdentityLink
    broker: BrokerLink
    link: DesktopLink
    pokes: PokeBoard
    news: TellDesktops


async def migrate(settings: SyncSettings) -> None:
    """Bring schema `sync` to its newest revision."""
    await upgrade(settings.database_url, MIGRATIONS, SCHEMA)


@asynccontextmanager
async def compose(settings: SyncSettings) -> AsyncIterator[Sequence[Worker]]:
    """Give the workers of the process; close what they used when they have ended."""
    collect_rarely()
    async with open_parts(settings) as parts:
        yield make_workers(parts)


@asynccontextmanager
async def open_parts(settings: SyncSettings, clock: Clock | None = None) -> AsyncIterator[Parts]:
    """Construct the adapters and close them; what is away is waited for, and /readyz names it."""
    signing_key, seal_key = _keys(settings)
    clock = clock or SystemClock()
    database = Database(settings.database_url, pool_size=POOL_SIZE, application_name=SERVICE, outbox=outbox)
    redis = streams.connect_redis(settings.redis_url)
    # No connection yet: a database that is away must not keep the process from living.
    pool = await asyncpg_pool(
        settings.database_url,
        application_name=f"{SERVICE}-{settings.sync_worker_id}",
        min_size=0,
        max_size=READERS_SIZE,
        is_stateless=True,
    )
    identity = IdentityLink(settings.identity_url, settings.internal_key.get_secret_value())
    options = LinkOptions(
        settings.mqtt_endpoint, SERVICE, settings.sync_worker_id, SUBSCRIPTIONS, settings.sync_receive_maximum
    )
    broker = BrokerLink(options, clock)
    link = DesktopLink(broker, SealedMessages(signing_key, clock), concurrency=settings.sync_concurrency)
    try:
        yield Parts(
            settings=settings,
            database=database,
            pool=pool,
            scopes=PostgresScopeReader(pool),
            book=PostgresDesktopBook(database, pool),
            redis=redis,
            revoked=RevokedSessions(redis),
            signing_key=signing_key,
            seal_key=seal_key,
            audit_trail=AuditTrail(SERVICE, database, clock),
            clock=clock,
            registry=create_registry(),
            identity=identity,
            broker=broker,
            link=link,
            pokes=PokeBoard(link.publish),
            news=TellDesktops(PostgresStateBook(database)),
        )
    finally:
        await identity.close()
        pool.terminate()
        await redis.aclose()
        await database.dispose()


def make_app(parts: Parts) -> FastAPI:
    """Return the HTTP app over the adapters."""
    health = HealthRegistry()
    health.add("postgresql", parts.database.ping)
    health.add("redis", lambda: streams.ping(parts.redis))
    health.add("mqtt", parts.broker.check)
    rights = CurrentRights(parts.revoked, published_rights(parts.database))
    authority = Authority(
        jwks_url(parts.settings.identity_url), clock=parts.clock, revoked=parts.revoked, rights=rights
    )
    # Its answers hold no secrets: rows without passwords, and what became of a conflict.
    idempotency = Idempotency(parts.redis, SERVICE, PlainAnswers(), authority)
    edge = Edge.of(parts.settings, parts.redis, SERVICE)
    app = _routed_app(health, parts.registry, authority, idempotency, edge)
    app.state.use_cases = _use_cases(parts)
    app.state.audit = parts.audit_trail
    return app


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document; needs no environment."""
    return _routed_app(HealthRegistry(), CollectorRegistry(), None).openapi()


def make_workers(parts: Parts) -> Sequence[Worker]:
    """Return everything that runs in the process."""
    settings = parts.settings
    absorb = make_absorb(parts)
    answer = make_answer(parts, absorb, config_owner(parts), applied_configs(parts))

    async def compare() -> None:
        await absorb.compare()

    return [
        parts.link.worker(CountedAnswers(answer, parts.registry, parts.clock.monotonic)),
        parts.pokes.worker(),
        parts.news.worker(),
        *(ChangeFeed(parts.redis, stream, absorb).worker() for stream in READERS),
        periodic_worker(settings.sync_compare_seconds, "full_comparison", compare),
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


def make_absorb(parts: Parts) -> AbsorbChanges:
    """Return what follows the owners of rows."""
    log = PostgresChangeLog(parts.database)
    return AbsorbChanges(log, parts.pokes, parts.news, parts.clock, parts.settings.tombstones)


def make_answer(parts: Parts, absorb: AbsorbChanges, config: ConfigOwner, configs: AppliedConfigs) -> AnswerDesktop:
    """Return what answers desktops."""
    book, clock = parts.book, parts.clock
    desks = Desks(
        pull=make_pull(parts),
        push=TakePush(parts.scopes, absorb, Owners(parts.identity, config), book, parts.news, clock),
        report=TakeReport(book, configs, parts.news, clock),
    )
    return AnswerDesktop(parts.scopes, absorb, desks, parts.seal_key.open, Strangers(clock))


def make_pull(parts: Parts) -> ServePull:
    """Return what makes pages."""
    return ServePull(
        parts.scopes,
        parts.identity,
        parts.book,
        parts.signing_key.sign,
        parts.clock,
        parts.settings.lease,
    )


def _routed_app(
    health: HealthRegistry,
    registry: CollectorRegistry,
    authority: Authority | None,
    idempotency: Idempotency | None = None,
    edge: Edge | None = None,
) -> FastAPI:
    app = create_app(
        service=SERVICE,
        title="PrecisionPulse sync",
        version=version("pulse-sync"),
        health=health,
        metrics_registry=registry,
        authority=authority,
        idempotency=idempotency,
        edge=edge,
    )
    for routes in (key_routes, sync_routes, config_key_routes, config_routes):
        app.include_router(routes.router)
    return app


def _use_cases(parts: Parts) -> UseCases:
    views, conflicts = PostgresSyncViews(parts.database), PostgresConflictBook(parts.database)
    store = config_store(parts)
    return UseCases(
        keys=ServiceKeys(keys=[parts.signing_key.public_jwk()], seal_key=parts.seal_key.public_key),
        views=views,
        force=ForceSync(views, parts.scopes, make_pull(parts), conflicts, parts.link.send, parts.clock),
        settle=SettleConflict(conflicts, parts.identity, config_owner(parts), parts.news, parts.clock),
        read_config=ReadConfig(PostgresConfigViews(parts.database)),
        edit_config=EditConfig(store, parts.clock),
        edit_config_keys=EditConfigKeys(store, parts.clock),
        config_position=StreamPosition(parts.redis, CONFIG_STREAM, Topic.CONFIG),
    )


def _keys(settings: SyncSettings) -> tuple[SigningKey, SealKey]:
    try:
        signing_key = SigningKey(json.loads(settings.sync_signing_key.get_secret_value()))
    except (ValueError, TypeError):
        message = "PULSE_SYNC_SIGNING_KEY: is no private EC P-256 JWK with kid, as JSON"
        raise SettingsError(message) from None
    try:
        return signing_key, SealKey(settings.sync_seal_key.get_secret_value())
    except SealError as error:
        message = f"PULSE_SYNC_SEAL_KEY: {error}"
        raise SettingsError(message) from None


def config_owner(parts: Parts) -> ConfigOwner:
    """Return what applies operations on configuration."""
    store = config_store(parts)
    return ApplyConfigOperation(store, EditConfig(store, parts.clock), parts.clock)


def applied_configs(parts: Parts) -> AppliedConfigs:
    """Return what notes which configuration is in force where."""
    return PostgresAppliedBook(parts.pool)


def config_store(parts: Parts) -> PostgresConfigStore:
    """Return where configuration is kept."""
    return PostgresConfigStore(parts.database, parts.pokes, parts.news)
