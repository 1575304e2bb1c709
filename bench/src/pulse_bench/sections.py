"""Every section of the benchmark: how it is measured in full and in short, and about how long that takes.

A section starts the stack that it needs, and returns its figures as they are written to a file. What it says meanwhile goes
through `say`, one line at a time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from platformdirs import user_cache_path

from pulse_bench import alerts_load, auth_load, fanout_load, growth_load, history_load, sync_load
from pulse_bench.backlog_load import measure_backlog
from pulse_bench.drain_load import measure_drain
from pulse_bench.errors import BenchError
from pulse_bench.footprint import measure_agent
from pulse_bench.growth_load import CostFigure, grow_fleet, measure_cost, next_accounts
from pulse_bench.history_data import fill, fill_today, plan_dataset
from pulse_bench.ingest_load import measure_durable_ingest
from pulse_bench.latency import measure_latency
from pulse_bench.latency_hops import measure_hops
from pulse_bench.load import find_load_pair
from pulse_bench.native import Account, find_native_pair
from pulse_bench.outbox_load import measure_outbox
from pulse_bench.peers_load import measure_peers
from pulse_bench.raw_limit import measure_raw_limit
from pulse_bench.scale_load import measure_scale
from pulse_bench.stack import fresh_stack
from pulse_bench.storm_load import measure_storms
from pulse_bench.synced_agents import measure_agents
from pulse_bench.window_day import measure_day
from pulse_chassis.garbage_collection import collect_rarely
from pulse_chassis.logging import configure_logging
from pulse_simulator.trace_collector import TraceCollector

Say = Callable[[str], None]
Measure = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the table. `full` and `quick` are the arguments of `measure`; the minutes are those of two cores."""

    name: str
    measure: Measure
    full: Mapping[str, Any]
    quick: Mapping[str, Any]
    minutes: float
    quick_minutes: float = field(default=0.5)


def _cache() -> Path:
    return user_cache_path("precisionpulse") / "bench"


async def ingest(say: Say, *, clients: int, messages: int, runs: int) -> dict[str, Any]:
    """Durable ingest beside the raw broker limit, pair by pair."""
    pair, made_by = find_load_pair(_cache())
    say(made_by)
    pairs = []
    async with fresh_stack() as stack:
        for run in range(runs):
            raw = await measure_raw_limit(pair, clients=clients, messages=messages)
            figure = await measure_durable_ingest(stack, pair, clients=clients, messages=messages, run=run)
            pairs.append({"raw_per_s": raw, **figure.as_dict(), "ratio": figure.durable_per_s / raw})
            say(f"run {run + 1} of {runs}: raw {raw:,.0f}/s, durable {figure.durable_per_s:,.0f}/s")
    return {"load": made_by, "runs": pairs}


async def scale(say: Say, *, clients: int, messages: int, runs: int) -> list[dict[str, Any]]:
    """Durable ingest by one process and by two, in turns."""
    pair, made_by = find_load_pair(_cache())
    say(made_by)
    figures = []
    async with fresh_stack() as stack:
        for run in range(runs):
            figure = await measure_scale(stack, pair, clients=clients, messages=messages, run=run)
            figures.append(figure.as_dict())
            say(f"run {run + 1} of {runs}: one process {figure.one_per_s:,.0f}/s, two {figure.two_per_s:,.0f}/s")
    return figures


async def peers(say: Say, *, messages: int, runs: int, with_node_red: bool) -> dict[str, Any]:
    """Others between the same broker and the same database."""
    pair, made_by = find_load_pair(_cache())
    async with fresh_stack() as stack:
        found = await measure_peers(stack, pair, messages=messages, runs=runs, say=say, with_node_red=with_node_red)
    return {"load": made_by, "peers": [peer.as_dict() for peer in found]}


async def drain(say: Say, *, agents: int, messages: int, queued: int, runs: int) -> list[dict[str, Any]]:
    """The outboxes of many agents, and a broker's queue."""
    pair = find_native_pair(_cache())
    figures = []
    async with fresh_stack() as stack:
        for run in range(runs):
            figure = await measure_drain(stack, pair, agents=agents, messages=messages, queued=queued, run=run)
            figures.append(figure.as_dict())
            say(f"run {run + 1} of {runs}: {figure.readings_per_s:,.0f} readings/s, queue {figure.queue_per_s:,.0f}/s")
    return figures


