"""`pulse soak`: half of what the machine can take, for long, with a fault every minute.

Exit code: 0 nothing was lost or doubled and nothing grew, 1 something did, 2 it could not be done.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from pulse_chaos import namespace
from pulse_chaos.requests import NotPreparedError
from pulse_chaos.revision import revision
from pulse_chaos.site import SiteError, open_site
from pulse_chaos.soak_report import summary_lines, write_soak
from pulse_chaos.soak_run import AGENTS, DEVICES, Soaked, SoakPlan, soak
from pulse_chassis.logging import configure_logging
from pulse_simulator.command_options import with_options
from pulse_simulator.embedded_stack import EmbeddedStackError
from pulse_simulator.gateway_session import GatewayError

_USAGE: Final = 2


@dataclass(frozen=True, slots=True)
class SoakOptions:
    """What can be given on the command line."""

    minutes: Annotated[float, typer.Option(min=0.2, help="How long the load lasts.")] = 30.0
    seed: Annotated[int, typer.Option(help="Which faults are drawn.")] = 1
    share: Annotated[float, typer.Option(min=0.01, max=1.0, help="How much of the limit is the load.")] = 0.5
    rate: Annotated[
        float | None, typer.Option(min=1.0, help="Readings a second of all, instead of a share of the limit.")
    ] = None
    agents: Annotated[int, typer.Option(min=1, help="Agents of the load.")] = AGENTS
    devices: Annotated[int, typer.Option(min=0, help="Plain devices of the load.")] = DEVICES
    report: Annotated[Path | None, typer.Option(help="Where report.html and report.json go.")] = None
    keep: Annotated[Path | None, typer.Option(help="Where the stack runs; it stays there.")] = None


@with_options(SoakOptions)
def run(options: SoakOptions) -> None:
    """Load a real stack for long with a fault every minute; then nothing may be lost, doubled, or have grown."""
    if not namespace.is_own() and namespace.why_not() is None:
        command = namespace.inside([sys.executable, "-m", "pulse_local", "soak", *sys.argv[2:]])
        os.execvp(command[0], command)  # noqa: S606 - ours
    console = Console(stderr=True, highlight=False)
    configure_logging("soak", "ERROR", "console")
    plan = SoakPlan(
        options.minutes * 60, options.seed, options.share, options.rate, agents=options.agents, devices=options.devices
    )
    where = options.keep or Path(tempfile.mkdtemp(prefix="pulse-soak-"))
    try:
        soaked = asyncio.run(_soak(where, plan, console))
    except (EmbeddedStackError, GatewayError, NotPreparedError, SiteError) as error:
        console.print(f"[bold red]error[/] {type(error).__name__}: {error}", markup=True)
        raise typer.Exit(_USAGE) from None
    finally:
        if options.keep is None:
            shutil.rmtree(where, ignore_errors=True)
    for line in summary_lines(soaked):
        Console(highlight=False).print(line, markup=False, soft_wrap=True)
    if options.report is not None:
        write_soak(options.report, soaked, revision())
        console.print(f"the report is {options.report / 'report.html'}")
    raise typer.Exit(0 if soaked.is_good else 1)


async def _soak(where: Path, plan: SoakPlan, console: Console) -> Soaked:
    with console.status("starting a stack") as status:

        def tell(what: str) -> None:
            status.update(what)
            if not console.is_terminal:
                console.print(what, markup=False)

        # On the machine's own disk: half an hour of readings does not fit into a small one.
        async with open_site(where / "site", {}, has_small_disks=False) as site:
            return await soak(site, plan, tell)


command = run
"""The name under which `pulse` mounts it."""
