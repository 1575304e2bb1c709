"""The composition root of alerts: the only place where adapters are made and settings are read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from pulse_alerts.domain.reachable import parse_networks
from pulse_alerts.domain.retrying import Perseverance
from pulse_alerts.http import alarm_routes, channel_routes, rule_routes
from pulse_alerts.http.channel_use_cases import ChannelUseCases
from pulse_alerts.http.metrics import counters
from pulse_alerts.http.notification_metrics import notification_counters
from pulse_alerts.http.use_case_set import UseCases
from pulse_alerts.messaging.device_screens import MqttScreens
from pulse_alerts.messaging.mailed_people import MailedPeople
from pulse_alerts.messaging.posted_webhooks import PostedWebhooks, webhook_client
from pulse_alerts.messaging.telemetry_news import RedisTelemetryNews
from pulse_alerts.settings import AlertsSettings
from pulse_alerts.storage.alert_store import PostgresWork
from pulse_alerts.storage.channel_rows import SecretBox
from pulse_alerts.storage.channel_store import PostgresChannelWork
from pulse_alerts.storage.evaluation_store import PostgresEvaluationStore
from pulse_alerts.storage.notifier_store import PostgresNotifierWork
from pulse_alerts.storage.sample_history import PostgresHistory
from pulse_alerts.storage.tables import SCHEMA, outbox
from pulse_alerts.use_cases.change_alarm import ChangeAlarm
from pulse_alerts.use_cases.edit_channels import EditChannels
from pulse_alerts.use_cases.edit_rules import EditRules
from pulse_alerts.use_cases.evaluate_stream import EvaluateStream
from pulse_alerts.use_cases.evaluation import Tools
from pulse_alerts.use_cases.examine_late import ExamineLate
from pulse_alerts.use_cases.find_alerts import FindAlerts
from pulse_alerts.use_cases.find_channels import FindChannels
from pulse_alerts.use_cases.forget_alarms import ForgetAlarms
from pulse_alerts.use_cases.forget_notifications import ForgetNotifications
from pulse_alerts.use_cases.make_examples import MakeExamples
from pulse_alerts.use_cases.notify import Notify
from pulse_alerts.use_cases.plan_deliveries import PlanDeliveries
from pulse_alerts.use_cases.send_messages import SendMessages, Ways
from pulse_alerts.use_cases.try_channel import TryChannel
from pulse_alerts.use_cases.try_rule import TryRule
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
from pulse_chassis.mail import mail_sender
from pulse_chassis.metrics import create_registry, loop_lag_worker
from pulse_chassis.outbox import OutboxRelay
from pulse_chassis.periodic import periodic_worker
from pulse_chassis.revocations import RevokedSessions
from pulse_chassis.run import Worker
from pulse_chassis.sealing import SealError, SealKey
from pulse_chassis.serve import http_worker
from pulse_chassis.settings import SettingsError
from pulse_chassis.stream_position import StreamPosition
from pulse_contracts.frames import Topic
from pulse_contracts.streams import ALERTS_STREAM

SERVICE: Final = "alerts"
MIGRATIONS: Final = Path(__file__).parent / "storage" / "migrations"
HOUSEKEEPING_SECONDS: Final = 3600.0
LATE_SECONDS: Final = 5.0
"""Between two looks for late readings that have come to rest."""
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
    work: PostgresWork
    tools: Tools
    evaluate: EvaluateStream
    channels: PostgresChannelWork
    notifier_work: PostgresNotifierWork
    webhook_client: httpx.AsyncClient
    screens: MqttScreens
    notify: Notify


async def migrate(settings: AlertsSettings) -> None:
    """Bring schema `alerts` to its newest revision; a new one gets the example rules."""
    await upgrade(settings.database_url, MIGRATIONS, SCHEMA)
    database = Database(settings.database_url, pool_size=1, application_name=f"migrate-{SERVICE}", outbox=outbox)
    try:
        await MakeExamples(PostgresWork(database), SystemClock())()
    finally:
        await database.dispose()


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
        await parts.webhook_client.aclose()
        await parts.redis.aclose()
        await parts.database.dispose()


def make_app(parts: Parts) -> FastAPI:
    """Return the HTTP app over the adapters."""
    health = HealthRegistry()
    health.add("postgresql", parts.database.ping)
    health.add("redis", lambda: streams.ping(parts.redis))
    health.add("mqtt", parts.screens.check)
    rights = CurrentRights(parts.revoked, published_rights(parts.database))
    authority = Authority(
        jwks_url(parts.settings.identity_url), clock=parts.clock, revoked=parts.revoked, rights=rights
    )
    # Its answers hold rules and alarms, no secrets.
    idempotency = Idempotency(parts.redis, SERVICE, PlainAnswers(), authority)
    edge = Edge.of(parts.settings, parts.redis, SERVICE)
    app = _routed_app(health, parts.registry, authority, idempotency, edge)
    app.state.use_cases = _use_cases(parts)
    app.state.channel_use_cases = _channel_use_cases(parts)
    app.state.audit = parts.audit_trail
    return app


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document; needs no environment."""
    return _routed_app(HealthRegistry(), CollectorRegistry(), None).openapi()


