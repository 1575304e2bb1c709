"""Questions that come while a statement is on its way are the next statement: one for all of them.

Guaranteed: a question is never answered by a statement that began before it was asked; one that cannot be asked (text
that no database takes) fails by itself. No timer: who asks alone is asked for at once. What waits is bounded by who
asks, the desks of `messaging.desktop_link`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from typing import Final, Generic, TypeVar

from pulse_chassis.errors import UnavailableError

MAX_TOGETHER: Final = 64
Q = TypeVar("Q")
A = TypeVar("A")


class Gathered(Generic[Q, A]):
    """Asks `ask` for several at once; it returns an answer for each, in their order. `at_once` statements at a time."""

    def __init__(self, ask: Callable[[Sequence[Q]], Awaitable[Sequence[A]]], *, at_once: int = 1) -> None:
        self._ask = ask
        self._at_once = at_once
        self._waiting: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._active = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, question: Q) -> A:
        """Return the answer; raises what asking raised."""
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._active < self._at_once:
            self._active += 1
            task = asyncio.create_task(self._run(), name="gathered")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def _run(self) -> None:
        try:
            while self._waiting:
                count = min(MAX_TOGETHER, len(self._waiting))
                await self._settle([self._waiting.popleft() for _ in range(count)])
        finally:
            self._active -= 1

    async def _settle(self, asked: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        questions = [question for question, answer in asked if not answer.done()]
        waiting = [answer for _, answer in asked if not answer.done()]
        if not questions:
            return
        try:
            answers = await self._ask(questions)
        except UnavailableError as error:
            _fail(waiting, error)
        except Exception as error:  # noqa: BLE001 -- whoever asked gets it; others must not
            if len(questions) == 1:
                _fail(waiting, error)
                return
            for one in zip(questions, waiting, strict=True):
                await self._settle([one])
        else:
            for waits, answer in zip(waiting, answers, strict=True):
                if not waits.done():
                    waits.set_result(answer)


def in_rounds(questions: Sequence[Q], key: Callable[[Q], Hashable]) -> Iterator[list[Q]]:
    """Split questions so that no part has two of the same key, in order: a statement writes a row once."""
    rest = list(questions)
    while rest:
        first: dict[Hashable, Q] = {}
        later = [question for question in rest if first.setdefault(key(question), question) is not question]
        yield list(first.values())
        rest = later


def _fail(waiting: Sequence[asyncio.Future[A]], error: Exception) -> None:
    for answer in waiting:
        if not answer.done():
            answer.set_exception(error)
