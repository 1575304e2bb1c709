"""Many runs one after the other: on one site as long as all is well, on a new one after a failure.

What it guarantees: every planned run has an outcome, with a reason where it was not done; a schedule that failed is
shortened on sites of its own, so that nothing of the first failure is left in the stack.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from pulse_chaos.invariants import broken
from pulse_chaos.run import DEADLINE_SECONDS, SABOTAGED_SECONDS, Order, Result, keep_files, perform
from pulse_chaos.scenarios import LOAD_SECONDS, Scenario
from pulse_chaos.schedule import Schedule, squeezed
from pulse_chaos.shrinking import Shortest, shrink
from pulse_chaos.site import Site, open_site
from pulse_simulator.embedded_stack import EmbeddedStackError

_RUNS_OF_A_SITE: Final = 25
_MOST_TRIES: Final = 12


@dataclass(frozen=True, slots=True)
class Planned:
    """A run to do; `skipped` says why this machine cannot."""

    scenario: Scenario
    seed: int
    schedule: Schedule
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a planned run: a result, or why there is none."""

    planned: Planned
    result: Result | None = None
    why_not: str = ""
    shortest: Shortest | None = None
    is_error: bool = False

    @property
    def is_good(self) -> bool:
        """Tell whether it went as it should: all invariants held, or those failed that were expected to."""
        if self.result is None:
            return not self.is_error
        found = broken(self.result.findings)
        expected = self.planned.scenario.expects
        return found >= expected if expected else not found


