"""The composition root of ingest: the only place where adapters are made and settings are read."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from redis.asyncio import Redis

from pulse_chassis.audit import AuditTrail
from pulse_chassis.bearer import Authority, jwks_url
from pulse_chassis.broker_link import BrokerLink, LinkOptions
from pulse_chassis.clock import SystemClock
from pulse_chassis.current_rights import CurrentRights, published_rights
from pulse_chassis.database import Database, asyncpg_pool, upgrade
from pulse_chassis.garbage_collection import collect_rarely
from pulse_chassis.health import HealthRegistry
from pulse_chassis.http import Edge, create_app
from pulse_chassis.idempotency import Idempotency, PlainAnswers
from pulse_chassis.logging import get_logger
from pulse_chassis.metrics import create_registry, loop_lag_worker
from pulse_chassis.outbox import OutboxRelay
from pulse_chassis.revocations import RevokedSessions
from pulse_chassis.run import Worker
from pulse_chassis.serve import http_worker
from pulse_chassis.streams import connect_redis, ping
from pulse_chassis.tracing import tracing_to
from pulse_contracts.ids import ClientId
from pulse_ingest.domain.batch import Message
from pulse_ingest.domain.credit import FairShare
from pulse_ingest.domain.intake import Intake
from pulse_ingest.domain.presence import SightingBook
from pulse_ingest.domain.storage_use import StorageOutlook
from pulse_ingest.domain.token_bucket import RateLimit, TokenBuckets
from pulse_ingest.http.instruments import PrometheusInstruments
from pulse_ingest.http.retention_routes import RetentionRoutes
from pulse_ingest.http.routes import TelemetryRoutes
from pulse_ingest.http.sender import WRONG_KEY, Senders
from pulse_ingest.http.storage_routes import StorageRoutes
from pulse_ingest.messaging.batch_traces import OtelBatchTraces
from pulse_ingest.messaging.decoding.payloads import decode_body, decode_payload
from pulse_ingest.messaging.mqtt_source import SUBSCRIPTIONS, MqttDownlink, MqttSource
from pulse_ingest.messaging.presence_payload import read_presence
from pulse_ingest.messaging.redaction import redacted
from pulse_ingest.messaging.redis_live_stream import RedisDeviceNews, RedisLiveStream
from pulse_ingest.settings import IngestSettings
from pulse_ingest.storage.audit_outbox import outbox
from pulse_ingest.storage.device_directory import DeviceDirectory
from pulse_ingest.storage.partitions import Partitions
from pulse_ingest.storage.postgres_presence_store import PostgresPresenceStore
from pulse_ingest.storage.postgres_reading_store import PostgresReadingStore
from pulse_ingest.storage.retention_news import PostgresRemovedNews
from pulse_ingest.storage.retention_rules import PostgresRetentionRules
from pulse_ingest.storage.retention_sweep import RetentionSweep
from pulse_ingest.storage.rollup_partitions import RollupPartitions
from pulse_ingest.storage.rollups import Rollups
from pulse_ingest.storage.storage_meter import StorageMeter
from pulse_ingest.use_cases.accept_message import AcceptMessage
from pulse_ingest.use_cases.edit_retention import EditRetention
from pulse_ingest.use_cases.follow_devices import FollowDevices
from pulse_ingest.use_cases.greet_client import GreetClient
from pulse_ingest.use_cases.keep_partitions import KeepPartitions
from pulse_ingest.use_cases.keep_retention import KeepRetention
from pulse_ingest.use_cases.keep_rollups import KeepRollups
from pulse_ingest.use_cases.pump_messages import PumpMessages
from pulse_ingest.use_cases.report_devices import ReportDevices
from pulse_ingest.use_cases.settle_batch import SettleBatch
from pulse_ingest.use_cases.store_batch import StoreBatch
from pulse_ingest.use_cases.submit_readings import FORM, TOPIC, SubmitReadings
from pulse_ingest.use_cases.track_presence import Silence, TrackPresence
from pulse_ingest.use_cases.watch_storage import WatchStorage

SERVICE: Final = "ingest"
VERSION: Final = "0.1.0"
SCHEMA: Final = "telemetry"
MIGRATIONS: Final = Path(__file__).parent / "storage" / "migrations"
POOL_SIZE: Final = 12
"""The pipeline's own, four hellos at once, reports, devices, two for partitions, roll-ups, health, and one to spare."""