def make_workers(parts: Parts) -> Sequence[Worker]:
    """Return everything that runs in the process."""
    settings = parts.settings
    forget_notifications = ForgetNotifications(
        parts.notifier_work, parts.clock, timedelta(days=settings.alerts_notifications_kept_days)
    )
    late = ExamineLate(parts.tools, settings.patience, lambda: parts.evaluate.partitions)
    forget_alarms = ForgetAlarms(parts.work, parts.clock, timedelta(days=settings.alerts_kept_days))
    return [
        Worker("evaluate_stream", parts.evaluate.run),
        periodic_worker(LATE_SECONDS, "examine_late", late),
        periodic_worker(HOUSEKEEPING_SECONDS, "forget_alarms", forget_alarms),
        Worker("notify", parts.notify.run),
        parts.screens.worker(parts.notify.broker_is_back),
        periodic_worker(HOUSEKEEPING_SECONDS, "forget_notifications", forget_notifications),
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
    registry = create_registry()
    tools = Tools(
        PostgresEvaluationStore(database),
        RedisTelemetryNews(redis),
        PostgresHistory(database, clock),
        clock,
        counters(registry).add,
    )
    box = SecretBox(_seal_key(settings))
    notifier_work = PostgresNotifierWork(database, box)
    client = webhook_client(settings.alerts_webhook_ca_file)
    screens = MqttScreens(settings.mqtt_endpoint)
    notify = _notify(settings, notifier_work, client, screens, registry, clock)
    database.on_outbox_commit(notify.wake)
    return Parts(
        settings=settings,
        database=database,
        redis=redis,
        revoked=RevokedSessions(redis),
        audit_trail=AuditTrail(SERVICE, database, clock),
        clock=clock,
        registry=registry,
        work=PostgresWork(database),
        tools=tools,
        evaluate=EvaluateStream(settings.alerts_worker_id, tools, settings.patience),
        channels=PostgresChannelWork(database, box),
        notifier_work=notifier_work,
        webhook_client=client,
        screens=screens,
        notify=notify,
    )


def _notify(
    settings: AlertsSettings,
    work: PostgresNotifierWork,
    client: httpx.AsyncClient,
    screens: MqttScreens,
    registry: CollectorRegistry,
    clock: Clock,
) -> Notify:
    count = notification_counters(registry).add
    perseverance = Perseverance(give_up_after=timedelta(hours=settings.alerts_give_up_hours))
    ways = Ways(
        people=MailedPeople(mail_sender(settings.mail_server), settings.alerts_dashboard_url),
        webhooks=PostedWebhooks(client, parse_networks(settings.alerts_webhook_networks), clock),
        screens=screens,
    )
    plan = PlanDeliveries(work, perseverance, clock, count)
    return Notify(work, plan, SendMessages(work, ways, perseverance, clock, count), clock)


def _use_cases(parts: Parts) -> UseCases:
    return UseCases(
        find_alerts=FindAlerts(parts.work),
        change_alarm=ChangeAlarm(parts.work, parts.clock),
        edit_rules=EditRules(parts.work, parts.clock),
        try_rule=TryRule(parts.work, parts.tools.store, parts.tools.history, parts.clock),
        live_position=StreamPosition(parts.redis, ALERTS_STREAM, Topic.ALERTS),
    )


def _channel_use_cases(parts: Parts) -> ChannelUseCases:
    allowed = parse_networks(parts.settings.alerts_webhook_networks)
    return ChannelUseCases(
        edit=EditChannels(parts.channels, allowed, parts.clock),
        find=FindChannels(parts.channels),
        try_one=TryChannel(parts.channels, parts.clock),
    )


def _seal_key(settings: AlertsSettings) -> SealKey:
    try:
        return SealKey(settings.alerts_seal_key.get_secret_value())
    except SealError:
        message = "PULSE_ALERTS_SEAL_KEY: is no X25519 key in base 64"
        raise SettingsError(message) from None


def _routed_app(
    health: HealthRegistry,
    registry: CollectorRegistry,
    authority: Authority | None,
    idempotency: Idempotency | None = None,
    edge: Edge | None = None,
) -> FastAPI:
    app = create_app(
        service=SERVICE,
        title="PrecisionPulse alerts",
        version=version("pulse-alerts"),
        health=health,
        metrics_registry=registry,
        authority=authority,
        idempotency=idempotency,
        edge=edge,
    )
    app.include_router(rule_routes.router)
    app.include_router(alarm_routes.router)
    app.include_router(channel_routes.router)
    return app
