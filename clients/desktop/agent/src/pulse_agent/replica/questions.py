"""What to ask the server next, and when: one question at a time, asked again until it is answered.

Pull on connect, on a poke, every interval, and again while there is more; push when there are edits. Between a pull and
the next a waiting push gets its turn. When a snapshot is needed, edits go first. Times are monotonic seconds.
Never does: I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pulse_contracts.sync import PULL_SECONDS

PATIENCE_SECONDS: Final = 10.0
PATIENCE_CEILING_SECONDS: Final = 60.0
TRY_LATER_SECONDS: Final = 5.0
REFUSED_SECONDS: Final = 60.0
LONGEST_DELAY_SECONDS: Final = 300.0
SNAPSHOT_AGAIN_SECONDS: Final = 600.0
"""After a snapshot that did not add up, another one is not asked for sooner."""


class Asking(StrEnum):
    """The two kinds of question."""

    PULL = "pull"
    PUSH = "push"


@dataclass(frozen=True, slots=True)
class Question:
    """One that waits for its answer."""

    kind: Asking
    request: str
    expires_at: float


class Questions:
    """The timetable of one connection after the other."""

    def __init__(self) -> None:
        self.interval = PULL_SECONDS
        self.open: Question | None = None
        self.poked = 0
        self._is_connected = False
        self._attempts = 0
        self._wants_pull = False
        self._pull_due = 0.0
        self._not_before = {Asking.PULL: 0.0, Asking.PUSH: 0.0}
        self._snapshot_not_before = 0.0
        self._pulled_last = False

    @property
    def is_connected(self) -> bool:
        """Whether anything can be asked."""
        return self._is_connected

    def connected(self, now: float) -> None:
        """Ask for what is new at once."""
        self._is_connected = True
        self._wants_pull, self._pulled_last = True, False
        self._attempts = 0
        self._not_before = dict.fromkeys(Asking, now)

    def disconnected(self) -> None:
        """Whatever was asked will not be answered."""
        self._is_connected = False
        self.open = None

    def want_pull(self) -> None:
        """Pull at the next turn."""
        self._wants_pull = True

    def may_snapshot(self, now: float) -> bool:
        """Tell whether a snapshot may be asked for yet."""
        return now >= self._snapshot_not_before

    def put_off_snapshot(self, now: float) -> None:
        """Ask for no snapshot for a while."""
        self._snapshot_not_before = now + SNAPSHOT_AGAIN_SECONDS

    def next_kind(self, now: float, *, has_edits: bool, has_walk: bool, needs_snapshot: bool) -> Asking | None:
        """Return what to ask now; None while a question is open or nothing is due."""
        self._expire(now)
        if not self._is_connected or self.open is not None:
            return None
        wants_snapshot = needs_snapshot and self.may_snapshot(now)
        is_pull_due = has_walk or self._wants_pull or wants_snapshot or now >= self._pull_due
        may_push = has_edits and now >= self._not_before[Asking.PUSH]
        if may_push and not has_walk and (wants_snapshot or self._pulled_last or not is_pull_due):
            return Asking.PUSH
        return Asking.PULL if is_pull_due and now >= self._not_before[Asking.PULL] else None

    def ask(self, kind: Asking, request: str, now: float) -> None:
        """Note a question as asked."""
        patience = min(PATIENCE_CEILING_SECONDS, PATIENCE_SECONDS * 2**self._attempts)
        self.open = Question(kind, request, now + patience)
        if kind is Asking.PULL:
            self._wants_pull = False
        else:
            self._pulled_last = False

    def answered(self) -> None:
        """The open question has its answer."""
        self.open = None
        self._attempts = 0

    def pulled(self, now: float) -> None:
        """A pull came to its end."""
        self._pulled_last = True
        self._pull_due = now + self.interval

    def put_off(self, kind: Asking, seconds: float, now: float) -> None:
        """Ask this kind of question no sooner."""
        self._not_before[kind] = now + min(seconds, LONGEST_DELAY_SECONDS)

    def due_at(self, now: float, *, has_edits: bool, has_walk: bool, needs_snapshot: bool) -> float | None:
        """Return when to look again; None while not connected."""
        if not self._is_connected:
            return None
        if self.open is not None:
            return self.open.expires_at
        times = [max(self._pull_due, self._not_before[Asking.PULL])]
        if has_walk or self._wants_pull:
            times.append(self._not_before[Asking.PULL])
        if needs_snapshot:
            times.append(max(self._snapshot_not_before, self._not_before[Asking.PULL]))
        if has_edits:
            times.append(self._not_before[Asking.PUSH])
        return max(now, min(times))

    def _expire(self, now: float) -> None:
        if self.open is not None and now >= self.open.expires_at:
            if self.open.kind is Asking.PULL:
                self._wants_pull = True
            self.open = None
            self._attempts = min(self._attempts + 1, 8)
