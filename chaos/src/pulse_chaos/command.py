"""`pulse chaos`: break the real stack on purpose, and count.

Exit code: 0 every invariant held in every run (of `without-…` scenarios: failed as expected), 1 one did not, or a run came
to no verdict, 2 the runs could not be done as asked, 3 nothing failed, but not all was run.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from pulse_chaos import namespace
from pulse_chaos.campaign import Campaign
from pulse_chaos.faults import missing
from pulse_chaos.outcome import Outcome, Planned, planned_as_json
from pulse_chaos.report import read_verdicts, write_report
from pulse_chaos.revision import revision
from pulse_chaos.sabotage import ACTS
from pulse_chaos.scenarios import MATRIX, SABOTAGE, SCENARIOS
from pulse_chaos.schedule import Schedule, parse_schedule
from pulse_simulator.command_options import with_options

_FAILED: Final = 1
_USAGE: Final = 2
_INCOMPLETE: Final = 3


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
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Runs side by side, each on a stack of its own.")] = 1
    resume: Annotated[
        bool, typer.Option("--resume", help="Do not repeat what has a verdict in --report, by this code.")
    ] = False
    keep: Annotated[Path | None, typer.Option(help="Keep stacks and logs of failed runs in this directory.")] = None


@with_options(ChaosOptions)
def chaos(options: ChaosOptions) -> None:
    """Break the real stack on purpose, by seeded schedules, and compare what it has with what was generated."""
    console = Console(stderr=True, highlight=False)
    if options.only_lists:
        _show_list()
        return
    of_revision = revision()
    try:
        planned = _plan(options)
        known = _known(options, of_revision)
    except (ValueError, OSError) as error:
        console.print(f"[bold red]error[/] {error}", markup=True)
        raise typer.Exit(_USAGE) from None
    where = options.keep or Path(tempfile.mkdtemp(prefix="pulse-chaos-"))
    campaign = Campaign(where, console, options.jobs, options.minutes, options.shrink, outcomes=list(known.values()))

    def save() -> None:
        if options.report is not None:
            write_report(options.report, campaign, of_revision)

    campaign.save = save
    left = [one for one in planned if _key(one) not in known]
    if known:
        done = len(planned) - len(left)
        console.print(f"{done} of {len(planned)} runs have a verdict by revision {of_revision}", soft_wrap=True)
    asyncio.run(campaign.run(left))
    if campaign.is_interrupted:
        console.print("interrupted: what follows is what was done until then")
    Console(highlight=False).print(campaign.table())
    save()
    if options.report is not None:
        console.print(f"the report is {options.report / 'report.html'}")
    if options.keep is None and not any(outcome.logs or outcome.is_error for outcome in campaign.outcomes):
        shutil.rmtree(where, ignore_errors=True)
    if not campaign.is_good:
        raise typer.Exit(_FAILED)
    if not campaign.is_complete:
        raise typer.Exit(_INCOMPLETE)


def _key(planned: Planned) -> str:
    return json.dumps(planned_as_json(planned))


def _known(options: ChaosOptions, of_revision: str) -> dict[str, Outcome]:
    """Return what need not be run again: a verdict stays, whatever it is, and in the report even if nobody asks for it now."""
    if not options.resume:
        return {}
    if options.report is None:
        raise ValueError("--resume goes on with a report: give its --report DIR")
    return {_key(outcome.planned): outcome for outcome in read_verdicts(options.report, of_revision)}


command = chaos
"""The name under which `pulse` mounts it."""


def _show_list() -> None:
    table = Table("scenario", "what happens", "here", title="pulse chaos", title_justify="left")
    for scenario in SCENARIOS.values():
        why = why_skipped(scenario.schedule(1))
        table.add_row(scenario.name, scenario.summary, why or "yes")
    Console(highlight=False).print(table)


def why_skipped(schedule: Schedule) -> str | None:
    """Say why a schedule cannot be run on this machine; None: it can."""
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
        for name in dict.fromkeys(names):  # Once, even if it was asked for by name and with all.
            scenario = SCENARIOS[name]
            schedule = given if given is not None else scenario.schedule(seed)
            planned.append(Planned(scenario, seed, schedule, options.quick, why_skipped(schedule)))
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
