"""A soak: half of what the machine can take, for long, with a fault every minute; then the same verdict as after any run,
and whether anything grew.

Two crowds: the one of every run, small and witnessed by an oracle, which faults also strike; and a large one, which makes the
load, keeps to itself, and is counted: what its agents measured must be in the table once.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from pulse_chaos.crowd import Crowd
from pulse_chaos.faults import missing
from pulse_chaos.outcome import Result
from pulse_chaos.resources import ResourceWatch
from pulse_chaos.run import Order, perform
from pulse_chaos.sabotage import ACTS
from pulse_chaos.scenarios import SERVERS, SERVICES
from pulse_chaos.schedule import Schedule, Step, in_order
from pulse_chaos.site import Site, SiteError
from pulse_chaos.trends import Verdict, judge_curve

AGENTS: Final = 20
DEVICES: Final = 20
FAULT_SECONDS: Final = 60.0
"""From one fault to the next."""
_FIRST_RATE: Final = 400.0
_MOST_STEPS: Final = 7
_STEP_SECONDS: Final = 8.0
_SETTLING_SECONDS: Final = 3.0
_KEEPS_UP: Final = 0.9
_DRAIN_SECONDS: Final = 600.0
_STORED: Final = "ingest_readings_stored_total "
_COUNTED: Final = """
select d.client_id, d.metric_key, count(*) as stored, count(distinct (s.epoch, s.seq)) as once
from telemetry.sample s join telemetry.series d on d.id = s.series_id
where d.client_id like $1 || '-agent-%' group by 1, 2
"""
_HOLES: Final = (
    "select coalesce(sum(missing), 0)::bigint from telemetry.completeness where client_id like $1 || '-agent-%'"
)
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SoakPlan:
    """How long, how much, and what is drawn. `rate`: readings a second of all; None: found out, and `share` of it taken."""

    seconds: float
    seed: int
    share: float = 0.5
    rate: float | None = None
    agents: int = AGENTS
    devices: int = DEVICES

    @property
    def schedule(self) -> Schedule:
        """A fault in every minute, all kinds before one comes again; the last minute has none."""
        return drawn(self.seconds, self.seed)

    @property
    def warm_up(self) -> float:
        """How much of a process's life does not count: caches fill, code is loaded when it is first used."""
        return min(300.0, self.seconds / 4)


@dataclass(frozen=True, slots=True)
class Counted:
    """What the large crowd's agents measured, and what became of it. Figures are readings, but for `stored` (values)."""

    generated: int
    acked: int
    outstanding: int
    rejected: int
    lost: int
    short: tuple[str, ...]
    """Series that hold less or more than was measured."""
    doubled: int
    holes: int
    stored: int

    @property
    def holds(self) -> bool:
        """Tell whether all of it is there once."""
        return (
            not (self.outstanding or self.rejected or self.short or self.doubled or self.holes) and self.generated > 0
        )


@dataclass(frozen=True, slots=True)
class Soaked:
    """A soak's outcome."""

    plan: SoakPlan
    limit: float | None
    """Readings a second that were stored when more was offered; None when a rate was given."""
    rate: float
    result: Result
    counted: Counted
    verdicts: list[Verdict]

    @property
    def is_good(self) -> bool:
        """Tell whether everything holds."""
        return self.result.is_good and self.counted.holds and all(verdict.holds for verdict in self.verdicts)


def drawn(seconds: float, seed: int) -> Schedule:
    """Return the faults of a soak, of those that this machine can make: same length, seed and machine, same schedule."""
    chance = random.Random(f"soak/{seed}")  # noqa: S311 - a schedule, not a secret
    steps: list[Step] = []
    waiting: list[tuple[str, str, float]] = []
    minute = 0.0
    # The last minute is quiet: what is seen at its end is what is left when nothing happens.
    while minute + FAULT_SECONDS <= seconds - min(FAULT_SECONDS, seconds / 3):
        if not waiting:
            waiting = [kind for kind in KINDS if not any(map(missing, ACTS[kind[0]].needs))]
            chance.shuffle(waiting)
        fault, target, longest = waiting.pop()
        at = minute + chance.uniform(5.0, 25.0)
        lasts = chance.uniform(longest / 3, longest)
        steps.append(Step(round(at, 2), fault, target, round(lasts, 2)))
        minute += FAULT_SECONDS
    return in_order(steps)


KINDS: Final[tuple[tuple[str, str, float], ...]] = (
    *(("kill", part, 0.0) for part in (*SERVICES, *SERVERS, "crowd", "workstation")),
    *(("freeze", part, 8.0) for part in ("ingest", "gateway", "mosquitto", "postgres", "valkey")),
    *((kind, "", 10.0) for kind in ("cut", "cut-up", "cut-down", "refuse", "read-only", "locked", "cut-workstation")),
    *((kind, "", 15.0) for kind in ("poison", "forge", "deaf", "revoke", "no-partition")),
    *((kind, "", 0.0) for kind in ("cut-frame", "reset", "restart-all", "wipe-broker", "partitions-lost")),
    ("drop", "mosquitto", 8.0),
    ("drop", "valkey", 8.0),
    ("slow", "", 8.0),
)
"""Fault, target, how long at most. Not those that change what an agent's disk or clock says: they need runs of their own."""


