"""`pulse bench`: every figure beside its limit or target, in one run, with the hardware it was read on."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import statistics
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from platformdirs import user_cache_path
from rich.console import Console
from rich.table import Table

from pulse_bench.alerts_load import ENVIRONMENT as ALERTS_ENVIRONMENT
from pulse_bench.alerts_load import measure_alerts
from pulse_bench.auth_load import ENVIRONMENT, measure_sign_ins, measure_verification
from pulse_bench.errors import BenchError
from pulse_bench.footprint import measure_agent
from pulse_bench.hardware import read_hardware
from pulse_bench.history_data import fill, plan_dataset
from pulse_bench.history_load import ENVIRONMENT as HISTORY_ENVIRONMENT
from pulse_bench.history_load import history_rows, measure_history
from pulse_bench.ingest_load import measure_durable_ingest
from pulse_bench.latency import measure_latency
from pulse_bench.load import find_load_pair
from pulse_bench.raw_limit import measure_raw_limit
from pulse_bench.stack import fresh_stack
from pulse_bench.sync_load import ENVIRONMENT as SYNC_ENVIRONMENT
from pulse_bench.sync_load import measure_catch_up, measure_spread, raise_file_limit
from pulse_bench.synced_agents import measure_agents
from pulse_chassis.garbage_collection import collect_rarely
from pulse_chassis.logging import configure_logging

app = typer.Typer(help="Benchmarks of this machine, each beside its limit in the same run.", no_args_is_help=True)
_console = Console()

Report = Annotated[Path | None, typer.Option("--json", help="Also write the figures and the hardware to this file.")]


@app.command()
def ingest(
    clients: Annotated[int, typer.Option(min=1, max=500, help="Publishing clients.")] = 50,
    messages: Annotated[int, typer.Option(min=100, max=100_000, help="Messages of each client in a run.")] = 4000,
    runs: Annotated[int, typer.Option(min=1, max=20, help="Pairs of runs: raw limit, then durable ingest.")] = 3,
    report: Report = None,
) -> None:
    """Durable ingest (QoS 1, three metrics, deduplicated, committed, acknowledged, live) against the raw broker limit."""

    async def measure() -> dict[str, Any]:
        pair, made_by = find_load_pair(user_cache_path("precisionpulse") / "bench")
        _console.print(made_by, style="dim")
        pairs = []
        async with fresh_stack() as stack:
            for run in range(runs):
                raw = await measure_raw_limit(pair, clients=clients, messages=messages)
                figure = await measure_durable_ingest(stack, pair, clients=clients, messages=messages, run=run)
                pairs.append({"raw_per_s": raw, **figure.as_dict(), "ratio": figure.durable_per_s / raw})
                _console.print(
                    f"run {run + 1} of {runs}: raw {raw:,.0f}/s, durable {figure.durable_per_s:,.0f}/s, "
                    f"ratio {figure.durable_per_s / raw:.2f}"
                )
        ratio = statistics.median(p["ratio"] for p in pairs)
        table = _table("Durable ingest", "raw limit, messages/s", "durable, messages/s", "ratio (median)", "target")
        table.add_row(
            f"{statistics.median(p['raw_per_s'] for p in pairs):,.0f}",
            f"{statistics.median(p['durable_per_s'] for p in pairs):,.0f}",
            f"{ratio:.2f} ({min(p['ratio'] for p in pairs):.2f} to {max(p['ratio'] for p in pairs):.2f})",
            "≥ 0.40",
        )
        _console.print(table)
        return {"ingest": {"load": made_by, "runs": pairs, "ratio": ratio}}

    _run(measure, report)


@app.command()
def latency(
    seconds: Annotated[float, typer.Option(min=2, max=600, help="Measured seconds of each load.")] = 20,
    report: Report = None,
) -> None:
    """From a device's publish to the frame on a socket, commit included: 100 devices × 1/s, then 1,000 readings/s."""

    async def measure() -> dict[str, Any]:
        table = _table("Publish → socket", "load", "p50 ms", "p90 ms", "p99 ms", "max ms", "not shown", "target")
        figures = []
        async with fresh_stack() as stack:
            for run, per_device_s in enumerate((1.0, 10.0)):
                figure = await measure_latency(stack, devices=100, per_device_s=per_device_s, seconds=seconds, run=run)
                figures.append(figure.as_dict())
                table.add_row(
                    f"{figure.devices} devices × {per_device_s:g}/s",
                    *(f"{v:.2f}" for v in (figure.p50_ms, figure.p90_ms, figure.p99_ms, figure.max_ms)),
                    str(figure.lost),
                    "p50 ≤ 5, p99 ≤ 25",
                )
        _console.print(table)
        return {"latency": figures}

    _run(measure, report)


