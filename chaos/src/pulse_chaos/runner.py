"""Does one run after the other: on one stack as long as all is well, on a new one after a failure.

What it guarantees: every run has an outcome, with a reason where it came to no verdict; a schedule that failed is
shortened on stacks of its own, so that nothing of the first failure is left in them.
"""

from __future__ import annotations

import asyncio
import shutil
import traceback
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pulse_chaos.invariants import broken
from pulse_chaos.outcome import Outcome, Planned, Result
from pulse_chaos.run import DEADLINE_SECONDS, SABOTAGED_SECONDS, Order, keep_files, perform
from pulse_chaos.scenarios import LOAD_SECONDS
from pulse_chaos.schedule import Schedule, squeezed
from pulse_chaos.shrinking import Shortest, shrink
from pulse_chaos.site import Site, open_site
from pulse_simulator.embedded_stack import EmbeddedStackError

_RUNS_OF_A_SITE: Final = 25
_MOST_TRIES: Final = 12
_QUICK: Final = 0.5


def reason_of(error: BaseException) -> str:
    """Say in a line what a run died of: of a group, each of its errors."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(map(reason_of, error.exceptions))
    return f"{type(error).__name__}: {error}"


def _keep_traceback(error: BaseException, logs: Path) -> None:
    (logs / "harness.log").write_text("".join(traceback.format_exception(error)), encoding="utf-8")


@dataclass(slots=True)
class Runner:
    """`do` runs, then `close`. `tell` hears what goes on."""

    folder: Path
    tell: Callable[[str], None]
    shrinks: bool = True
    _sites: int = 0
    _site: Site | None = None
    _entered: AsyncExitStack = field(default_factory=AsyncExitStack)
    _environment: dict[str, str] = field(default_factory=dict)
    _runs: int = 0

    async def do(self, one: Planned) -> Outcome:
        """Do a run; shorten its schedule if it fails."""
        try:
            result = await self._perform(one, one.schedule)
        except Exception as error:  # noqa: BLE001 -- whatever a run died of is no verdict, and ends no other run.
            logs = await self._leave_site(keep=True)
            if logs:
                await asyncio.to_thread(_keep_traceback, error, Path(logs))
            return Outcome(one, why_not=reason_of(error), is_error=True, logs=logs)
        if result.is_good:
            return Outcome(one, result)
        is_expected = bool(one.scenario.expects)
        if is_expected and not one.scenario.environment and broken(result.findings) >= one.scenario.expects:
            return Outcome(one, result)  # What was taken away was given back.
        logs = await self._leave_site(keep=True)
        shortest = None
        if self.shrinks and not is_expected and len(one.schedule) > 1:
            shortest = await self._shrink(one)
        return Outcome(one, result, shortest=shortest, logs=logs)

    async def close(self) -> None:
        """Stop the stack."""
        await self._leave_site(keep=False)

    async def _shrink(self, one: Planned) -> Shortest:
        return await shrink(one.schedule, lambda steps: self._fails(one, steps), most=_MOST_TRIES)

    async def _fails(self, one: Planned, schedule: Schedule) -> bool:
        self.tell(f"{one.title}: shrinking, {len(schedule)} of {len(one.schedule)} steps")
        try:
            result = await self._perform(one, schedule)
        except Exception:  # noqa: BLE001 -- a candidate that could not be run did not fail.
            await self._leave_site(keep=False)
            return False
        if not result.is_good:
            await self._leave_site(keep=False)
        return not result.is_good

    async def _perform(self, one: Planned, schedule: Schedule) -> Result:
        environment = dict(one.scenario.environment)
        if self._site is None or self._environment != environment or self._runs >= _RUNS_OF_A_SITE:
            await self._leave_site(keep=False)
            await self._new_site(environment)
        assert self._site is not None  # noqa: S101 - it was just made
        self._runs += 1
        pace = _QUICK if one.is_quick else 1.0
        order = Order(
            squeezed(schedule, pace),
            self._runs,
            LOAD_SECONDS * pace,
            SABOTAGED_SECONDS if one.scenario.expects else DEADLINE_SECONDS,
        )
        return await perform(self._site, order, lambda what: self.tell(f"{one.title}: {what}"))

    async def _new_site(self, environment: dict[str, str]) -> None:
        self._sites += 1
        folder = self.folder / f"site-{self._sites:03d}"
        self.tell("starting a stack")
        self._site = await self._entered.enter_async_context(open_site(folder, environment))
        self._environment, self._runs = environment, 0

    async def _leave_site(self, *, keep: bool) -> str:
        """Stop the stack; return where its logs are, if they are kept."""
        site, self._site = self._site, None
        logs = self.folder / f"kept-{self._sites:03d}"
        is_kept = site is not None and keep
        if site is not None and keep:
            await asyncio.to_thread(keep_files, site, logs)
        try:
            await self._entered.aclose()
        except EmbeddedStackError as error:
            self.tell(f"the stack did not stop: {error}")
        self._entered = AsyncExitStack()
        if site is not None:
            await asyncio.to_thread(shutil.rmtree, site.folder, ignore_errors=True)
        return str(logs) if is_kept else ""
