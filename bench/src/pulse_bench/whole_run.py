"""All sections one after the other: what each gave, or why not, and how long the rest takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from pulse_bench.errors import BenchError
from pulse_bench.sections import Section


@dataclass(frozen=True, slots=True)
class Taken:
    """Figures by section, and why others have none."""

    figures: dict[str, Any] = field(default_factory=dict)
    not_read: dict[str, str] = field(default_factory=dict)


class Progress:
    """Says which section runs and about how many minutes are left, by how long the others took beside their estimates."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._planned = 0.0
        self._done = 0.0

    def start(self, planned_minutes: float) -> None:
        """Begin, with so much planned."""
        self._began, self._planned, self._done = time.monotonic(), planned_minutes, 0.0

    def enter(self, number: int, of: int, name: str, minutes: float) -> None:
        """Say that a section begins that is planned to take so long."""
        left = self.minutes_left()
        self._console.print(f"[bold]{number} of {of}: {name}[/], about {left:.0f} min left", highlight=False)
        self._done += minutes

    def say(self, line: str) -> None:
        """Say what a section says."""
        self._console.print(f"  {line}", style="dim", markup=False, highlight=False)

    def minutes_left(self) -> float:
        """Return about how long the sections that were not begun yet will take."""
        gone = (time.monotonic() - self._began) / 60
        pace = gone / self._done if self._done else 1.0
        return (self._planned - self._done) * pace


async def measure_all(sections: Sequence[Section], *, is_quick: bool, progress: Progress) -> Taken:
    """Measure each section; one that cannot be read does not keep the others from it."""
    minutes = [found.quick_minutes if is_quick else found.minutes for found in sections]
    progress.start(sum(minutes))
    taken = Taken()
    for number, (found, planned) in enumerate(zip(sections, minutes, strict=True), 1):
        progress.enter(number, len(sections), found.name, planned)
        try:
            taken.figures[found.name] = await found.measure(progress.say, **(found.quick if is_quick else found.full))
        except BenchError as error:
            taken.not_read[found.name] = str(error)
            progress.say(f"not read: {error}")
    return taken
