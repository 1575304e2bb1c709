"""What waits for the window's thread: bounded, so that a window that hangs costs no memory.

Overflow: states, progress, sessions and updates, newest wins; readings and changes, merged; notices, log records and steps,
drop oldest (256); the line's states, drop oldest (16), each phase kept, as a line that was lost for a moment has lost its
session; answers are at most as many as there may be open requests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from pydantic import BaseModel

from pulse_contracts.local_protocol import Changed, ErrorBody, EventName
from pulse_contracts.local_status import Latest
from pulse_desktop.link.state import LinkState

MAX_WAITING: Final = 256
MAX_LINK_STATES: Final = 16
_NEWEST_WINS: Final = frozenset({EventName.STATE, EventName.PROGRESS, EventName.SESSION, EventName.UPDATE})


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of the request `ticket`."""

    ticket: int
    outcome: BaseModel | ErrorBody


@dataclass(frozen=True, slots=True)
class Told:
    """An event of the agent."""

    name: EventName
    data: BaseModel


Post = LinkState | Answer | Told


@dataclass(slots=True)
class Mailbox:
    """Filled by the link's thread, emptied by the window's. `wake` is called when the first post comes in."""

    wake: Callable[[], None]
    _links: deque[LinkState] = field(default_factory=lambda: deque(maxlen=MAX_LINK_STATES))
    _newest: dict[EventName, Told] = field(default_factory=dict)
    _readings: dict[str, object] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)
    _queue: deque[Told] = field(default_factory=lambda: deque(maxlen=MAX_WAITING))
    _answers: list[Answer] = field(default_factory=list)
    _is_awake: bool = False
    _lock: Lock = field(default_factory=Lock)

    def put(self, post: Post) -> None:
        """Take a post, from the link's thread."""
        with self._lock:
            self._sort_in(post)
            must_wake, self._is_awake = not self._is_awake, True
        if must_wake:
            self.wake()

    def take(self) -> list[Post]:
        """Return all there is and leave the box empty; the line's state first, answers before later events."""
        with self._lock:
            self._is_awake = False
            posts: list[Post] = list(self._links)
            posts += self._answers
            posts += self._newest.values()
            if self._readings:
                posts.append(Told(EventName.READING, Latest.model_validate({"values": self._readings})))
            if self._changed:
                posts.append(Told(EventName.CHANGED, Changed(entities=sorted(self._changed))))
            posts += self._queue
            self._links.clear()
            self._answers, self._newest, self._readings, self._changed = [], {}, {}, set()
            self._queue.clear()
        return posts

    def _sort_in(self, post: Post) -> None:
        match post:
            case LinkState():
                if self._links and self._links[-1].phase is post.phase:
                    self._links.pop()
                self._links.append(post)
            case Answer():
                self._answers.append(post)
            case Told(data=Latest() as latest):
                self._readings.update(latest.values)
            case Told(data=Changed() as changed):
                self._changed.update(changed.entities)
            case Told(name=name) if name in _NEWEST_WINS:
                self._newest[name] = post
            case _:
                self._queue.append(post)
