"""A command's life: which step follows which, whatever is reported, how often and in which order.

    queued → published → received → started → succeeded | failed | rejected | expired | cancelled | unknown

Guaranteed: a state never moves backwards; a report that says nothing new changes nothing, so duplicates and late ones are
harmless; the end is final, but for `unknown`, which the device's later word on the end corrects; progress counts only
while the command runs; once it started, no word makes it a command that never ran.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pulse_contracts.commands import ENDED, CommandState

MAX_PROGRESS_STEPS: Final = 500
"""Steps of progress that one command may add to its history; what comes beyond is not kept."""

_RANK: Final = {
    CommandState.QUEUED: 0,
    CommandState.PUBLISHED: 1,
    CommandState.RECEIVED: 2,
    CommandState.STARTED: 3,
}
_ENDED_RANK: Final = 4
_ENDS_OF_A_RUN: Final = frozenset({CommandState.SUCCEEDED, CommandState.FAILED, CommandState.UNKNOWN})
_CORRECTIONS: Final = frozenset(
    {CommandState.SUCCEEDED, CommandState.FAILED, CommandState.REJECTED, CommandState.EXPIRED}
)
OPEN: Final = tuple(_RANK)
"""The states that are not an end, in their order."""


@dataclass(frozen=True, slots=True)
class Life:
    """Where a command is. `told_at_ms` is the device's time of its newest word that counted."""

    state: CommandState
    has_started: bool = False
    progress: float | None = None
    message: str | None = None
    told_at_ms: int | None = None
    progress_steps: int = 0
    is_settled: bool = False
    """The device has said how it ended: nothing is left to be asked."""

    @property
    def has_ended(self) -> bool:
        """Whether it is over, as far as anybody knows."""
        return self.state in ENDED

    @property
    def rank(self) -> int:
        """How far it is; never gets smaller."""
        return _RANK.get(self.state, _ENDED_RANK)


NEW: Final = Life(CommandState.QUEUED)


@dataclass(frozen=True, slots=True)
class Word:
    """What a device says of one command, by its own clock."""

    state: CommandState
    at_ms: int
    progress: float | None = None
    message: str | None = None


def hear(life: Life, word: Word) -> Life | None:
    """Return the life after a device's word; None when the word says nothing that counts."""
    if word.state is CommandState.STARTED and life.state is CommandState.STARTED:
        return _progressed(life, word)
    if life.has_ended:
        return _corrected(life, word)
    if word.state in ENDED:
        return _ended(life, word)
    if _RANK[word.state] <= life.rank:
        return None
    is_start = word.state is CommandState.STARTED
    progress = word.progress if is_start else None
    said = replace(life, state=word.state, message=word.message, told_at_ms=word.at_ms)
    return replace(said, has_started=is_start, progress=progress)


def publish(life: Life) -> Life | None:
    """Hand it to the broker for the first time; None when that was done before."""
    return replace(life, state=CommandState.PUBLISHED) if life.state is CommandState.QUEUED else None


def cancel(life: Life) -> Life | None:
    """Take it back; None when it may be on its way: what was published may run, whatever anybody wishes."""
    return _closed(life, CommandState.CANCELLED) if life.state is CommandState.QUEUED else None


def expire(life: Life) -> Life | None:
    """End what was never published and is no longer good; None otherwise."""
    return _closed(life, CommandState.EXPIRED) if life.state is CommandState.QUEUED else None


def give_up(life: Life) -> Life | None:
    """Say that nobody knows: the device has not said how it ended. None when it was not on its way."""
    is_on_its_way = not life.has_ended and life.state is not CommandState.QUEUED
    return replace(life, state=CommandState.UNKNOWN, message=None) if is_on_its_way else None


def _closed(life: Life, state: CommandState) -> Life:
    return replace(life, state=state, is_settled=True)


def _ended(life: Life, word: Word) -> Life | None:
    if life.has_started and word.state not in _ENDS_OF_A_RUN:
        return None  # Whoever forgot that it ran cannot say that it never did.
    return replace(life, state=word.state, message=word.message, told_at_ms=word.at_ms, is_settled=True)


def _corrected(life: Life, word: Word) -> Life | None:
    is_first_word = word.state is CommandState.UNKNOWN and not life.is_settled
    if life.state is not CommandState.UNKNOWN or not (is_first_word or word.state in _CORRECTIONS):
        return None
    return _ended(life, word)


def _progressed(life: Life, word: Word) -> Life | None:
    held = life.progress if life.progress is not None else -1.0
    told = word.progress if word.progress is not None else held
    is_newer = life.told_at_ms is None or word.at_ms > life.told_at_ms
    has_news = told > held or (told == held and is_newer and word.message not in {None, life.message})
    if not has_news or life.progress_steps >= MAX_PROGRESS_STEPS:
        return None
    return replace(
        life,
        progress=word.progress if word.progress is not None else life.progress,
        message=word.message if word.message is not None else life.message,
        told_at_ms=max(word.at_ms, life.told_at_ms or 0),
        progress_steps=life.progress_steps + 1,
    )