async def backlog(say: Say, *, readings: int, runs: int, alone_seconds: float) -> list[dict[str, Any]]:
    """One real agent's backlog."""
    async with fresh_stack() as stack:
        return [
            (await measure_backlog(stack, readings=readings, alone_seconds=alone_seconds, say=say)).as_dict()
            for _ in range(runs)
        ]


async def latency(say: Say, *, seconds: float, runs: int) -> list[dict[str, Any]]:
    """From a device's publish to the frame on a socket."""
    figures = []
    async with fresh_stack() as stack:
        for run in range(runs):
            for number, per_device_s in enumerate((1.0, 10.0)):
                name = run * 2 + number
                figure = await measure_latency(stack, devices=100, per_device_s=per_device_s, seconds=seconds, run=name)
                figures.append(figure.as_dict())
                say(f"{figure.readings_per_s:,.0f} readings/s: p50 {figure.p50_ms:.1f} ms, p99 {figure.p99_ms:.1f} ms")
    return figures


async def hops(say: Say, *, rounds: int, seconds: float, bare_seconds: float) -> dict[str, Any]:
    """Where the time from publish to frame goes, beside what bare programs need for the same steps."""
    with TraceCollector() as collector:
        # Recorded is what devices ask for, and nothing else.
        traces = {"PULSE_TRACES_ENDPOINT": collector.endpoint, "PULSE_TRACES_RATIO": "0"}
        async with fresh_stack(**traces) as stack:
            figures = await measure_hops(stack, collector, rounds=rounds, seconds=seconds, bare_seconds=bare_seconds)
    say(f"{figures.readings} readings followed, p50 {figures.p50_us:,.0f} µs; bare hops {figures.bare_sum_us:,.0f} µs")
    return figures.as_dict()


async def fanout(say: Say, *, sockets: int, seconds: float, runs: int, held: int) -> dict[str, Any]:
    """One frame to many dashboards, beside a bare loop; memory of many sockets."""
    async with fresh_stack(**fanout_load.ENVIRONMENT) as stack:
        memory = await fanout_load.measure_memory(stack, sockets=held)
        say(f"{held:,} sockets: {memory.empty_mib:.0f} → {memory.full_mib:.0f} MiB")
        pairs = await fanout_load.measure_fanout(stack, sockets=sockets, seconds=seconds, runs=runs)
    return fanout_load.as_dict(pairs, memory)


async def storm(say: Say, *, sockets: int, runs: int) -> list[dict[str, Any]]:
    """Many dashboards come back at once."""
    async with fresh_stack(**fanout_load.ENVIRONMENT) as stack:
        figures = await measure_storms(stack, sockets=sockets, runs=runs)
    for figure in figures:
        say(f"{figure.kind}: all resumed after {figure.resumed_s:.1f} s, {figure.lost} events lost")
    return [figure.as_dict() for figure in figures]


async def history(say: Say, *, rows: int, beside: int, runs: int) -> dict[str, Any]:
    """Charts, pages and exports, with few readings in the table and with many."""
    figures = {}
    for name, wanted in (("small", beside), ("full", rows)):
        async with fresh_stack(**history_load.ENVIRONMENT) as stack:
            dataset = plan_dataset(wanted, datetime.now(UTC).date())
            await fill(stack, dataset, say)
            figures[name] = (await history_load.measure_history(stack, dataset, runs=runs)).as_dict()
    return figures


