"""A day of readings, with the clock in our hands, while evaluation, Valkey and PostgreSQL are killed at random.

The alarms at the end must be those of an oracle that looks at all readings at once, and each step must have been told,
and put up for notification, exactly once. What a device buffered and drained later is history, and notified never.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import math
import random
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from redis.asyncio import Redis

from pulse_alerts.domain.conditions import Anomaly, Duration, NoData, Rate, Repetition, Test, Threshold
from pulse_alerts.domain.patience import Patience
from pulse_alerts.domain.rule import Editor, Rule, RuleContent
from pulse_alerts.domain.schedule import Schedule
from pulse_alerts.messaging.telemetry_news import RedisTelemetryNews
from pulse_alerts.storage.alert_store import PostgresWork
from pulse_alerts.storage.evaluation_store import PostgresEvaluationStore
from pulse_alerts.storage.sample_history import PostgresHistory
from pulse_alerts.storage.tables import outbox
from pulse_alerts.use_cases.evaluation import Evaluation, Tools
from pulse_alerts.use_cases.examine_late import ExamineLate
from pulse_chassis.clock import ManualClock
from pulse_chassis.database import Database, upgrade
from pulse_chassis.errors import UnavailableError
from pulse_chassis.streams import StreamWriter, connect_redis
from pulse_contracts.streams import STREAM_MAXLEN, TELEMETRY_STREAM

_SPEC = importlib.util.spec_from_file_location("rule_oracle", Path(__file__).parents[1] / "rule_oracle.py")
assert _SPEC is not None
assert _SPEC.loader is not None
oracle: Any = importlib.util.module_from_spec(_SPEC)
sys.modules["rule_oracle"] = oracle
_SPEC.loader.exec_module(oracle)

SERVICES = Path(__file__).resolve().parents[3]
START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
TICK = 60
METRICS = ("humidity", "is_on", "mode", "temperature")
LOOK_MINUTES = 2
PATIENCE = Patience(lease_seconds=30.0, flush_seconds=5.0, settle_seconds=2.0, late_lookback=timedelta(hours=48))


class FastClock(ManualClock):
    """A minute of the day is a second of work: leases and commits come as often as they do in a second."""

    def monotonic(self) -> float:
        return super().monotonic() / 60


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def rules() -> list[Rule]:
    """One of each kind at least, some with hysteresis, a clear duration, hours, a pattern."""
    hot = Test(operator=">", value=50, clear_value=48)
    off = Test(operator="==", value=False)
    office = Schedule(days=[0], start="08:00", end="18:00", time_zone="Europe/Berlin")

    def above(level: float, **more: Any) -> dict[str, Any]:
        return {"condition": Threshold(kind="threshold", test=Test(operator=">", value=level)), **more}

    wanted: list[dict[str, Any]] = [
        {"metric": "temperature", "condition": Threshold(kind="threshold", test=hot)},
        above(80, metric="humidity", clear_after_ms=180_000),
        above(76, metric="*u*", groups=("hall",)),
        above(45, metric="temperature", schedule=office),
        {
            "metric": "mode",
            "condition": Threshold(kind="threshold", test=Test(operator="in", values=["fault", "stop"])),
        },
        {"metric": "is_on", "condition": Threshold(kind="threshold", test=off)},
        {
            "metric": "temperature",
            "condition": Duration(kind="duration", test=Test(operator=">", value=46), for_seconds=600),
        },
        {"metric": "is_on", "condition": Repetition(kind="repetition", test=off, times=3, window_seconds=3600)},
        {
            "metric": "temperature",
            "condition": Rate(kind="rate", operator=">", value=1.2, per="minute", window_seconds=600, is_absolute=True),
        },
        {
            "metric": "humidity",
            "condition": Anomaly(kind="anomaly", k=4, clear_k=3, min_deviation=4, window_readings=60, warm_up=20),
        },
        {"metric": None, "condition": NoData(kind="no_data", for_seconds=300)},
        {"metric": "*", "condition": NoData(kind="no_data", for_seconds=900), "device_ids": ("D-1", "D-2")},
    ]
    editor = Editor(START)
    made = []
    for number, fields in enumerate(wanted):
        content: dict[str, Any] = {
            "name": f"rule {number}", "description": "", "is_enabled": True, "device_ids": (), "groups": (), "schedule": None,
            "clear_after_ms": 0, "severity": "warning", "message": "{device} {metric} {value}", "unit": None,
        } | fields  # fmt: skip
        made.append(Rule(UUID(int=number + 1), RuleContent(**content), 1, 1, editor, editor))
    return made


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
    """Ingest, as far as it matters here, and the life of an evaluation."""

    urls: dict[str, str]
    superuser_url: str
    postgres: Any
    valkey: Any
    redis: Redis
    clock: ManualClock
    tools: Tools
    random: random.Random
    series: dict[tuple[str, str], int] = field(default_factory=dict)
    life: Evaluation | None = None
    was_away: bool = False
    unannounced: dict[str, tuple[int, int]] = field(default_factory=dict)
    waiting: list[Reading] = field(default_factory=list)
    db: asyncpg.Connection | None = None

    async def ingest(self, readings: list[Reading]) -> None:
        """Commit, then announce: live rows as they are, late ones as stretches."""
        self.waiting += readings
        if not self.postgres.pid:
            return  # the broker keeps them
        readings, self.waiting = self.waiting, []
        if not readings:
            return
        if self.db is None or self.db.is_closed():
            self.db = await asyncpg.connect(self.superuser_url)
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

    async def die(self) -> None:
        """Be killed somewhere in the midst of evaluating: nothing in memory survives."""
        working = asyncio.create_task(self.evaluate())
        for _ in range(self.random.randint(0, 60)):
            await asyncio.sleep(0)
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        self.life = None


@pytest.fixture
async def site(postgres_server: Any, valkey_server: Any) -> AsyncIterator[Site]:
    urls = postgres_server.new_database()
    for service, schema in (("identity", "identity"), ("ingest", "telemetry"), ("alerts", "alerts")):
        scripts = SERVICES / service / "src" / f"pulse_{service}" / "storage" / "migrations"
        await upgrade(urls[f"pulse_{service}"], scripts, schema)
    database = Database(urls["pulse_alerts"], pool_size=4, application_name="alerts", outbox=outbox)
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
        random.Random(0),
    )  # fmt: skip
    yield found
    if found.db is not None:
        await found.db.close()
    await redis.aclose()
    await database.dispose()
    for server in (postgres_server, valkey_server):
        if not server.pid:
            server.start()


async def prepare(site: Site, devices: list[str]) -> None:
    """Register the devices, their series, and the rules."""
    site.db = await asyncpg.connect(site.superuser_url)
    for number, device in enumerate(devices):
        await site.db.execute(
            "insert into identity.devices (id, name, kind, is_active, groups, metadata, version, created_at, updated_at)"
            " values ($1, $1, 'simulated', true, $2, '{}', 1, now(), now())",
            device,
            ["hall"] if number % 2 else [],
        )
        for metric in METRICS:
            site.series[device, metric] = await site.db.fetchval(
                "insert into telemetry.series (client_id, metric_key) values ($1, $2) returning id", device, metric
            )
    database = Database(site.urls["pulse_alerts"], pool_size=1, application_name="alerts", outbox=outbox)
    async with PostgresWork(database).change() as unit:
        await unit.lock_rules()
        for rule in rules():
            await unit.write_rule(rule)
    await database.dispose()


def arrivals_of(readings: list[Reading], device: str) -> list[Any]:
    return [
        oracle.Arrival(metric, reading.at, reading.received, value)
        for reading in readings
        if reading.device == device
        for metric, value in sorted(reading.metrics.items())
    ]


async def check(site: Site, readings: list[Reading], devices: list[str]) -> int:
    """Compare with the oracle; return how many alarms there are."""
    assert site.db is not None
    now = ms(site.clock.now()) - 3_000
    total = 0
    for rule in rules():
        for number, device in enumerate(devices):
            rows = await site.db.fetch(
                "select raised_at, cleared_at from alerts.alarm where rule_id = $1 and device_id = $2 and not is_late"
                " order by raised_at",
                rule.id,
                device,
            )
            got = [(ms(row["raised_at"]), row["cleared_at"] and ms(row["cleared_at"])) for row in rows]
            wanted = []
            if rule.is_for_device(device, ["hall"] if number % 2 else []):
                arrivals = arrivals_of(readings, device)
                found = oracle.expected_alarms(rule.content, arrivals, since=ms(START), now=now)
                wanted = [(one.raised, one.cleared) for one in found]
            assert got == wanted, (rule.content.name, rule.content.condition.kind, device)
            total += len(got)
    steps = await site.db.fetch(
        "select s.id, a.is_late from alerts.alarm_step s join alerts.alarm a on a.id = s.alarm_id"
    )
    per_alarm = await site.db.fetchval(
        "select count(*) from alerts.alarm_step group by alarm_id, kind order by 1 desc limit 1"
    )
    assert per_alarm == 1
    due = {row["step_id"] for row in await site.db.fetch("select step_id from alerts.notification_due")}
    assert due == {row["id"] for row in steps if not row["is_late"]}
    told = [
        UUID(json.loads(row["entry"])["event_id"])
        for row in await site.db.fetch("select entry from alerts.outbox where stream = 'pulse:alerts'")
    ]
    assert len(told) == len(set(told))
    assert set(told) == {row["id"] for row in steps}
    return total


@pytest.mark.parametrize("seed", [1, 2])
async def test_alarms_are_those_of_the_oracle_whatever_is_killed(site: Site, seed: int) -> None:
    site.random = random.Random(seed)
    devices = [f"D-{number}" for number in range(4)]
    await prepare(site, devices)
    minutes = 24 * 60
    readings = day(seed, minutes, devices)
    await site.evaluate()
    place, troubles = 0, {"evaluation": 0, "valkey": 0, "wiped": 0, "postgres": 0}
    for minute in range(0, minutes + 30, LOOK_MINUTES):
        if minute >= minutes and not site.postgres.pid:
            await asyncio.to_thread(site.postgres.start)
        if minute >= minutes and not site.valkey.pid:
            await asyncio.to_thread(site.valkey.start)
        end = ms(START) + (minute + LOOK_MINUTES) * TICK * 1000
        chunk = []
        while place < len(readings) and readings[place].received <= end:
            chunk.append(readings[place])
            place += 1
        await site.ingest(chunk)
        site.clock.advance(LOOK_MINUTES * TICK)
        dice = site.random.random() if minute < minutes else 1.0
        if dice < 0.03:
            troubles["evaluation"] += 1
            await site.die()
        elif dice < 0.036 and site.valkey.pid:
            troubles["valkey"] += 1
            await asyncio.to_thread(site.valkey.kill)
        elif dice < 0.044 and site.valkey.pid:
            troubles["wiped"] += 1
            with suppress(Exception):
                await site.redis.flushdb()
        elif dice < 0.050 and site.postgres.pid:
            troubles["postgres"] += 1
            await asyncio.to_thread(site.postgres.kill)
        await site.evaluate()
        if not site.postgres.pid and site.random.random() < 0.3:
            await asyncio.to_thread(site.postgres.start)
        if not site.valkey.pid and site.random.random() < 0.3:
            await asyncio.to_thread(site.valkey.start)
    assert all(troubles.values()), troubles
    assert place == len(readings)
    assert await check(site, readings, devices) > 100
    examine = ExamineLate(site.tools, PATIENCE, lambda: list(range(64)))
    site.clock.advance(60)
    await examine()
    assert site.db is not None
    assert await site.db.fetchval("select count(*) from alerts.alarm where is_late") > 0
    await check(site, readings, devices)


async def test_a_backlog_of_a_day_notifies_nobody_and_is_history(site: Site) -> None:
    await prepare(site, ["D-0"])
    await site.evaluate()
    calm = {"humidity": 50.0, "is_on": True, "mode": "run", "temperature": 30.0}
    start, day_ms = ms(START), 24 * 3600 * 1000
    await site.ingest([Reading("D-0", start + 1_000, start + 1_100, 1, calm)])
    site.clock.advance(24 * 3600)
    held = [
        Reading("D-0", start + minute * 60_000, 0, minute + 1, calm | ({"temperature": 70.0} if 600 <= minute < 700 else {}))
        for minute in range(1, 24 * 60)
    ]  # fmt: skip
    # It comes back: the newest reading first, then what it buffered, by runs of 500.
    await site.ingest([Reading("D-0", start + day_ms, start + day_ms + 50, 5_000, calm)])
    for run in range(0, len(held), 500):
        for reading in held[run : run + 500]:
            reading.received = start + day_ms + 1_000 + run
        await site.ingest(held[run : run + 500])
        await site.evaluate()
    site.clock.advance(600)
    await site.evaluate()
    site.clock.advance(60)
    await ExamineLate(site.tools, PATIENCE, lambda: list(range(64)))()
    assert site.db is not None
    found = await site.db.fetch(
        "select raised_at, cleared_at, state, is_late from alerts.alarm where rule_id = $1", UUID(int=1)
    )
    hot = [(ms(row["raised_at"]) - start, ms(row["cleared_at"]) - start, row["state"], row["is_late"]) for row in found]
    assert hot == [(600 * 60_000, 700 * 60_000, "cleared", True)]
    # That the device was away for a day is no late finding: only what its readings say is.
    told = await site.db.fetchval(
        "select count(*) from alerts.notification_due d join alerts.alarm a on a.id = d.alarm_id"
        " where a.rule_kind <> 'no_data'"
    )
    assert told == 0
    standing = "select count(*) from alerts.alarm where state <> 'cleared' and rule_kind <> 'no_data'"
    assert await site.db.fetchval(standing) == 0
