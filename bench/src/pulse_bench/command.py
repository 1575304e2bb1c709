"""`pulse bench`: every figure beside its limit or target, in one run, with the hardware it was read on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pulse_bench.errors import BenchError
from pulse_bench.hardware import read_hardware
from pulse_bench.readme import README, is_stale, write_table
from pulse_bench.report import write_report
from pulse_bench.results import Results, committed_results, write_results
from pulse_bench.rows import Row, Trend, rows_of, trends
from pulse_bench.sections import SECTIONS, section
from pulse_bench.whole_run import Progress, measure_all

app = typer.Typer(help="Benchmarks of this machine, each beside its limit in the same run.", no_args_is_help=True)
_console = Console()
_TRENDS = {Trend.BETTER: "green", Trend.WORSE: "red", Trend.SAME: "dim"}

Report = Annotated[Path | None, typer.Option("--json", help="Also write the figures and the hardware to this file.")]
Clients = Annotated[int, typer.Option(min=1, max=500, help="Publishing clients.")]
Messages = Annotated[int, typer.Option(min=100, max=100_000, help="Messages of each client in a run.")]
Runs = Annotated[int, typer.Option(min=1, max=20, help="How often each is measured; the figure is the median.")]


@app.command("all")
def all_sections(
    report: Report = None,
    folder: Annotated[
        Path | None, typer.Option("--report", help="Write report.html with plots into this folder.")
    ] = None,
    is_quick: Annotated[
        bool, typer.Option("--quick", help="Small loads: minutes, for a look; no figures to keep.")
    ] = False,
    only: Annotated[list[str] | None, typer.Option("--only", help="Only these sections; may be repeated.")] = None,
    without: Annotated[list[str] | None, typer.Option("--without", help="Not these sections; may be repeated.")] = None,
) -> None:
    """Every row of the table, one section after the other; compared with what was committed last."""
    hardware = read_hardware()
    _console.print(str(hardware), style="dim")
    try:
        chosen = [section(name) for name in only] if only else list(SECTIONS)
        dropped = {section(name).name for name in without or ()}
        wanted = [found for found in chosen if found.name not in dropped]
        before = committed_results()
        taken = asyncio.run(measure_all(wanted, is_quick=is_quick, progress=Progress(_console)))
    except BenchError as error:
        raise _failed(error) from error
    rows = rows_of(taken.figures)
    _show(rows, before, taken.not_read)
    if report is not None:
        write_results(report, hardware, taken.figures, taken.not_read)
    if folder is not None:
        _console.print(f"report: {write_report(folder, hardware, taken, before, is_quick=is_quick)}")
    if taken.not_read:
        raise typer.Exit(1)


@app.command()
def table(
    is_check: Annotated[bool, typer.Option("--check", help="Change nothing; fail when the table is stale.")] = False,
) -> None:
    """Write the table of bench/README.md from what is in bench/results."""
    try:
        if not is_check:
            write_table()
        elif is_stale():
            raise BenchError(f"the table of {README.name} is not what bench/results says: run `pulse bench table`")
    except BenchError as error:
        raise _failed(error) from error


@app.command()
def ingest(
    clients: Clients = 50,
    messages: Messages = 4000,
    runs: Runs = 3,
    report: Report = None,
) -> None:
    """Durable ingest (QoS 1, three metrics, deduplicated, committed, acknowledged, live) against the raw broker limit."""
    _measure("ingest", report, clients=clients, messages=messages, runs=runs)


@app.command()
def scale(
    clients: Clients = 50,
    messages: Messages = 4000,
    runs: Runs = 3,
    report: Report = None,
) -> None:
    """Durable ingest by one process and by two, in turns, on the cores of this machine."""
    _measure("scale", report, clients=clients, messages=messages, runs=runs)


@app.command()
def peers(
    messages: Annotated[int, typer.Option(min=10, help="Messages of each of 50 clients, to the slowest.")] = 100,
    runs: Runs = 3,
    with_node_red: Annotated[
        bool, typer.Option("--node-red/--no-node-red", help="Install Node-RED through npm.")
    ] = True,
    report: Report = None,
) -> None:
    """A naive consumer and Node-RED, which store what ingest stores, against the raw broker limit."""
    _measure("peers", report, messages=messages, runs=runs, with_node_red=with_node_red)


@app.command()
def drain(
    agents: Annotated[int, typer.Option(min=1, max=500, help="Agents with a backlog.")] = 100,
    messages: Annotated[int, typer.Option(min=1, max=1000, help="Runs of 500 readings of each.")] = 40,
    queued: Annotated[int, typer.Option(min=50, help="Messages in the queue of the broker beside them.")] = 200_000,
    runs: Runs = 3,
    report: Report = None,
) -> None:
    """The outboxes of 100 agents into the table, beside a C subscriber that drains a broker's queue."""
    _measure("drain", report, agents=agents, messages=messages, queued=queued, runs=runs)


