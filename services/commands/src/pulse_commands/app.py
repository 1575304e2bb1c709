"""The composition root of commands: the only place where adapters are made and settings are read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
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
from pulse_chassis.database import Database, upgrade
from pulse_chassis.garbage_collection import OF_REQUESTS, collect_rarely
from pulse_chassis.health import HealthRegistry
from pulse_chassis.http import Edge, create_app
from pulse_chassis.idempotency import Idempotency, PlainAnswers
from pulse_chassis.metrics import Counters, create_registry, loop_lag_worker
from pulse_chassis.outbox import OutboxRelay
from pulse_chassis.periodic import periodic_worker
from pulse_chassis.revocations import RevokedSessions
from pulse_chassis.run import Worker
from pulse_chassis.serve import http_worker
from pulse_chassis.settings import SettingsError
from pulse_chassis.signatures import SigningKey
from pulse_chassis.stream_position import StreamPosition
from pulse_commands.http import command_routes
from pulse_commands.http.metrics import counters
from pulse_commands.http.use_case_set import UseCases
from pulse_commands.messaging.command_link import SUBSCRIPTIONS, CommandLink
from pulse_commands.messaging.presence_news import RedisPresenceNews
from pulse_commands.settings import CommandsSettings
from pulse_commands.storage.command_store import PostgresWork
from pulse_commands.storage.refusal_audit import TrailedRefusals
from pulse_commands.storage.tables import SCHEMA, outbox
from pulse_commands.use_cases.cancel_command import CancelCommand
from pulse_commands.use_cases.find_commands import FindCommands
from pulse_commands.use_cases.follow_presence import FollowPresence
from pulse_commands.use_cases.forget_old import ForgetOld
from pulse_commands.use_cases.ports import CounterName
from pulse_commands.use_cases.publish_due import PublishDue
from pulse_commands.use_cases.read_catalogue import ReadCatalogue
from pulse_commands.use_cases.send_commands import SendCommands
from pulse_commands.use_cases.take_reports import TakeReports
from pulse_contracts.commands import COMMAND_TYPE
from pulse_contracts.frames import Topic
from pulse_contracts.streams import COMMANDS_STREAM
from pulse_contracts.sync import ServiceKeys

SERVICE: Final = "commands"
MIGRATIONS: Final = Path(__file__).parent / "storage" / "migrations"
POOL_SIZE: Final = 10
"""Publishing, reports, the outbox, the audit trail, health, and requests."""
HOUSEKEEPING_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Parts:
    """The adapters and the use cases, once each."""

    settings: CommandsSettings
    database: Database
    redis: Redis
    revoked: RevokedSessions
    signing_key: SigningKey
    audit_trail: AuditTrail
    clock: Clock
    registry: CollectorRegistry
    count: Counters[CounterName]
    work: PostgresWork
    broker: BrokerLink
    link: CommandLink
    publish_due: PublishDue
    take_reports: TakeReports


async def migrate(settings: CommandsSettings) -> None:
    """Bring schema `commands` to its newest revision."""
    await upgrade(settings.database_url, MIGRATIONS, SCHEMA)


@asynccontextmanager
async def compose(settings: CommandsSettings) -> AsyncIterator[Sequence[Worker]]:
    """Give the workers of the process; close what they used when they have ended."""
    collect_rarely(OF_REQUESTS)
    async with open_parts(settings) as parts:
        yield make_workers(parts)


@asynccontextmanager
async def open_parts(settings: CommandsSettings, clock: Clock | None = None) -> AsyncIterator[Parts]:
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
    health.add("mqtt", parts.broker.check)
    rights = CurrentRights(parts.revoked, published_rights(parts.database))
    authority = Authority(
        jwks_url(parts.settings.identity_url), clock=parts.clock, revoked=parts.revoked, rights=rights
    )
    # Its answers say what was sent, and hold no secrets.
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
    follow = FollowPresence(lambda: RedisPresenceNews.open(parts.redis), parts.publish_due.wake, parts.clock)
    forget = ForgetOld(
        parts.work,
        parts.clock,
        commands_for=timedelta(days=settings.commands_kept_days),
        refusals_for=timedelta(days=settings.commands_refusals_kept_days),
    )
    return [
        Worker("command_link", parts.link.run),
        Worker("take_reports", parts.take_reports.run),
        Worker("publish_due", parts.publish_due.run),
        Worker("follow_presence", follow.run),
        periodic_worker(HOUSEKEEPING_SECONDS, "housekeeping", forget),
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


def _make_parts(settings: CommandsSettings, clock: Clock) -> Parts:
    signing_key = _signing_key(settings)
    database = Database(settings.database_url, pool_size=POOL_SIZE, application_name=SERVICE, outbox=outbox)
    redis = streams.connect_redis(settings.redis_url)
    registry = create_registry()
    count = counters(registry)
    trail = AuditTrail(SERVICE, database, clock)
    work = PostgresWork(database)
    options = LinkOptions(
        settings.mqtt_endpoint,
        SERVICE,
        settings.commands_worker_id,
        SUBSCRIPTIONS,
        settings.commands_receive_maximum,
        settings.commands_session,
    )
    broker = BrokerLink(options, clock)
    link = CommandLink(broker, clock)
    publish_due = PublishDue(work, link, settings.patience, clock, count.add, settings.commands_poll_seconds)
    take_reports = TakeReports(
        work, link, settings.patience, clock, count.add, TrailedRefusals(trail), publish_due.wake
    )
    link.serve(take_reports.offer, publish_due.wake_all, take_reports.drained)
    return Parts(
        settings=settings,
        database=database,
        redis=redis,
        revoked=RevokedSessions(redis),
        signing_key=signing_key,
        audit_trail=trail,
        clock=clock,
        registry=registry,
        count=count,
        work=work,
        broker=broker,
        link=link,
        publish_due=publish_due,
        take_reports=take_reports,
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
        title="PrecisionPulse commands",
        version=version("pulse-commands"),
        health=health,
        metrics_registry=registry,
        authority=authority,
        idempotency=idempotency,
        edge=edge,
    )
    app.include_router(command_routes.router)
    return app


def _use_cases(parts: Parts) -> UseCases:
    def sign(payloads: Sequence[bytes]) -> list[str]:
        return [parts.signing_key.sign(payload, COMMAND_TYPE) for payload in payloads]

    count = parts.count.add
    return UseCases(
        send_commands=SendCommands(
            parts.work, sign, parts.publish_due.wake, parts.clock, count, parts.settings.commands_most_waiting
        ),
        cancel_command=CancelCommand(parts.work, parts.clock, count),
        find_commands=FindCommands(parts.work),
        read_catalogue=ReadCatalogue(parts.work),
        keys=ServiceKeys(keys=[parts.signing_key.public_jwk()]),
        live_position=StreamPosition(parts.redis, COMMANDS_STREAM, Topic.COMMANDS),
    )


def _signing_key(settings: CommandsSettings) -> SigningKey:
    try:
        return SigningKey(json.loads(settings.commands_signing_key.get_secret_value()))
    except (ValueError, TypeError):
        message = "PULSE_COMMANDS_SIGNING_KEY: is no private EC P-256 JWK with kid, as JSON"
        raise SettingsError(message) from None