@app.command()
def agent(
    seconds: Annotated[float, typer.Option(min=5, max=3600, help="Measured seconds.")] = 30,
    report: Report = None,
) -> None:
    """Memory and CPU of one agent that sends this machine's readings once a second."""

    async def measure() -> dict[str, Any]:
        async with fresh_stack() as stack:
            figure = await measure_agent(stack, seconds=seconds)
        table = _table("Agent at 1 Hz", "resident MiB", "% of a core", "target")
        table.add_row(f"{figure.rss_mib:.1f}", f"{figure.cpu_percent:.2f}", "≤ 60 MB, ≤ 1 %")
        _console.print(table)
        return {"agent": figure.as_dict()}

    _run(measure, report)


@app.command()
def auth(
    sign_ins: Annotated[int, typer.Option(min=1, max=300, help="People who sign in at once.")] = 200,
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Rounds, each idle and then with them.")] = 5,
    report: Report = None,
) -> None:
    """Token-checked requests while 200 people sign in at once, beside idle; microseconds to verify a token."""

    async def measure() -> dict[str, Any]:
        verify = await measure_verification()
        async with fresh_stack(**ENVIRONMENT) as stack:
            figures = await measure_sign_ins(stack, sign_ins=sign_ins, rounds=rounds)
        table = _table(
            f"{sign_ins} sign-ins at once", "service", "idle p50/p99 ms", "busy p50/p99 ms", "ratio", "target"
        )
        for figure in figures:
            idle = f"{figure.median('idle_p50_ms'):.1f} / {figure.median('idle_p99_ms'):.1f}"
            busy = f"{figure.median('busy_p50_ms'):.1f} / {figure.median('busy_p99_ms'):.1f}"
            ratio = f"{figure.ratio:.2f} ({figure.ratios[0]:.2f} to {figure.ratios[-1]:.2f})"
            table.add_row(figure.service, idle, busy, ratio, "p99 ≤ 3 × idle")
        _console.print(table)
        verified = _table("Verifying an access token", "first time, µs", "again, µs", "target")
        verified.add_row(f"{verify.first_us:.0f}", f"{verify.again_us:.1f}", "≤ 150")
        _console.print(verified)
        return {"auth": {"sign_ins": [f.as_dict() for f in figures], "verify": dataclasses.asdict(verify)}}

    _run(measure, report)


@app.command()
def sync(
    desktops: Annotated[int, typer.Option(min=1, max=2000, help="Simulated desktops.")] = 1000,
    agents: Annotated[int, typer.Option(min=1, max=500, help="Real agents.")] = 200,
    changes: Annotated[int, typer.Option(min=1, max=100, help="How often the role is changed.")] = 5,
    rows: Annotated[int, typer.Option(min=1, max=1_000_000, help="Rows that one desktop is behind.")] = 100_000,
    report: Report = None,
) -> None:
    """A role's change until it is in force on every desktop; a desktop far behind until it has caught up."""

    async def measure() -> dict[str, Any]:
        configure_logging("bench", "WARNING", "console")
        # A thousand clients in one process must not stop for a search through all of their objects.
        collect_rarely()
        raise_file_limit(desktops * 2 + 1024)
        async with fresh_stack(**SYNC_ENVIRONMENT) as stack:
            real = await measure_agents(stack, agents=agents, changes=changes)
            spread = await measure_spread(stack, desktops=desktops, changes=changes)
            behind = await measure_catch_up(stack, rows=rows)
        table = _table("A role changed", "on", "p50 ms", "p99 ms", "max ms", "target")
        for kind, figures in (("agents, p99 ≤ 1,000 (of 200)", real), ("simulated, all ≤ 2,000 (of 1,000)", spread)):
            for figure in figures:
                times = (f"{ms:,.0f}" for ms in (figure.p50_ms, figure.p99_ms, figure.max_ms))
                table.add_row(f"{figure.desktops} {kind.split(',')[0]}", *times, kind.split(",", 1)[1].strip())
        _console.print(table)
        caught_up = _table("A desktop far behind", "rows", "pages", "seconds", "target")
        caught_up.add_row(f"{behind.rows:,}", str(behind.pages), f"{behind.seconds:.1f}", "≤ 10 (of 100,000)")
        _console.print(caught_up)
        agents_figures = [figure.as_dict() for figure in real]
        return {
            "sync": {
                "agents": agents_figures,
                "spread": [figure.as_dict() for figure in spread],
                "catch_up": behind.as_dict(),
            }
        }

    _run(measure, report)