_log = get_logger("app")


def now_us() -> int:
    """Return the wall time in microseconds since 1970."""
    return time.time_ns() // 1000


async def migrate(settings: IngestSettings) -> None:
    """Bring schema `telemetry` to its newest revision and make the first partitions."""
    await upgrade(settings.database_url, MIGRATIONS, SCHEMA)
    pool = await _pool(settings)
    try:
        await _partitions(settings, pool).tend(SystemClock().now())
        await RollupPartitions(pool).tend(SystemClock().now())
    finally:
        await pool.close()


@asynccontextmanager
async def compose(settings: IngestSettings) -> AsyncIterator[Sequence[Worker]]:
    """Give the workers of the process; close what they used when they have ended."""
    async with compose_ingest(settings) as ingest:
        yield ingest.workers


@asynccontextmanager
async def compose_ingest(settings: IngestSettings) -> AsyncIterator[Ingest]:
    """Put ingest together.

    Nothing needs to be there yet: what is away is waited for, and /readyz names it.
    """
    collect_rarely()
    redis = connect_redis(settings.redis_url)
    pool = await _pool(settings)
    database = _audit_database(settings)
    parts = _assemble(settings, pool, redis, database)
    try:
        if settings.ingest_unsafe_disable is not None:
            _log.critical(
                "UNSAFE_MODE", disabled=settings.ingest_unsafe_disable, meaning="data will be lost or doubled"
            )
        if settings.ingest_unsafe_disable == "dedupe":
            await parts.store.switch_dedupe_off()
        yield parts
    finally:
        await parts.store.close()
        pool.terminate()
        await database.dispose()
        await redis.aclose()


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document; nothing is connected."""
    settings = IngestSettings(
        database_url=SecretStr("postgresql://localhost/precisionpulse"), redis_url=SecretStr("redis://localhost")
    )

    async def document() -> dict[str, Any]:
        redis, database = connect_redis(settings.redis_url), _audit_database(settings)
        return _assemble(settings, None, redis, database).app.openapi()

    return asyncio.run(document())


async def _pool(settings: IngestSettings) -> Any:
    # No connection yet: a database that is away must not keep the process from living.
    return await asyncpg_pool(
        settings.database_url, application_name=f"ingest-{settings.ingest_worker_id}", min_size=0, max_size=POOL_SIZE
    )


def _partitions(settings: IngestSettings, pool: Any) -> Partitions:
    return Partitions(
        pool,
        records_kept=settings.records_kept,
        ahead_days=settings.ingest_partitions_ahead,
        behind_days=settings.ingest_partitions_behind,
    )


@dataclass(frozen=True, slots=True)
class Ingest:
    """A composed ingest: its app, its workers, and what a test may look at."""

    app: FastAPI
    workers: list[Worker]
    store: PostgresReadingStore
    link: BrokerLink


class _Core:
    """The use cases, wired: everything between the doors."""

    def __init__(self, settings: IngestSettings, pool: Any, redis: Redis, registry: CollectorRegistry) -> None:
        clock = SystemClock()
        tracing = tracing_to(settings.traces_endpoint, settings.traces_ratio, SERVICE)
        limit = RateLimit(settings.ingest_client_rows_per_second, settings.ingest_client_burst_rows)
        share = FairShare(settings.ingest_receive_maximum)
        self.clock = clock
        self.http_readings_waiting = settings.ingest_http_readings_waiting
        self.instruments = PrometheusInstruments(registry)
        self.unannounced = 0
        self.buckets = TokenBuckets(limit)
        self.devices = DeviceDirectory(pool, time.monotonic)
        self.live = RedisLiveStream(redis, clock, self._count_unannounced, now_us)
        self.link = BrokerLink(_link_options(settings, reads_traces=tracing is not None), clock)
        self.downlink = MqttDownlink(self.link, now_us)
        self.intake = Intake(live_messages=settings.ingest_live_messages, live_bytes=settings.ingest_live_bytes)
        self.store = PostgresReadingStore(
            pool,
            max_series_per_client=settings.ingest_max_metrics_per_client,
            unsafe_without_dedupe=settings.ingest_unsafe_disable == "dedupe",
        )
        presence_store = PostgresPresenceStore(pool)
        book = SightingBook()
        self.report = ReportDevices(self.live, presence_store, clock)
        self.pump = PumpMessages(
            self.intake,
            AcceptMessage(self.devices, decode_payload, redacted, self.buckets, book, time.monotonic),
            StoreBatch(self.store, redacted, clock, self.instruments),
            SettleBatch(
                self.live,
                self.downlink,
                self.report,
                limit,
                share,
                self.instruments,
                now_us,
                time.monotonic,
                None if tracing is None else OtelBatchTraces(tracing, time.time_ns),
            ),
            clock,
            self.instruments,
            unsafe_ack_before_commit=settings.ingest_unsafe_disable == "ack_after_commit",
        )
        greet = GreetClient(presence_store, self.downlink, self.report, limit, share, self.instruments, time.monotonic)
        self.presence = TrackPresence(
            presence_store,
            self.devices,
            book,
            greet,
            self.report,
            self.downlink,
            clock,
            Silence(settings.ingest_silence_seconds, settings.ingest_plain_silence_seconds),
            reject=self.pump.offer_certain,
            read=read_presence,
            connected_since=lambda: self.link.connected_at,
        )
        self.source = MqttSource(self.link, self.pump, self.presence, now_us)

    def _count_unannounced(self, rows: int) -> None:
        self.unannounced += rows


def _audit_database(settings: IngestSettings) -> Database:
    name = f"ingest-{settings.ingest_worker_id}-audit"
    return Database(settings.database_url, pool_size=2, application_name=name, outbox=outbox)


def _assemble(settings: IngestSettings, pool: Any, redis: Redis, database: Database) -> Ingest:
    registry = create_registry()
    core = _Core(settings, pool, redis, registry)
    _watch(core)
    revoked = RevokedSessions(redis)
    rights = CurrentRights(revoked, published_rights(database))
    authority = Authority(jwks_url(settings.identity_url), revoked=revoked, rights=rights)
    app = _app(settings, core, pool, redis, registry, authority)
    trail = AuditTrail(SERVICE, database, core.clock)
    app.state.audit = trail
    partitions = KeepPartitions(_partitions(settings, pool), core.clock)
    app.include_router(RetentionRoutes(EditRetention(PostgresRetentionRules(database), core.clock)).router)
    retention = KeepRetention(
        RetentionSweep(pool),
        core.clock,
        core.instruments.retention_applied,
        PostgresRemovedNews(database, SERVICE, core.clock),
    )
    storage = WatchStorage(
        StorageMeter(pool, path=settings.ingest_storage_path, capacity=settings.ingest_storage_capacity_bytes)
    )
    app.include_router(StorageRoutes(storage).router)
    _watch_storage(core, storage)
    follow = FollowDevices(
        lambda: RedisDeviceNews.open(redis), core.devices.forget, core.devices.forget_all, core.clock
    )
    workers = [
        Worker("mqtt_source", core.source.run),
        Worker("pump_messages", core.pump.run),
        Worker("track_presence", core.presence.run),
        Worker("report_devices", core.report.run),
        Worker("live_stream", core.live.run),
        Worker("follow_devices", follow.run),
        Worker("keep_partitions", partitions.run),
        Worker("keep_rollup_partitions", KeepPartitions(RollupPartitions(pool), core.clock).run),
        Worker("keep_retention", retention.run),
        Worker("watch_storage", storage.run),
        Worker("keep_rollups", KeepRollups(Rollups(pool)).run),
        revoked.worker(),
        trail.worker(),
        OutboxRelay(database, outbox, redis).worker(),
        Worker("forget_full_buckets", _sweeping(core.buckets)),
        loop_lag_worker(registry),
        http_worker(app, host=settings.http_host, port=settings.http_port, trusted_proxies=settings.trusted_proxies),
    ]
    return Ingest(app, workers, core.store, core.link)


def _app(
    settings: IngestSettings, core: _Core, pool: Any, redis: Redis, registry: CollectorRegistry, authority: Authority
) -> FastAPI:
    health = HealthRegistry()

    async def check_database() -> None:
        await pool.fetchval("select 1")

    health.add("postgresql", check_database)
    health.add("redis", lambda: ping(redis))
    health.add("mqtt", core.link.check)
    app = create_app(
        service=SERVICE,
        title="PrecisionPulse ingest",
        version=VERSION,
        health=health,
        metrics_registry=registry,
        authority=authority,
        # Its answers say how many readings were taken, and nothing secret.
        idempotency=Idempotency(redis, SERVICE, PlainAnswers(), authority),
        edge=Edge.of(settings, redis, SERVICE),
    )

    def note_wrong_key() -> None:
        core.pump.offer_certain(Message(ClientId(""), TOPIC, FORM, b"", now_us(), content=WRONG_KEY))

    senders = Senders(core.devices, authority, time.monotonic, note_wrong_key)
    submit = SubmitReadings(core.pump.offer_certain, redacted, most_open=core.http_readings_waiting)
    app.include_router(TelemetryRoutes(senders, core.devices, decode_body, submit, now_us).router)
    return app


def _watch(core: _Core) -> None:
    watch = core.instruments.watch
    watch(
        "ingest_live_dropped", "QoS 0 messages dropped for want of room", lambda: core.intake.live_dropped, counts=True
    )
    watch("ingest_queue_depth", "Messages that wait to be committed", lambda: core.pump.depth, counts=False)
    watch("ingest_unannounced", "Readings stored while Redis was away", lambda: core.unannounced, counts=True)
    watch("ingest_acks_failed", "Acks that could not be sent", lambda: core.downlink.acks_failed, counts=True)
    watch("ingest_broker_connects", "Connections made to the broker", lambda: core.link.connects, counts=True)
    watch(
        "ingest_broker_refused_connections",
        "Connections that the broker refused",
        lambda: core.source.refused_connections,
        counts=True,
    )


def _watch_storage(core: _Core, storage: WatchStorage) -> None:
    def figure(read: Callable[[StorageOutlook], float | None]) -> Callable[[], float]:
        def value() -> float:
            found = None if storage.latest is None else read(storage.latest)
            return math.nan if found is None else found

        return value

    watch = core.instruments.watch
    for name, documentation, read in (
        ("ingest_storage_raw_bytes", "Readings, with their indexes", lambda found: found.now.raw),
        ("ingest_storage_minute_bytes", "Minutes, with their indexes", lambda found: found.now.minute),
        ("ingest_storage_hour_bytes", "Hours, with their indexes", lambda found: found.now.hour),
        ("ingest_storage_database_bytes", "The whole database", lambda found: found.now.database),
        ("ingest_storage_used_ratio", "Used of the volume, or of the configured capacity", lambda found: found.share),
        ("ingest_storage_left_seconds", "Time until it is full, if it grows", _seconds_left),
    ):
        watch(name, documentation, figure(read), counts=False)


def _link_options(settings: IngestSettings, *, reads_traces: bool) -> LinkOptions:
    return LinkOptions(
        settings.mqtt_endpoint,
        SERVICE,
        settings.ingest_worker_id,
        SUBSCRIPTIONS,
        settings.ingest_receive_maximum,
        settings.ingest_session,
        settings.ingest_waiting_bytes,
        reads_traces,
    )


def _seconds_left(found: StorageOutlook) -> float | None:
    return None if found.days_left is None else found.days_left * 86_400


def _sweeping(buckets: TokenBuckets) -> Any:
    async def sweep(stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait(), name="forget_full_buckets_stop")
        while not stop.is_set():
            await asyncio.wait({stopping}, timeout=30.0)
            buckets.sweep(time.monotonic())

    return sweep
