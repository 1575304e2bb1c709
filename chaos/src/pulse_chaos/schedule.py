"""What happens to a run and when: steps of faults, as plain data that can be written down, drawn by a seed and shortened.

Pure: what a fault does is in `faults`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """One fault: seconds after the load began, its name, what it hits, how long it lasts (0: a moment)."""

    at: float
    fault: str
    target: str = ""
    lasts: float = 0.0

    @property
    def ends(self) -> float:
        """When it is healed."""
        return self.at + self.lasts

    @property
    def label(self) -> str:
        """What people read."""
        return f"{self.fault} {self.target}".strip()


Schedule = tuple[Step, ...]


def in_order(steps: Iterable[Step]) -> Schedule:
    """Return the steps by time."""
    return tuple(sorted(steps, key=lambda step: (step.at, step.fault, step.target)))


def as_json(schedule: Schedule) -> list[dict[str, Any]]:
    """Return the schedule for a report."""
    return [asdict(step) for step in schedule]


def parse_schedule(text: str) -> Schedule:
    """Read what `as_json` wrote. Raises ValueError with a sentence for people."""
    try:
        return in_order(Step(**step) for step in json.loads(text))
    except (TypeError, AttributeError) as error:
        raise ValueError(f"this is no schedule: {error}") from None


def squeezed(schedule: Schedule, factor: float) -> Schedule:
    """Return the schedule in less time (or more): when steps begin and how long they last, times `factor`."""
    return tuple(replace(step, at=round(step.at * factor, 2), lasts=round(step.lasts * factor, 2)) for step in schedule)