async def soak(site: Site, plan: SoakPlan, tell: Tell) -> Soaked:
    """Find the limit, load the site, break it every minute, drain, judge. Raises what `perform` raises."""
    limit = None
    rate = plan.rate
    if rate is None:
        limit = await find_limit(site, plan, tell)
        rate = limit * plan.share
    load = _crowd(site, "load", plan, rate)
    watch = ResourceWatch(site, period=2.0 if plan.seconds <= 600 else 5.0)
    watch.add_folder("load: outboxes", load.folder)
    load.start()
    try:
        tell(f"{rate:,.0f} readings/s")
        await _until_storing(site, load)
        watching = asyncio.create_task(_watch(watch, site, load, plan.seconds))
        try:
            result = await perform(site, Order(plan.schedule, 1, plan.seconds), tell)
            tell("draining the load")
            load.end_generation()
            is_empty = await load.until_drained()
        finally:
            watching.cancel()
            await asyncio.wait([watching])
        if not watching.cancelled():
            watching.result()  # A watch that broke is an error, not a soak without curves.
        counted = await _count(site, load, is_empty=is_empty)
    finally:
        load.kill()
    verdicts = [judge_curve(curve, plan.warm_up) for curve in watch.curves.values()]
    return Soaked(plan, limit, rate, result, counted, verdicts)


def _crowd(site: Site, prefix: str, plan: SoakPlan, rate: float) -> Crowd:
    return Crowd(
        site.stack,
        site.folder / prefix,
        prefix,
        site.stack.mqtt_port,
        _DRAIN_SECONDS,
        agents=plan.agents,
        devices=plan.devices,
        rate_hz=rate / (plan.agents + plan.devices),
        is_witnessed=False,
    )


async def find_limit(site: Site, plan: SoakPlan, tell: Tell) -> float:
    """Offer twice as much again and again, until less than 90 % of it is stored; return the most that was stored a second."""
    offered, limit = _FIRST_RATE, 0.0
    for number in range(1, _MOST_STEPS + 1):
        crowd = _crowd(site, f"try{number}", plan, offered)
        tell(f"looking for the limit: {offered:,.0f} readings/s")
        crowd.start()
        try:
            await _until_storing(site, crowd)
            await asyncio.sleep(_SETTLING_SECONDS)
            before, began = await _stored(site), time.monotonic()
            await asyncio.sleep(_STEP_SECONDS)
            stored = (await _stored(site) - before) / (time.monotonic() - began)
            crowd.end_generation()
            await crowd.until_drained()
        finally:
            crowd.kill()
        limit = max(limit, stored)
        if stored < offered * _KEEPS_UP:
            break
        offered *= 2
    return limit


async def _stored(site: Site) -> float:
    async with httpx.AsyncClient(timeout=10.0) as client:
        lines = (await client.get(f"{site.stack.service('ingest')['url']}/metrics")).text.splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith(_STORED))


async def _until_storing(site: Site, crowd: Crowd) -> None:
    try:
        async with asyncio.timeout(120.0):
            while not await site.stack.fetch(
                "select 1 from telemetry.completeness where client_id like $1 || '-agent-%' and received > 0 limit 1",
                crowd.prefix,
            ):
                await asyncio.sleep(0.2)
    except TimeoutError as error:
        raise SiteError(f"nothing of the load arrived; it said: {crowd.log()[-1500:]}") from error


async def _watch(watch: ResourceWatch, site: Site, load: Crowd, seconds: float) -> None:
    """Watch for as long as the load lasts: what the verdict reads of the database is a load of its own."""

    async def follow() -> None:
        while True:
            for name, process in (("load", load.process), ("workstation", site.workstation.process)):
                watch.add_process(name, process.pid if process is not None and process.poll() is None else None)
            await asyncio.sleep(1.0)

    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            group.create_task(follow())
            group.create_task(watch.run())


async def _count(site: Site, load: Crowd, *, is_empty: bool) -> Counted:
    told = _summary(load.folder.parent / f"{load.folder.name}.log")
    agents = told.get("agents", {})
    rows = await site.stack.fetch(_COUNTED, load.prefix)
    holes = await site.stack.fetch(_HOLES, load.prefix)
    by_client: dict[str, set[int]] = {}
    for row in rows:
        by_client.setdefault(row["client_id"], set()).add(row["once"])
    # Every reading has every metric: within a client all series are equally long.
    short = [f"{client} has series of {sorted(lengths)}" for client, lengths in by_client.items() if len(lengths) != 1]
    readings = sum(max(lengths) for lengths in by_client.values())
    generated = int(agents.get("generated", 0))
    if readings != generated:
        short.append(f"{readings:,} readings are stored of {generated:,}")
    return Counted(
        generated=generated,
        acked=int(agents.get("acked", 0)),
        outstanding=int(agents.get("outstanding", 0)) if told else -1 if not is_empty else 0,
        rejected=int(agents.get("rejected", 0)),
        lost=int(agents.get("lost", 0)),
        short=tuple(short),
        doubled=sum(row["stored"] - row["once"] for row in rows),
        holes=int(holes[0][0]),
        stored=sum(row["stored"] for row in rows),
    )


def _summary(log: Path) -> dict[str, Any]:
    for line in reversed(log.read_text(encoding="utf-8", errors="replace").splitlines()):
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
    return {}
