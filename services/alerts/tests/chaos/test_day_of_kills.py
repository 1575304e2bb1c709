"""A day of readings, with the clock in our hands, while alerts, Valkey and PostgreSQL are killed at random.

The alarms at the end must be those of an oracle that looks at all readings at once, each step told on the stream exactly
once; and of each that is news, a program and people are notified once. A message in doubt (sent, and its sender killed
before that was written down) is sent again under its own id, with the same words: so *once* is meant as a receiver has
it that passes over ids that it knows. What a device buffered and drained later is history, and notified never.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import random
import re
import sys
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from pulse_alerts.domain.conditions import Anomaly, Duration, NoData, Rate, Repetition, Test, Threshold
from pulse_alerts.domain.rule import Editor, Rule, RuleContent
from pulse_alerts.domain.schedule import Schedule
from pulse_alerts.use_cases.examine_late import ExamineLate

_SPEC = importlib.util.spec_from_file_location("rule_oracle", Path(__file__).parents[1] / "rule_oracle.py")
assert _SPEC is not None
assert _SPEC.loader is not None
oracle: Any = importlib.util.module_from_spec(_SPEC)
sys.modules["rule_oracle"] = oracle
_SPEC.loader.exec_module(oracle)

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
TICK = 60
LOOK_MINUTES = 3
ENTRY = re.compile(r"^[A-Z]+ (raised|cleared)  ([-0-9]+ [:0-9]+) UTC\n.*\nDevice: (.*)\nRule: (.*)$", re.MULTILINE)
"""How a mail tells of a step."""
MORE = re.compile(r"^and ([0-9]+) more", re.MULTILINE)


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


def arrivals_of(readings: list[Any], device: str) -> list[Any]:
    return [
        oracle.Arrival(metric, reading.at, reading.received, value)
        for reading in readings
        if reading.device == device
        for metric, value in sorted(reading.metrics.items())
    ]


async def check(site: Any, readings: list[Any], devices: list[str]) -> int:
    """Compare with the oracle; return how many alarms there are."""
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
    told = [
        UUID(json.loads(row["entry"])["event_id"])
        for row in await site.db.fetch("select entry from alerts.outbox where stream = 'pulse:alerts'")
    ]
    assert len(told) == len(set(told))
    assert set(told) == {row["id"] for row in steps}
    return total


async def check_notified(site: Any, channels: dict[str, UUID]) -> None:
    """Each step of an alarm that is not late was told to the program once and to the people once, by ids of messages."""
    rows = await site.db.fetch(
        "select s.id, s.kind, s.at, a.device_id, a.rule_name from alerts.alarm_step s"
        " join alerts.alarm a on a.id = s.alarm_id where not a.is_late"
    )
    assert await site.db.fetchval("select count(*) from alerts.notification_due") == 0
    assert await site.db.fetchval("select count(*) from alerts.message where state <> 'sent'") == 0
    posts: dict[str, bytes] = {}
    for headers, content in site.receiver.posts:
        assert posts.setdefault(headers["webhook-id"], content) == content, "a message in doubt says the same again"
    bodies = [json.loads(content) for content in posts.values()]
    assert not any(body["more"] for body in bodies)
    told = [notice["event_id"] for body in bodies for notice in body["notices"]]
    assert len(told) == len(set(told))
    assert set(told) == {str(row["id"]) for row in rows}
    mails = {mail["Message-ID"]: mail.get_body(("plain",)).get_content() for mail in site.mails.mails}
    assert len(mails) == await site.db.fetchval(
        "select count(*) from alerts.message where channel_id = $1", channels["email"]
    )
    spelt = Counter(entry for text in mails.values() for entry in ENTRY.findall(text.replace("\r\n", "\n")))
    steps = Counter((row["kind"], f"{row['at']:%Y-%m-%d %H:%M:%S}", row["device_id"], row["rule_name"]) for row in rows)
    left = sum(int(number) for text in mails.values() for number in MORE.findall(text))
    assert spelt <= steps
    assert spelt.total() + left == steps.total()


async def trouble(site: Any, dice: float) -> str | None:
    """Have something happen, perhaps; return what."""
    happened: str | None = None
    if dice < 0.04:
        happened = "alerts"
        await site.die()
    elif dice < 0.05 and site.valkey.pid:
        happened = "valkey"
        await asyncio.to_thread(site.valkey.kill)
    elif dice < 0.06 and site.valkey.pid:
        happened = "wiped"
        with suppress(Exception):
            await site.redis.flushdb()
    elif dice < 0.07 and site.postgres.pid:
        happened = "postgres"
        await asyncio.to_thread(site.postgres.kill)
    elif dice < 0.12 and site.postgres.pid:
        database, alerts = site.random.choice([(False, True), (True, True), (True, False)])
        if await site.die_telling(database=database, alerts=alerts):
            happened = "in the midst of telling"
    elif dice > 0.98:
        happened = "receiver"
        site.receiver.answers.append((503, {}))
    return happened


@pytest.mark.parametrize("seed", [1])
async def test_alarms_and_notifications_are_those_of_the_oracle_whatever_is_killed(site: Any, seed: int) -> None:
    site.random = random.Random(seed)
    devices = [f"D-{number}" for number in range(4)]
    minutes = 24 * 60
    channels = await site.prepare(devices, rules())
    readings = site.day(seed, minutes, devices)
    await site.evaluate()
    place, troubles = 0, Counter[str | None]()
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
        if minute < minutes:
            troubles[await trouble(site, site.random.random())] += 1
        await site.evaluate()
        await site.notify()
        if not site.postgres.pid and site.random.random() < 0.3:
            await asyncio.to_thread(site.postgres.start)
        if not site.valkey.pid and site.random.random() < 0.3:
            await asyncio.to_thread(site.valkey.start)
    for kind in ("alerts", "valkey", "wiped", "postgres", "in the midst of telling", "receiver"):
        assert troubles[kind], troubles
    assert place == len(readings)
    await site.connect()
    assert await check(site, readings, devices) > 100
    await check_notified(site, channels)
    assert len(site.receiver.posts) > len(set(site.receiver.ids)) + troubles["receiver"], "some were in doubt"
    examine = ExamineLate(site.tools, site.patience, lambda: list(range(64)))
    site.clock.advance(60)
    await examine()
    assert await site.db.fetchval("select count(*) from alerts.alarm where is_late") > 0
    await site.notify()
    await check(site, readings, devices)
    await check_notified(site, channels)


async def test_a_backlog_of_a_day_notifies_nobody_and_is_history(site: Any) -> None:
    await site.prepare(["D-0"], rules())
    await site.evaluate()
    calm = {"humidity": 50.0, "is_on": True, "mode": "run", "temperature": 30.0}
    hot = calm | {"temperature": 70.0}
    start, day_ms = ms(START), 24 * 3600 * 1000
    await site.ingest([site.reading("D-0", start + 1_000, start + 1_100, 1, calm)])
    site.clock.advance(24 * 3600)
    held = [
        site.reading("D-0", start + minute * 60_000, 0, minute + 1, hot if 600 <= minute < 700 else calm)
        for minute in range(1, 24 * 60)
    ]
    # It comes back: the newest reading first, then what it buffered, by runs of 500.
    await site.ingest([site.reading("D-0", start + day_ms, start + day_ms + 50, 5_000, calm)])
    for run in range(0, len(held), 500):
        for reading in held[run : run + 500]:
            reading.received = start + day_ms + 1_000 + run
        await site.ingest(held[run : run + 500])
        await site.evaluate()
    site.clock.advance(600)
    await site.evaluate()
    site.clock.advance(60)
    await ExamineLate(site.tools, site.patience, lambda: list(range(64)))()
    found = await site.db.fetch(
        "select raised_at, cleared_at, state, is_late from alerts.alarm where rule_id = $1", UUID(int=1)
    )
    found_hot = [
        (ms(row["raised_at"]) - start, ms(row["cleared_at"]) - start, row["state"], row["is_late"]) for row in found
    ]
    assert found_hot == [(600 * 60_000, 700 * 60_000, "cleared", True)]
    # That the device was away for a day is no late finding: only what its readings say is.
    await site.notify()
    told = [notice for body in site.receiver.bodies for notice in body["notices"]]
    silences = {rule.content.name for rule in rules() if rule.content.condition.kind == "no_data"}
    assert {notice["rule_name"] for notice in told} <= silences, told
    standing = "select count(*) from alerts.alarm where state <> 'cleared' and rule_kind <> 'no_data'"
    assert await site.db.fetchval(standing) == 0