@dataclass(slots=True)
class Campaign:
    """Runs what is planned; then ask `outcomes`, `is_good`, `table`."""

    folder: Path
    console: Console
    minutes: float = 0.0
    shrinks: bool = True
    pace: float = 1.0
    """Times of the load and of its faults are multiplied by it."""
    outcomes: list[Outcome] = field(default_factory=list)
    _sites: int = 0
    _site: Site | None = None
    _entered: AsyncExitStack = field(default_factory=AsyncExitStack)
    _environment: dict[str, str] = field(default_factory=dict)
    _runs: int = 0

    @property
    def is_good(self) -> bool:
        """Tell whether every run that was done went as it should, and one was done."""
        done = [outcome for outcome in self.outcomes if outcome.result is not None]
        return bool(done) and all(outcome.is_good for outcome in self.outcomes)

    async def run(self, planned: Sequence[Planned]) -> None:
        """Do the runs."""
        ends = time.monotonic() + self.minutes * 60 if self.minutes else None
        try:
            for number, one in enumerate(planned, 1):
                why = one.skipped
                if ends is not None and time.monotonic() > ends:
                    why = "the time was over"
                if why is not None:
                    self.outcomes.append(Outcome(one, why_not=why))
                    continue
                outcome = await self._do(one, f"{number}/{len(planned)}")
                self.outcomes.append(outcome)
                self._say(outcome, f"{number}/{len(planned)}")
        finally:
            await self._leave_site(keep=False)

    async def _do(self, one: Planned, place: str) -> Outcome:
        try:
            result = await self._perform(one, one.schedule, place)
        except Exception as error:  # noqa: BLE001 -- whatever a run died of is no verdict, and ends no other run.
            await self._leave_site(keep=True)
            return Outcome(one, why_not=f"{type(error).__name__}: {error}", is_error=True)
        if result.is_good:
            return Outcome(one, result)
        is_expected = bool(one.scenario.expects)
        if is_expected and not one.scenario.environment and broken(result.findings) >= one.scenario.expects:
            return Outcome(one, result)  # What was taken away was given back.
        await self._leave_site(keep=True)
        shortest = None
        if self.shrinks and not is_expected and len(one.schedule) > 1:
            shortest = await shrink(one.schedule, lambda steps: self._fails(one, steps, place), most=_MOST_TRIES)
        return Outcome(one, result, shortest=shortest)

    async def _fails(self, one: Planned, schedule: Schedule, place: str) -> bool:
        self.console.print(f"  shrinking: {len(schedule)} of {len(one.schedule)} steps", style="dim")
        try:
            result = await self._perform(one, schedule, place)
        except Exception:  # noqa: BLE001 -- a candidate that could not be run did not fail.
            await self._leave_site(keep=False)
            return False
        if not result.is_good:
            await self._leave_site(keep=False)
        return not result.is_good

    async def _perform(self, one: Planned, schedule: Schedule, place: str) -> Result:
        environment = dict(one.scenario.environment)
        if self._site is None or self._environment != environment or self._runs >= _RUNS_OF_A_SITE:
            await self._leave_site(keep=False)
            await self._new_site(environment)
        assert self._site is not None  # noqa: S101 - it was just made
        self._runs += 1
        title = f"{place} {one.scenario.name} seed {one.seed}"
        with self.console.status(title) as status:
            order = Order(
                one.scenario.name,
                one.seed,
                squeezed(schedule, self.pace),
                self._runs,
                LOAD_SECONDS * self.pace,
                SABOTAGED_SECONDS if one.scenario.expects else DEADLINE_SECONDS,
            )
            return await perform(self._site, order, lambda what: status.update(f"{title}: {what}"))

    async def _new_site(self, environment: dict[str, str]) -> None:
        self._sites += 1
        folder = self.folder / f"site-{self._sites:03d}"
        with self.console.status("starting a stack"):
            self._site = await self._entered.enter_async_context(open_site(folder, environment))
        self._environment, self._runs = environment, 0

    async def _leave_site(self, *, keep: bool) -> None:
        site, self._site = self._site, None
        if site is not None and keep:
            await asyncio.to_thread(keep_files, site, self.folder / f"kept-{self._sites:03d}")
            self.console.print(f"  logs are kept in {self.folder / f'kept-{self._sites:03d}'}", style="dim")
        try:
            await self._entered.aclose()
        except EmbeddedStackError as error:
            self.console.print(f"  the stack did not stop: {error}", style="yellow")
        self._entered = AsyncExitStack()
        if site is not None:
            await asyncio.to_thread(shutil.rmtree, site.folder, ignore_errors=True)

    def _say(self, outcome: Outcome, place: str) -> None:
        planned = outcome.planned
        what = f"{place} {planned.scenario.name} seed {planned.seed}"
        if outcome.result is None:
            self.console.print(f"[yellow]not done[/] {what}: {outcome.why_not}", markup=True)
            return
        found = sorted(broken(outcome.result.findings))
        mark = "[green]as expected[/]" if outcome.is_good and found else "[green]holds[/]"
        if not outcome.is_good:
            mark = "[bold red]BROKEN[/]"
        drain = outcome.result.evidence.drain_seconds
        self.console.print(
            f"{mark} {what} in {outcome.result.seconds:.0f} s"
            + (f", drained in {drain:.1f} s" if drain is not None else ", not drained")
            + (f": {', '.join(found)}" if found else "")
        )
        for finding in outcome.result.findings:
            if not finding.holds:
                self.console.print(f"    {finding.invariant}: {finding.detail}", markup=False)
        for missed in sorted(planned.scenario.expects - broken(outcome.result.findings)):
            self.console.print(f"    {missed} was expected to fail, and held")
        if outcome.shortest is not None:
            labels = ", ".join(f"{step.label} at {step.at:g} s" for step in outcome.shortest.schedule)
            self.console.print(f"    shortest schedule that fails: {labels}")

    def table(self) -> Table:
        """Return the outcomes by scenario."""
        table = Table(
            "scenario", "runs", "held", "values", "lost", "twice", "slowest drain s", "note", title="pulse chaos"
        )
        by_name: dict[str, list[Outcome]] = {}
        for outcome in self.outcomes:
            by_name.setdefault(outcome.planned.scenario.name, []).append(outcome)
        for name, outcomes in by_name.items():
            done = [o.result for o in outcomes if o.result is not None]
            drains = [r.evidence.drain_seconds for r in done if r.evidence.drain_seconds is not None]
            notes = {o.why_not.splitlines()[0][:60] for o in outcomes if o.why_not}
            table.add_row(
                name,
                str(len(done)),
                str(sum(o.is_good for o in outcomes if o.result is not None)),
                f"{sum(r.evidence.accepted for r in done):,}",
                str(sum(len(r.evidence.missing) for r in done)),
                str(sum(len(r.evidence.duplicates) for r in done)),
                f"{max(drains):.1f}" if drains else "-",
                "; ".join(sorted(notes)),
            )
        return table