async def sync(say: Say, *, desktops: int, agents: int, changes: int, rows: int) -> dict[str, Any]:
    """A role's change until it is in force everywhere; a desktop far behind."""
    configure_logging("bench", "WARNING", "console")
    # A thousand clients in one process must not stop for a search through all of their objects.
    collect_rarely()
    sync_load.raise_file_limit(desktops * 2 + 1024)
    async with fresh_stack(**sync_load.ENVIRONMENT) as stack:
        real = await measure_agents(stack, agents=agents, changes=changes)
        say(f"{agents} agents: p99 {max(figure.p99_ms for figure in real):,.0f} ms at most")
        spread = await sync_load.measure_spread(stack, desktops=desktops, changes=changes)
        say(f"{desktops} desktops: all within {max(figure.max_ms for figure in spread):,.0f} ms")
        behind = await sync_load.measure_catch_up(stack, rows=rows)
    return {
        "agents": [figure.as_dict() for figure in real],
        "spread": [figure.as_dict() for figure in spread],
        "catch_up": behind.as_dict(),
    }


async def agent(say: Say, *, seconds: float, runs: int) -> list[dict[str, Any]]:
    """Memory and CPU of one agent."""
    figures = []
    async with fresh_stack() as stack:
        for _ in range(runs):
            figure = await measure_agent(stack, seconds=seconds)
            say(f"{figure.rss_mib:.1f} MiB, {figure.cpu_percent:.2f} % of a core")
            figures.append(figure.as_dict())
    return figures


async def desktop(say: Say, *, readings: int) -> list[dict[str, Any]]:
    """Memory of an open window over a day."""
    async with fresh_stack() as stack:
        figure = await measure_day(stack, readings=readings)
    say(f"{figure.shown:,} readings shown: {figure.before_mib:.1f} → {figure.after_mib:.1f} MiB")
    return [figure.as_dict()]


async def outbox(say: Say, *, seconds: float, runs: int) -> list[dict[str, Any]]:
    """Readings a second into an agent's outbox."""
    figures = await measure_outbox(seconds=seconds, runs=runs)
    for figure in figures:
        say(f"{figure.grouped_per_s:,.0f}/s in groups, {figure.single_per_s:,.0f}/s one by one")
    return [figure.as_dict() for figure in figures]


async def growth(say: Say, *, devices: tuple[int, ...], rows: int, seconds: float) -> dict[str, Any]:
    """CPU of a reading with more and more devices, then with a table that is full. With 0 rows only the devices."""
    pair = find_native_pair(_cache())
    growth_load.allow_clients(max(devices))
    by_devices: list[CostFigure] = []
    fleet: list[Account] = []
    async with fresh_stack(**growth_load.ENVIRONMENT) as stack:
        for count in sorted(set(devices)):
            fleet = await grow_fleet(stack, pair, fleet, devices=count, say=say)
            by_devices.append(await measure_cost(stack, pair, fleet, seconds=seconds))
            fleet = next_accounts(fleet, by_devices[-1])
            say(growth_load.said(by_devices[-1]))
    by_rows: list[CostFigure] = []
    if rows:
        async with fresh_stack(**growth_load.ENVIRONMENT) as stack:
            fleet = await grow_fleet(stack, pair, [], devices=100, say=say)
            by_rows.append(await measure_cost(stack, pair, fleet, seconds=seconds))
            say(growth_load.said(by_rows[-1]))
            today = datetime.now(UTC).date()
            await fill(stack, dataset := plan_dataset(rows, today), say)
            await fill_today(stack, dataset, today, say)
            by_rows.append(await measure_cost(stack, pair, next_accounts(fleet, by_rows[0]), seconds=seconds))
            say(growth_load.said(by_rows[-1]))
    growth_load.require_rate([*by_devices, *by_rows])
    return {"devices": [f.as_dict() for f in by_devices], "table": [f.as_dict() for f in by_rows]}


async def alerts(say: Say, *, rules: int, rate: int, seconds: float) -> list[dict[str, Any]]:
    """CPU of the alerts service without a rule and with many."""
    async with fresh_stack(**alerts_load.ENVIRONMENT) as stack:
        figures = await alerts_load.measure_alerts(stack, rules=rules, rate=rate, seconds=seconds)
    for figure in figures:
        say(f"{figure.rules:,} rules: {figure.cpu_us_per_reading:.1f} µs a reading, {figure.alarms} alarms")
    return [figure.as_dict() for figure in figures]


