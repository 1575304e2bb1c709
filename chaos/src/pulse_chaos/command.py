"""`pulse chaos`: break the real stack on purpose, and count.

Exit code: 0 every invariant held in every run (of `without-…` scenarios: failed as expected), 1 one did not, 2 the runs
could not be done as asked.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from pulse_chaos import namespace
from pulse_chaos.campaign import Campaign, Planned
from pulse_chaos.faults import missing
from pulse_chaos.report import write_report
from pulse_chaos.sabotage import ACTS
from pulse_chaos.scenarios import MATRIX, SABOTAGE, SCENARIOS, Scenario
from pulse_chaos.schedule import Schedule, parse_schedule
from pulse_chassis.logging import configure_logging
from pulse_simulator.command_options import with_options

_USAGE: Final = 2


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """What can be given on the command line."""

    only_lists: Annotated[bool, typer.Option("--list", help="Say what there is and what this machine cannot do.")] = (
        False
    )
    whole_matrix: Annotated[bool, typer.Option("--all", help="Every scenario of the fault matrix.")] = False
    prove: Annotated[
        bool, typer.Option("--prove", help="Take one mechanism away after the other: the verdict must fail.")
    ] = False
    scenario: Annotated[list[str] | None, typer.Option(help="A scenario by name; may be repeated.")] = None
    seed: Annotated[str, typer.Option(help="A seed, or a range such as 1..20.")] = "1"
    schedule: Annotated[Path | None, typer.Option(help="Run the steps of this JSON file instead of drawn ones.")] = None
    report: Annotated[Path | None, typer.Option(help="Where report.html and report.json go.")] = None
    minutes: Annotated[float, typer.Option(min=0.0, help="Begin no run after so long; 0: no limit.")] = 0.0
    quick: Annotated[bool, typer.Option("--quick", help="Half of the time for load and faults.")] = False
    shrink: Annotated[bool, typer.Option(help="Shorten the schedule of a run that failed.")] = True
    keep: Annotated[Path | None, typer.Option(help="Keep stacks and logs of failed runs in this directory.")] = None


@with_options(ChaosOptions)
def chaos(options: ChaosOptions) -> None:
    """Break the real stack on purpose, by seeded schedules, and compare what it has with what was generated."""
    console = Console(stderr=True, highlight=False)
    if options.only_lists:
        _show_list()
        return
    try:
        planned = _plan(options)
    except (ValueError, OSError) as error:
        console.print(f"[bold red]error[/] {error}", markup=True)
        raise typer.Exit(_USAGE) from None
    if not namespace.is_own() and namespace.why_not() is None:
        namespace.enter(["chaos", *sys.argv[2:]])
    configure_logging("chaos", "ERROR", "console")
    where = options.keep or Path(tempfile.mkdtemp(prefix="pulse-chaos-"))
    campaign = Campaign(
        where, console, minutes=options.minutes, shrinks=options.shrink, pace=0.5 if options.quick else 1.0
    )
    try:
        asyncio.run(campaign.run(planned))
    except KeyboardInterrupt:
        console.print("interrupted: what follows is what was done until then")
    Console(highlight=False).print(campaign.table())
    if options.report is not None:
        write_report(options.report, campaign)
        console.print(f"the report is {options.report / 'report.html'}")
    if not campaign.outcomes:
        raise typer.Exit(_USAGE)
    raise typer.Exit(0 if campaign.is_good else 1)


command = chaos
"""The name under which `pulse` mounts it."""


def _show_list() -> None:
    table = Table("scenario", "what happens", "here", title="pulse chaos", title_justify="left")
    for scenario in SCENARIOS.values():
        why = why_skipped(scenario, scenario.schedule(1))
        table.add_row(scenario.name, scenario.summary, why or "yes")
    Console(highlight=False).print(table)


def why_skipped(scenario: Scenario, schedule: Schedule) -> str | None:
    """Say why a scenario cannot be run on this machine; None: it can."""
    del scenario
    for step in schedule:
        for need in ACTS[step.fault].needs:
            why = missing(need)
            if why is not None and not (need == "namespace" and namespace.why_not() is None):
                return why
    return None


def _plan(options: ChaosOptions) -> list[Planned]:
    names = list(options.scenario or [])
    names += MATRIX if options.whole_matrix else ()
    names += SABOTAGE if options.prove else ()
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise ValueError(f"there is no scenario {unknown[0]!r}: see `pulse chaos --list`")
    if not names:
        raise ValueError("nothing to run: give --all, --prove or --scenario NAME; --list says what there is")
    given = parse_schedule(options.schedule.read_text(encoding="utf-8")) if options.schedule else None
    planned = []
    for seed in parse_seeds(options.seed):
        for name in names:
            scenario = SCENARIOS[name]
            schedule = given if given is not None else scenario.schedule(seed)
            planned.append(Planned(scenario, seed, schedule, why_skipped(scenario, schedule)))
    return planned


def parse_seeds(text: str) -> range:
    """Read `7` or `1..20`. Raises ValueError with a sentence for people."""
    first, _, last = text.partition("..")
    try:
        seeds = range(int(first), int(last or first) + 1)
    except ValueError:
        raise ValueError(f"{text!r} is no seed: write 7, or 1..20") from None
    if not seeds:
        raise ValueError(f"{text!r} holds no seed")
    return seeds
