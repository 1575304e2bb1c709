"""A day of readings and a system to kill: ingest as far as it matters here, and a life of alerts between two deaths.

The clock is in our hands. PostgreSQL, Valkey, the receiver of webhooks and the mail server are real.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from pulse_alerts.domain.channel import Channel, ChannelKind, Manners, NoticeFilter, WebhookSecret
from pulse_alerts.domain.patience import Patience
from pulse_alerts.domain.reachable import parse_networks
from pulse_alerts.domain.retrying import Perseverance
from pulse_alerts.domain.rule import Rule
from pulse_alerts.messaging.device_screens import MqttScreens
from pulse_alerts.messaging.mailed_people import MailedPeople
from pulse_alerts.messaging.posted_webhooks import PostedWebhooks, webhook_client
from pulse_alerts.messaging.telemetry_news import RedisTelemetryNews
from pulse_alerts.storage.alert_store import PostgresWork
from pulse_alerts.storage.channel_rows import SecretBox
from pulse_alerts.storage.channel_store import PostgresChannelWork
from pulse_alerts.storage.evaluation_store import PostgresEvaluationStore
from pulse_alerts.storage.notifier_store import PostgresNotifierWork
from pulse_alerts.storage.sample_history import PostgresHistory
from pulse_alerts.storage.tables import outbox
from pulse_alerts.use_cases.evaluation import Evaluation, Tools
from pulse_alerts.use_cases.notify import Notify
from pulse_alerts.use_cases.plan_deliveries import PlanDeliveries
from pulse_alerts.use_cases.send_messages import SendMessages, Ways
from pulse_chassis.clock import ManualClock
from pulse_chassis.database import Database, upgrade
from pulse_chassis.errors import UnavailableError
from pulse_chassis.mail import MailServer, mail_sender
from pulse_chassis.mqtt import MqttEndpoint
from pulse_chassis.sealing import SealKey
from pulse_chassis.streams import StreamWriter, connect_redis
from pulse_contracts.streams import STREAM_MAXLEN, TELEMETRY_STREAM

SERVICES = Path(__file__).resolve().parents[3]
START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
TICK = 60
METRICS = ("humidity", "is_on", "mode", "temperature")
PATIENCE = Patience(lease_seconds=30.0, flush_seconds=5.0, settle_seconds=2.0, late_lookback=timedelta(hours=48))
WEBHOOK_KEY = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


class FastClock(ManualClock):
    """A minute of the day is a second of work: leases and commits come as often as they do in a second."""

    def monotonic(self) -> float:
        return super().monotonic() / 60


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


@dataclass
class Reading:
    device: str
    at: int
    received: int
    seq: int
    metrics: dict[str, Any]

    @property
    def is_late(self) -> bool:
        return self.received - self.at > 60_000


@dataclass
class Signal:
    """What a device measures: a slow wave, noise, and now and then a fault that lasts."""

    random: random.Random
    phase: float
    fault_until: int = 0
    off_until: int = 0

    def at(self, minute: int) -> dict[str, Any]:
        draw = self.random
        if draw.random() < 0.01:
            self.fault_until = minute + draw.randint(1, 40)
        if draw.random() < 0.015:
            self.off_until = minute + draw.randint(1, 6)
        has_fault = minute < self.fault_until
        wave = math.sin(minute / 120 + self.phase)
        return {
            "humidity": round(65 + 14 * wave + draw.uniform(-1, 1) + (9 if has_fault else 0), 2),
            "is_on": minute >= self.off_until,
            "mode": draw.choice(["fault", "stop"]) if has_fault else "run",
            "temperature": round(38 + 9 * wave + draw.uniform(-1.5, 1.5) + (8 if has_fault else 0), 2),
        }


def day(seed: int, minutes: int, devices: list[str]) -> list[Reading]:
    """Readings of a day, in the order of their reception: pauses, resends, one backlog that drains at once."""
    found: list[Reading] = []
    for number, device in enumerate(devices):
        draw = random.Random(f"{seed}/{device}")
        signal = Signal(draw, number * 1.3)
        away_until, held, is_silent_until = -1, [], -1
        for minute in range(minutes):
            at = ms(START) + minute * TICK * 1000 + draw.randint(0, 20_000)
            metrics = signal.at(minute)
            if minute > 60 and draw.random() < 0.004 and away_until < minute:
                away_until = minute + draw.choice([5, 30, 240])
            if minute > 60 and draw.random() < 0.004:
                is_silent_until = minute + draw.randint(3, 40)
            reading = Reading(device, at, at + draw.randint(1, 400), minute + 1, metrics)
            if minute < is_silent_until:
                continue  # it measured nothing, or nobody will ever know
            if minute < away_until:
                held.append(reading)  # it buffers
                continue
            if held:
                for late in held:
                    late.received = reading.received  # and drains
                found += held
                held = []
            if draw.random() < 0.02:
                reading.received = reading.at + draw.randint(20_000, 55_000)  # sent again after a lost ack
            found.append(reading)
    return sorted(found, key=lambda one: (one.received, one.device, one.at))


@dataclass
class Site:
    """Ingest, as far as it matters here, and a life of alerts: an evaluation, a notifier, and what it has under way."""

    urls: dict[str, str]
    superuser_url: str
    postgres: Any
    valkey: Any
    redis: Redis
    clock: ManualClock
    tools: Tools
    receiver: Any
    mails: Any
    database: Database
    webhooks: httpx.AsyncClient
    patience: Patience = PATIENCE
    start: datetime = START
    random: random.Random = field(default_factory=random.Random)
    series: dict[tuple[str, str], int] = field(default_factory=dict)
    life: Evaluation | None = None
    was_away: bool = False
    unannounced: dict[str, tuple[int, int]] = field(default_factory=dict)
    waiting: list[Reading] = field(default_factory=list)
    db: asyncpg.Connection | None = None
    notifier: Notify | None = None
    box: SecretBox = field(default_factory=lambda: SecretBox(SealKey.generate()))

    def day(self, seed: int, minutes: int, devices: list[str]) -> list[Reading]:
        return day(seed, minutes, devices)

    def reading(self, device: str, at: int, received: int, seq: int, metrics: dict[str, Any]) -> Reading:
        return Reading(device, at, received, seq, metrics)

    async def connect(self) -> None:
        """Connect to the database again if it was away."""
        if self.db is None or self.db.is_closed():
            self.db = await asyncpg.connect(self.superuser_url)

    async def ingest(self, readings: list[Reading]) -> None:
        """Commit, then announce: live rows as they are, late ones as stretches."""
        self.waiting += readings
        if not self.postgres.pid:
            return  # the broker keeps them
        readings, self.waiting = self.waiting, []
        if not readings:
            return
        await self.connect()
        await self.db.copy_records_to_table(
            "sample",
            schema_name="telemetry",
            columns=["recorded_at", "received_at", "seq", "value", "series_id", "epoch", "flag", "suspect", "text"],
            records=[row for reading in readings for row in self._rows(reading)],
        )
        await self._announce(readings)

    def _rows(self, reading: Reading) -> list[tuple[Any, ...]]:
        at, received = (datetime.fromtimestamp(one / 1000, UTC) for one in (reading.at, reading.received))
        rows = []
        for metric, value in reading.metrics.items():
            number = None if isinstance(value, bool | str) else float(value)
            flag, text = (value if isinstance(value, bool) else None), (value if isinstance(value, str) else None)
            series = self.series[reading.device, metric]
            rows.append((at, received, reading.seq, number, series, 1, flag, False, text))
        return rows

    async def _announce(self, readings: list[Reading]) -> None:
        entries, late = [], dict(self.unannounced)
        for reading in readings:
            if reading.is_late:
                low, high = late.get(reading.device, (reading.at, reading.at))
                late[reading.device] = (min(low, reading.at), max(high, reading.at))
        at = readings[-1].received
        if late:
            spans = [{"device_id": d, "from_ms": low, "to_ms": high, "count": 1} for d, (low, high) in late.items()]
            entries.append({"v": 1, "at": readings[0].received, "rows": [], "late": spans})
        for reading in readings:
            if not reading.is_late:
                at = reading.received
                row = [reading.device, reading.at, "good", reading.metrics]
                entries.append({"v": 1, "at": at, "rows": [row], "late": []})
        writer = StreamWriter(self.redis, TELEMETRY_STREAM, STREAM_MAXLEN[TELEMETRY_STREAM])
        try:
            await writer.append_many([json.dumps(entry).encode() for entry in entries])
        except UnavailableError:
            # Either it remembers what it missed, or it is killed as well, and nobody ever hears of it.
            is_killed = self.random.random() < 0.5
            for reading in readings:
                low, high = self.unannounced.get(reading.device, (reading.at, reading.at))
                self.unannounced[reading.device] = (min(low, reading.at), max(high, reading.at))
            if is_killed:
                self.unannounced.clear()
        else:
            self.unannounced.clear()

    async def evaluate(self) -> None:
        """Evaluate all that came; with a server away, give up until it is back."""
        try:
            if self.life is None:
                life = Evaluation("w", self.tools, PATIENCE, was_away=self.was_away)
                await life.open()
                self.life = life
            while await self.life.advance(None):
                pass
            self.was_away = False
        except UnavailableError:
            self.life, self.was_away = None, True

    async def notify(self) -> None:
        """Tell of all that is due; what is under way ends, or waits for a database that is away."""
        if self.notifier is None:
            self.notifier = self._new_notifier()
        with suppress(UnavailableError):
            await self.notifier.step()
        async with asyncio.timeout(60):
            while (going := self._sending()) and self.clock.sleepers < len(going):
                await asyncio.wait(going, timeout=0.02)

    async def die(self) -> None:
        """Be killed somewhere in the midst of the work: nothing in memory survives."""
        working = asyncio.create_task(self._work())
        for _ in range(self.random.randint(0, 120)):
            await asyncio.sleep(0)
        await self._kill(working)

    async def die_telling(self, *, database: bool, alerts: bool) -> bool:
        """Have them killed when a program was told, and before that is written down. False: there was nothing to tell."""
        self.receiver.holds, self.receiver.arrived = asyncio.Event(), asyncio.Event()
        working = asyncio.create_task(self._work())
        arriving = asyncio.create_task(self.receiver.arrived.wait())
        async with asyncio.timeout(60):
            await asyncio.wait({working, arriving}, return_when=asyncio.FIRST_COMPLETED)
        is_told = arriving.done()
        arriving.cancel()
        if is_told and database:
            await asyncio.to_thread(self.postgres.kill)
        if is_told and alerts:
            await self._kill(working)
        self.receiver.holds.set()
        self.receiver.holds = None
        await asyncio.gather(working, return_exceptions=True)
        return is_told

    async def _work(self) -> None:
        await self.evaluate()
        await self.notify()

    async def _kill(self, working: asyncio.Task[None]) -> None:
        # More than once: of two errors at a time, a driver may give the other one, and whoever gets it goes on.
        while living := {task for task in (working, *self._sending()) if not task.done()}:
            for task in living:
                task.cancel()
            await asyncio.wait(living, timeout=0.02)
        self.life = self.notifier = None

    def _sending(self) -> set[asyncio.Task[Any]]:
        return {task for task in asyncio.all_tasks() if task.get_name() == "send_message" and not task.done()}

    def _new_notifier(self) -> Notify:
        def count(_name: str, _amount: int = 1) -> None:
            return None

        work, perseverance = PostgresNotifierWork(self.database, self.box), Perseverance()
        ways = Ways(
            MailedPeople(mail_sender(MailServer("127.0.0.1", self.mails.port, "pulse@example.org", tls="none")), None),
            PostedWebhooks(self.webhooks, parse_networks("127.0.0.0/8"), self.clock),
            MqttScreens(MqttEndpoint("127.0.0.1", 1, "nobody", "")),
        )
        plan = PlanDeliveries(work, perseverance, self.clock, count)
        send = SendMessages(work, ways, perseverance, self.clock, count, rng=self.random)
        return Notify(work, plan, send, self.clock)

    async def prepare(self, devices: Sequence[str], rules: Sequence[Rule]) -> dict[str, UUID]:
        """Register devices, their series, the rules, and two channels; return the channels."""
        self.db = await asyncpg.connect(self.superuser_url)
        for number, device in enumerate(devices):
            await self.db.execute(
                "insert into identity.devices (id, name, kind, is_active, groups, metadata, version, created_at, updated_at)"
                " values ($1, $1, 'simulated', true, $2, '{}', 1, now(), now())",
                device,
                ["hall"] if number % 2 else [],
            )
            for metric in METRICS:
                self.series[device, metric] = await self.db.fetchval(
                    "insert into telemetry.series (client_id, metric_key) values ($1, $2) returning id", device, metric
                )
        async with PostgresWork(self.database).change() as unit:
            await unit.lock_rules()
            for rule in rules:
                await unit.write_rule(rule)
        await self.db.execute("update alerts.channel set is_enabled = false")  # No device has a screen here.
        return {
            "webhook": await self._channel(ChannelKind.WEBHOOK, (), WebhookSecret(self.receiver.url, WEBHOOK_KEY)),
            "email": await self._channel(ChannelKind.EMAIL, ("night@example.org",), None),
        }

    async def _channel(self, kind: ChannelKind, recipients: tuple[str, ...], secret: WebhookSecret | None) -> UUID:
        channel = Channel(
            UUID(int=len(kind)),
            kind,
            kind,
            True,
            NoticeFilter(),
            Manners(),
            "UTC",
            recipients,
            None,
            1,
            START,
            START,
            None,
        )
        async with PostgresChannelWork(self.database, self.box).change() as unit:
            await unit.add(channel, secret, UUID(int=0))
        return channel.id


@pytest.fixture
async def site(postgres_server: Any, valkey_server: Any, receiver: Any, mail_inbox: Any) -> AsyncIterator[Site]:
    urls = postgres_server.new_database()
    for service, schema in (("identity", "identity"), ("ingest", "telemetry"), ("alerts", "alerts")):
        scripts = SERVICES / service / "src" / f"pulse_{service}" / "storage" / "migrations"
        await upgrade(urls[f"pulse_{service}"], scripts, schema)
    database = Database(urls["pulse_alerts"], pool_size=6, application_name="alerts", outbox=outbox)
    redis = connect_redis(valkey_server.new_database())
    clock = FastClock(START)
    tools = Tools(
        PostgresEvaluationStore(database),
        RedisTelemetryNews(redis),
        PostgresHistory(database, clock),
        clock,
        lambda _name, _amount=1: None,
    )
    found = Site(
        urls, postgres_server.superuser_url(urls["pulse_alerts"]), postgres_server, valkey_server, redis, clock, tools,
        receiver, mail_inbox, database, webhook_client(),
    )  # fmt: skip
    yield found
    if found.db is not None:
        await found.db.close()
    await found.webhooks.aclose()
    await redis.aclose()
    await database.dispose()
    for server in (postgres_server, valkey_server):
        if not server.pid:
            server.start()
