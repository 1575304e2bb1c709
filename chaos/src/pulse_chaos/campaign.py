"""Many runs, several at a time: each worker does the next one that is left, on a stack of its own.

What it guarantees: every planned run has an outcome, with a reason where it was not done; whatever ends the campaign, every
stack is stopped and the outcomes until then are there; no run is given to two workers.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.status import Status
from rich.table import Table

from pulse_chaos.crew import Worker, hire
from pulse_chaos.invariants import broken
from pulse_chaos.outcome import Outcome, Planned

_INTERRUPTED: Final = "interrupted"
_SAVED_EVERY: Final = 60.0


@dataclass(slots=True)
class Campaign:
    """Runs what is planned; then ask `outcomes`, `is_good`, `table`. `save` is called now and then meanwhile."""

    folder: Path
    console: Console
    jobs: int = 1
    minutes: float = 0.0
    shrinks: bool = True
    save: Callable[[], None] = lambda: None
    outcomes: list[Outcome] = field(default_factory=list)
    """Also those of an earlier sitting, which are given."""
    is_interrupted: bool = False
    _left: deque[Planned] = field(default_factory=deque)
    _done: int = 0
    _failed: int = 0
    _under_way: int = 0
    _began: float = 0.0
    _saved: float = 0.0
    _crew: dict[int, Worker] = field(default_factory=dict)
    _doing: dict[int, str] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Tell whether every run that was begun went as it should."""
        return all(outcome.is_good for outcome in self.outcomes if outcome.result is not None or outcome.is_error)

    @property
    def is_complete(self) -> bool:
        """Tell whether every planned run has a verdict."""
        return all(outcome.result is not None for outcome in self.outcomes)

    async def run(self, planned: Sequence[Planned]) -> None:
        """Do the runs. SIGINT, SIGTERM and SIGHUP end it in order; a second one at once, where that leaves nothing."""
        self.outcomes += [Outcome(one, why_not=one.skipped) for one in planned if one.skipped is not None]
        self._left.extend(one for one in planned if one.skipped is None)
        self._began = self._saved = time.monotonic()
        loop = asyncio.get_running_loop()
        ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in ending:
            loop.add_signal_handler(number, self._interrupt)
        try:
            with self.console.status("starting") as status:
                async with asyncio.TaskGroup() as group:
                    for place in range(1, min(self.jobs, len(self._left)) + 1):
                        group.create_task(self._work(place, status))
        finally:
            for number in ending:
                loop.remove_signal_handler(number)
        why = _INTERRUPTED if self.is_interrupted else "the time was over"
        self.outcomes += [Outcome(one, why_not=why) for one in self._left]

    def _interrupt(self) -> None:
        for worker in self._crew.values():
            worker.kill() if self.is_interrupted else worker.dismiss()
        if not self.is_interrupted:
            self.console.print("ending: stacks are stopped; once more to end at once", style="yellow")
        self.is_interrupted = True

    @property
    def _is_over(self) -> bool:
        is_late = bool(self.minutes) and time.monotonic() - self._began > self.minutes * 60
        return not self._left or self.is_interrupted or is_late

    async def _work(self, place: int, status: Status) -> None:
        def tell(what: str) -> None:
            self._doing[place] = what
            status.update(f"{self._progress()} · " + " | ".join(self._doing.values()))

        try:
            while not self._is_over:
                worker = self._crew.get(place)
                if worker is None or not worker.is_there:
                    worker = self._crew[place] = await hire(self._new_folder(), shrinks=self.shrinks)
                    if self.is_interrupted:  # While it was being hired.
                        break
                one = self._left.popleft()
                self._under_way += 1
                outcome = await worker.do(one, tell)
                self._under_way -= 1
                if self.is_interrupted and outcome.result is None:
                    outcome = Outcome(one, why_not=_INTERRUPTED)
                self._take(outcome)
                if outcome.is_error:
                    await self._dismiss(place)
        finally:
            await self._dismiss(place)

    def _new_folder(self) -> Path:
        """Return a folder that no worker had: what an earlier one kept, in this sitting or before, stays."""
        folder = next(f for n in count(1) if not (f := self.folder / f"worker-{n}").exists())
        folder.mkdir(parents=True)
        return folder

    async def _dismiss(self, place: int) -> None:
        worker = self._crew.get(place)
        if worker is not None:
            worker.dismiss()
            await worker.gone()
            del self._crew[place]

    def _take(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._done += 1
        self._failed += not outcome.is_good
        self._say(outcome)
        if time.monotonic() - self._saved > _SAVED_EVERY:
            self._saved = time.monotonic()
            self.save()

    def _progress(self) -> str:
        """Say how far it is: what is under way counts as left."""
        left = len(self._left) + self._under_way
        told = f"{self._done} done, {self._failed} failed, {left} left"
        if self._done and left:
            minutes = (time.monotonic() - self._began) / self._done * left / 60
            told += f", about {minutes:.0f} min" if minutes >= 1 else ", about a minute"
        return told

    def _say(self, outcome: Outcome) -> None:
        progress = f"\\[{self._progress()}]"
        what = outcome.planned.title
        if outcome.result is None:
            self.console.print(f"[yellow]not done[/] {what} {progress}", markup=True)
            self.console.print(f"    {outcome.why_not}", markup=False)
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
            + f" {progress}"
        )
        for finding in outcome.result.findings:
            if not finding.holds:
                self.console.print(f"    {finding.invariant}: {finding.detail}", markup=False)
        for missed in sorted(outcome.planned.scenario.expects - broken(outcome.result.findings)):
            self.console.print(f"    {missed} was expected to fail, and held")
        if outcome.shortest is not None:
            labels = ", ".join(f"{step.label} at {step.at:g} s" for step in outcome.shortest.schedule)
            self.console.print(f"    shortest schedule that fails: {labels}")
        if outcome.logs:
            self.console.print(f"    logs are kept in {outcome.logs}", style="dim", markup=False)

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
