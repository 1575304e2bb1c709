"""Shortens a failing schedule: the smallest set of its steps that still fails, by delta debugging.

Guarantees: what is returned failed when it was tried; no single step can be left out of it without the failure going
away (as far as runs repeat); at most `most` candidates are tried, none twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pulse_chaos.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Shortest:
    """What was found, after how many tries, and whether the search came to its end."""

    schedule: Schedule
    tries: int
    is_minimal: bool


async def shrink(failing: Schedule, fails: Callable[[Schedule], Awaitable[bool]], *, most: int = 20) -> Shortest:
    """Return the shortest schedule found for which `fails` still holds; `failing` itself is known to fail."""
    known: dict[Schedule, bool] = {failing: True}
    tries = 0
    current, pieces = failing, 2
    while len(current) > 1:
        size = max(1, len(current) // pieces)
        shorter = None
        for start in range(0, len(current), size):
            candidate = current[:start] + current[start + size :]
            if candidate not in known:
                if tries >= most:
                    return Shortest(current, tries, is_minimal=False)
                tries += 1
                known[candidate] = await fails(candidate)
            if known[candidate]:
                shorter = candidate
                break
        if shorter is not None:
            current, pieces = shorter, max(2, pieces - 1)
        elif size == 1:
            break
        else:
            pieces = min(len(current), pieces * 2)
    return Shortest(current, tries, is_minimal=True)