@app.command()
def backlog(
    readings: Annotated[int, typer.Option(min=1000, max=20_000_000, help="Readings in the outbox.")] = 1_000_000,
    runs: Runs = 1,
    alone_seconds: Annotated[float, typer.Option(min=3, help="Seconds without a backlog, afterwards.")] = 20,
    report: Report = None,
) -> None:
    """One real agent with a backlog: how fast it drains, and how late its new readings are meanwhile."""
    _measure("backlog", report, readings=readings, runs=runs, alone_seconds=alone_seconds)


@app.command()
def latency(
    seconds: Annotated[float, typer.Option(min=2, max=600, help="Measured seconds of each load.")] = 20,
    runs: Runs = 3,
    report: Report = None,
) -> None:
    """From a device's publish to the frame on a socket, commit included: 100 devices × 1/s, then 1,000 readings/s."""
    _measure("latency", report, seconds=seconds, runs=runs)


@app.command()
def hops(
    rounds: Annotated[int, typer.Option(min=1, max=50, help="By turns with the bare hops.")] = 4,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="Measured seconds of a round.")] = 4,
    bare_seconds: Annotated[float, typer.Option(min=0.1, max=60, help="Seconds of each bare hop in a round.")] = 1,
    report: Report = None,
) -> None:
    """Where the time of `latency` goes at 100 readings/s, hop by hop, with traces on; bare programs beside each hop."""
    _measure("hops", report, rounds=rounds, seconds=seconds, bare_seconds=bare_seconds)


@app.command()
def fanout(
    sockets: Annotated[int, typer.Option(min=10, max=4000, help="Dashboards.")] = 500,
    seconds: Annotated[float, typer.Option(min=2, max=600, help="Measured seconds of a run.")] = 15,
    runs: Runs = 3,
    held: Annotated[int, typer.Option(min=10, max=4000, help="Sockets whose memory is read.")] = 1000,
    report: Report = None,
) -> None:
    """2 KB ten times a second to 500 dashboards, beside a bare FastAPI loop; memory of 1,000 sockets."""
    _measure("fanout", report, sockets=sockets, seconds=seconds, runs=runs, held=held)


@app.command()
def storm(
    sockets: Annotated[int, typer.Option(min=10, max=4000, help="Dashboards.")] = 500,
    runs: Runs = 2,
    report: Report = None,
) -> None:
    """500 dashboards lose their lines at once, and the gateway is killed: until all go on, and what they missed."""
    _measure("storm", report, sockets=sockets, runs=runs)


@app.command()
def history(
    rows: Annotated[int, typer.Option(min=500_000, max=1_000_000_000, help="Readings in the table.")] = 100_000_000,
    beside: Annotated[int, typer.Option(min=500_000, help="Readings in the small table to compare with.")] = 1_000_000,
    runs: Annotated[int, typer.Option(min=5, max=1000, help="How often a chart is asked for.")] = 60,
    report: Report = None,
) -> None:
    """Charts of a month, raw pages at depth and exports, with many readings in the table and with few."""
    _measure("history", report, rows=rows, beside=beside, runs=runs)


@app.command()
def sync(
    desktops: Annotated[int, typer.Option(min=1, max=2000, help="Simulated desktops.")] = 1000,
    agents: Annotated[int, typer.Option(min=1, max=500, help="Real agents.")] = 200,
    changes: Annotated[int, typer.Option(min=1, max=100, help="How often the role is changed.")] = 5,
    rows: Annotated[int, typer.Option(min=1, max=1_000_000, help="Rows that one desktop is behind.")] = 100_000,
    report: Report = None,
) -> None:
    """A role's change until it is in force on every desktop; a desktop far behind until it has caught up."""
    _measure("sync", report, desktops=desktops, agents=agents, changes=changes, rows=rows)


