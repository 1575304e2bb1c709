"""Questions are put together, answered by a statement of after they were asked, and fail by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from pulse_chassis.errors import UnavailableError
from pulse_sync.storage.gathering import MAX_TOGETHER, Gathered, in_rounds


class Asked:
    """A database that answers when it is let, with its time of then."""

    def __init__(self) -> None:
        self.statements: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_away = False

    async def __call__(self, questions: Sequence[int]) -> list[str]:
        self.statements.append(list(questions))
        began = len(self.statements)
        await self.gate.wait()
        if self.is_away:
            raise UnavailableError("away")
        if -1 in questions:
            raise ValueError("no database takes this")
        return [f"{question} in {began}" for question in questions]


async def test_who_asks_alone_is_asked_for_at_once() -> None:
    asked = Asked()
    ask = Gathered(asked)
    assert await ask(1) == "1 in 1"
    assert await ask(2) == "2 in 2"


async def test_what_comes_while_a_statement_is_on_its_way_is_the_next_statement() -> None:
    asked = Asked()
    ask = Gathered(asked)
    asked.gate.clear()
    first = asyncio.create_task(ask(1))
    while not asked.statements:
        await asyncio.sleep(0)
    rest = [asyncio.create_task(ask(n)) for n in range(2, 5 + MAX_TOGETHER)]
    await asyncio.sleep(0)
    asked.gate.set()
    assert await first == "1 in 1"
    answers = await asyncio.gather(*rest)
    assert [len(statement) for statement in asked.statements] == [1, MAX_TOGETHER, 3]
    assert answers[0] == "2 in 2"
    assert answers[-1] == f"{4 + MAX_TOGETHER} in 3"


async def test_a_question_that_cannot_be_asked_fails_by_itself() -> None:
    ask = Gathered(Asked())
    answers = await asyncio.gather(ask(1), ask(-1), ask(3), return_exceptions=True)
    assert isinstance(answers[1], ValueError)
    assert [str(answers[0]).split()[0], str(answers[2]).split()[0]] == ["1", "3"]


async def test_an_outage_is_everybodys_and_is_asked_once() -> None:
    asked = Asked()
    asked.is_away = True
    ask = Gathered(asked)
    answers = await asyncio.gather(*(ask(n) for n in range(5)), return_exceptions=True)
    assert all(isinstance(answer, UnavailableError) for answer in answers)
    assert len(asked.statements) == 1
    asked.is_away = False
    assert (await ask(7)).startswith("7")


async def test_who_waits_no_more_is_not_asked_for() -> None:
    asked = Asked()
    ask = Gathered(asked)
    asked.gate.clear()
    first = asyncio.create_task(ask(1))
    while not asked.statements:
        await asyncio.sleep(0)
    second, third = asyncio.create_task(ask(2)), asyncio.create_task(ask(3))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    asked.gate.set()
    assert await first == "1 in 1"
    assert await third == "3 in 2"
    assert asked.statements == [[1], [3]]


async def test_no_more_statements_at_a_time_than_were_allowed() -> None:
    asked = Asked()
    ask = Gathered(asked, at_once=2)
    asked.gate.clear()
    tasks = []
    for n in range(4):
        tasks.append(asyncio.create_task(ask(n)))
        for _ in range(5):
            await asyncio.sleep(0)
    assert asked.statements == [[0], [1]]
    asked.gate.set()
    await asyncio.gather(*tasks)
    assert sorted(n for statement in asked.statements for n in statement) == [0, 1, 2, 3]


def test_a_round_has_each_key_once_and_order_is_kept() -> None:
    rounds = list(in_rounds([("a", 1), ("b", 1), ("a", 2), ("a", 3), ("b", 2)], lambda question: question[0]))
    assert rounds == [[("a", 1), ("b", 1)], [("a", 2), ("b", 2)], [("a", 3)]]