async def auth(say: Say, *, sign_ins: int, rounds: int) -> dict[str, Any]:
    """Requests with a token while many people sign in."""
    verify = await auth_load.measure_verification()
    async with fresh_stack(**auth_load.ENVIRONMENT) as stack:
        figures = await auth_load.measure_sign_ins(stack, sign_ins=sign_ins, rounds=rounds)
    for figure in figures:
        say(
            f"{figure.service}: idle p99 {figure.median('idle_p99_ms'):.1f} ms, busy {figure.median('busy_p99_ms'):.1f} ms"
        )
    return {"sign_ins": [figure.as_dict() for figure in figures], "verify": dataclasses.asdict(verify)}


SECTIONS: Final = (
    Section("ingest", ingest, {"clients": 50, "messages": 4000, "runs": 3}, {"clients": 20, "messages": 400, "runs": 2}, 2),
    Section(
        "peers", peers, {"messages": 100, "runs": 3, "with_node_red": True},
        {"messages": 10, "runs": 1, "with_node_red": False}, 4,
    ),
    Section("scale", scale, {"clients": 50, "messages": 4000, "runs": 3}, {"clients": 20, "messages": 400, "runs": 1}, 3),
    Section(
        "drain", drain, {"agents": 100, "messages": 40, "queued": 200_000, "runs": 3},
        {"agents": 20, "messages": 10, "queued": 20_000, "runs": 1}, 3,
    ),
    Section(
        "backlog", backlog, {"readings": 1_000_000, "runs": 1, "alone_seconds": 20.0},
        {"readings": 50_000, "runs": 1, "alone_seconds": 5.0}, 6, 1,
    ),
    Section("latency", latency, {"seconds": 20.0, "runs": 3}, {"seconds": 5.0, "runs": 1}, 3),
    Section(
        "hops", hops, {"rounds": 4, "seconds": 4.0, "bare_seconds": 1.0},
        {"rounds": 1, "seconds": 2.0, "bare_seconds": 0.5}, 1.5,
    ),
    Section(
        "fanout", fanout, {"sockets": 500, "seconds": 15.0, "runs": 3, "held": 1000},
        {"sockets": 100, "seconds": 5.0, "runs": 1, "held": 200}, 3, 1,
    ),
    Section("storm", storm, {"sockets": 500, "runs": 2}, {"sockets": 100, "runs": 1}, 3, 1),
    Section(
        "history", history, {"rows": 100_000_000, "beside": 1_000_000, "runs": 60},
        {"rows": 2_000_000, "beside": 500_000, "runs": 10}, 12, 1,
    ),
    Section(
        "sync", sync, {"desktops": 1000, "agents": 200, "changes": 5, "rows": 100_000},
        {"desktops": 100, "agents": 10, "changes": 2, "rows": 2000}, 6, 1,
    ),
    Section("agent", agent, {"seconds": 30.0, "runs": 3}, {"seconds": 5.0, "runs": 1}, 3),
    Section("desktop", desktop, {"readings": 86_400}, {"readings": 600}, 10, 1),
    Section("outbox", outbox, {"seconds": 5.0, "runs": 3}, {"seconds": 1.0, "runs": 1}, 1, 0.1),
    Section(
        "growth", growth, {"devices": (10, 100, 1000, 10_000), "rows": 100_000_000, "seconds": 20.0},
        {"devices": (10, 100), "rows": 500_000, "seconds": 4.0}, 15, 1.5,
    ),
    Section(
        "alerts", alerts, {"rules": 1000, "rate": 5000, "seconds": 20.0}, {"rules": 50, "rate": 1000, "seconds": 5.0}, 2, 1,
    ),
    Section("auth", auth, {"sign_ins": 200, "rounds": 5}, {"sign_ins": 20, "rounds": 1}, 3),
)  # fmt: skip
"""In the order of the table."""


def section(name: str) -> Section:
    """Return a section by its name. Raises BenchError."""
    for found in SECTIONS:
        if found.name == name:
            return found
    raise BenchError(f"there is no section {name!r}; there are {', '.join(found.name for found in SECTIONS)}")
