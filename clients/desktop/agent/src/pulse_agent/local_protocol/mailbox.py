"""What waits to be written to one window: answers, and events that a slow window gets fewer of.

Guarantees: bounded. Answers are at most as many as requests may be open. Events are held by the policy that
`pulse_contracts.local_protocol.EVENTS` names: the newest wins, they merge, or the oldest goes and is counted.
Never does: wait for the window.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any

from pulse_contracts.local_protocol import EVENTS, EventName, Overflow


@dataclass(frozen=True, slots=True)
class Line:
    """A line to be written before any event."""

    line: bytes
    is_answer: bool


class Mailbox:
    """One window's."""

    def __init__(self) -> None:
        self._lines: deque[Line] = deque()
        self._single: dict[EventName, dict[str, Any]] = {}
        self._lists: dict[EventName, deque[dict[str, Any]]] = {}
        self._dropped: dict[EventName, int] = {}
        self._filled = asyncio.Event()
        self._is_closed = False

    def say(self, line: bytes) -> None:
        """Have a line written that answers no call."""
        self._lines.append(Line(line, is_answer=False))
        self._filled.set()

    def answer(self, line: bytes) -> None:
        """Have the answer to a call written."""
        self._lines.append(Line(line, is_answer=True))
        self._filled.set()

    def post(self, name: EventName, data: dict[str, Any]) -> None:
        """Have an event written, or let it take part in the one that waits."""
        spec = EVENTS[name]
        match spec.overflow:
            case Overflow.NEWEST_WINS:
                self._single[name] = data
            case Overflow.MERGED:
                waiting = self._single.get(name)
                self._single[name] = data if waiting is None else _merged(waiting, data)
            case Overflow.DROP_OLDEST:
                waiting_list = self._lists.setdefault(name, deque())
                if len(waiting_list) >= spec.bound:
                    waiting_list.popleft()
                    self._dropped[name] = self._dropped.get(name, 0) + 1
                waiting_list.append(data)
        self._filled.set()

    def dropped(self, name: EventName) -> int:
        """Return how many events of this name were dropped since the last call."""
        return self._dropped.pop(name, 0)

    def close(self) -> None:
        """Nothing more will come: `take` ends when all is taken."""
        self._is_closed = True
        self._filled.set()

    async def take(self) -> list[Line | tuple[EventName, dict[str, Any]]]:
        """Return what waits, answers first, as soon as there is something; nothing: closed and empty."""
        await self._filled.wait()
        taken: list[Line | tuple[EventName, dict[str, Any]]] = list(self._lines)
        self._lines.clear()
        for name, waiting in self._lists.items():
            taken.extend((name, data) for data in waiting)
        taken.extend(self._single.items())
        self._lists.clear()
        self._single.clear()
        if not self._is_closed:
            self._filled.clear()
        return taken


def _merged(waiting: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """Return one event that says what both do: mappings by their newest values, lists as the set of all."""
    result = dict(waiting)
    for key, value in data.items():
        before = waiting.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            result[key] = {**before, **value}
        elif isinstance(value, list) and isinstance(before, list):
            result[key] = sorted({*before, *value})
        else:
            result[key] = value
    return result