@app.command()
def history(
    rows: Annotated[int, typer.Option(min=500_000, max=1_000_000_000, help="Readings in the table.")] = 100_000_000,
    beside: Annotated[int, typer.Option(min=500_000, help="Readings in the small table to compare with.")] = 1_000_000,
    runs: Annotated[int, typer.Option(min=5, max=1000, help="How often a chart is asked for.")] = 60,
    report: Report = None,
) -> None:
    """Charts of a month, raw pages at depth and exports, with many readings in the table and with few."""

    async def measure() -> dict[str, Any]:
        figures = {}
        for name, wanted in (("small", beside), ("full", rows)):
            async with fresh_stack(**HISTORY_ENVIRONMENT) as stack:
                dataset = plan_dataset(wanted, datetime.now(UTC).date())
                await fill(stack, dataset, _console.print)
                figures[name] = await measure_history(stack, dataset, runs=runs)
        table = _table("History", "what", "few readings", "many readings", "ratio", "target")
        for row in history_rows(figures["small"], figures["full"]):
            table.add_row(*row)
        _console.print(table)
        return {"history": {name: figure.as_dict() for name, figure in figures.items()}}

    _run(measure, report)


@app.command()
def alerts(
    rules: Annotated[int, typer.Option(min=1, max=2000, help="Rules of all kinds.")] = 1000,
    rate: Annotated[int, typer.Option(min=100, max=50_000, help="Readings a second, three metrics each.")] = 5000,
    seconds: Annotated[float, typer.Option(min=5, max=600, help="Measured seconds, without rules and with them.")] = 20,
    report: Report = None,
) -> None:
    """CPU of the alerts service for each reading, with no rule and with 1,000."""

    async def measure() -> dict[str, Any]:
        async with fresh_stack(**ALERTS_ENVIRONMENT) as stack:
            figures = await measure_alerts(stack, rules=rules, rate=rate, seconds=seconds)
        table = _table(
            "Rules", "rules", "readings/s", "CPU µs a reading", f"% of a core at {rate:,}/s", "alarms", "target"
        )
        for figure in figures:
            table.add_row(
                f"{figure.rules:,}",
                f"{figure.readings_per_s:,.0f}",
                f"{figure.cpu_us_per_reading:.1f}",
                f"{figure.core_percent_at_rate:.1f}",
                str(figure.alarms),
                "≤ 10 %" if figure.rules else "–",
            )
        _console.print(table)
        return {"alerts": [figure.as_dict() for figure in figures]}

    _run(measure, report)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title)
    for column in columns:
        table.add_column(column)
    return table


def _run(measure: Callable[[], Awaitable[dict[str, Any]]], report: Path | None) -> None:
    hardware = read_hardware()
    _console.print(str(hardware), style="dim")

    async def measured() -> dict[str, Any]:
        return await measure()

    try:
        figures = asyncio.run(measured())
    except BenchError as error:
        _console.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    if report is not None:
        report.write_text(json.dumps({"hardware": hardware.as_dict(), **figures}, indent=2) + "\n", encoding="utf-8")