@app.command()
def agent(
    seconds: Annotated[float, typer.Option(min=5, max=3600, help="Measured seconds.")] = 30,
    runs: Runs = 3,
    report: Report = None,
) -> None:
    """Memory and CPU of one agent that sends this machine's readings once a second."""
    _measure("agent", report, seconds=seconds, runs=runs)


@app.command()
def desktop(
    readings: Annotated[int, typer.Option(min=10, max=1_000_000, help="Readings; a day at 1 Hz has 86,400.")] = 86_400,
    report: Report = None,
) -> None:
    """Memory of a real window's process over a day at 1 Hz, whose seconds are hurried: minutes."""
    _measure("desktop", report, readings=readings)


@app.command()
def outbox(
    seconds: Annotated[float, typer.Option(min=0.5, max=600, help="Measured seconds of each way.")] = 5,
    runs: Runs = 3,
    report: Report = None,
) -> None:
    """Readings a second into an agent's outbox, in groups and one by one, beside bare SQLite on the same disk."""
    _measure("outbox", report, seconds=seconds, runs=runs)


@app.command()
def growth(
    devices: Annotated[
        list[int] | None, typer.Option(help="Numbers of devices; default 10, 100, 1,000, 10,000.")
    ] = None,
    rows: Annotated[
        int, typer.Option(min=0, max=1_000_000_000, help="Readings in the full table; with 0 only devices are read.")
    ] = 100_000_000,
    seconds: Annotated[float, typer.Option(min=2, max=600, help="Measured seconds of each.")] = 20,
    report: Report = None,
) -> None:
    """CPU of ingest and PostgreSQL for a reading, with more and more devices, and with a full table."""
    numbers = tuple(devices) if devices else (10, 100, 1000, 10_000)
    _measure("growth", report, devices=numbers, rows=rows, seconds=seconds)


@app.command()
def alerts(
    rules: Annotated[int, typer.Option(min=1, max=2000, help="Rules of all kinds.")] = 1000,
    rate: Annotated[int, typer.Option(min=100, max=50_000, help="Readings a second, three metrics each.")] = 5000,
    seconds: Annotated[float, typer.Option(min=5, max=600, help="Measured seconds, without rules and with them.")] = 20,
    report: Report = None,
) -> None:
    """CPU of the alerts service for each reading, with no rule and with 1,000."""
    _measure("alerts", report, rules=rules, rate=rate, seconds=seconds)


@app.command()
def auth(
    sign_ins: Annotated[int, typer.Option(min=1, max=300, help="People who sign in at once.")] = 200,
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Rounds, each idle and then with them.")] = 5,
    report: Report = None,
) -> None:
    """Token-checked requests while 200 people sign in at once, beside idle; microseconds to verify a token."""
    _measure("auth", report, sign_ins=sign_ins, rounds=rounds)


def _measure(name: str, report: Path | None, **sizes: Any) -> None:
    """Measure one section, show its rows, and write its figures."""
    hardware = read_hardware()
    _console.print(str(hardware), style="dim")

    async def measured() -> Any:
        return await section(name).measure(lambda line: _console.print(line, style="dim", markup=False), **sizes)

    try:
        figures = {name: asyncio.run(measured())}
        _show(rows_of(figures), committed_results(), {})
    except BenchError as error:
        raise _failed(error) from error
    if report is not None:
        write_results(report, hardware, figures, {})


def _failed(error: BenchError) -> typer.Exit:
    _console.print(str(error), style="red", markup=False)
    return typer.Exit(1)


def _show(rows: list[Row], before: Results | None, not_read: dict[str, str]) -> None:
    table = Table(show_lines=False)
    for column in ("what", "read", "target", "met", "committed before"):
        table.add_column(column)
    stands = trends(rows, before.figures) if before is not None else {}
    for row in rows:
        met = {True: "[green]yes", False: "[red]no", None: "–"}[row.is_met]
        earlier = ""
        if row.key in stands:
            old, trend = stands[row.key]
            earlier = f"[{_TRENDS[trend]}]{old.median:{old.form}}, {trend.value}"
        table.add_row(row.what, row.read, row.wanted, met, earlier)
    _console.print(table)
    for name, reason in not_read.items():
        _console.print(f"{name}: not read: {reason}", style="red", markup=False)
