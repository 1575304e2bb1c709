"""The line to the agent: greeting, answers, what happens when it breaks, and who is not talked to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from pulse_contracts.local_people import PageParams, Users
from pulse_contracts.local_protocol import ErrorBody, ErrorCode, EventName, RefusalCode, Refused
from pulse_desktop.link import scripted_world as world
from pulse_desktop.link.keeper import AgentKeeper
from pulse_desktop.link.link import MAX_WAITING_REQUESTS, Intent, Link
from pulse_desktop.link.mailbox import Answer, Mailbox, Post, Told
from pulse_desktop.link.scripted_agent import ScriptedAgent
from pulse_desktop.link.state import LinkPhase, LinkState


class Listener:
    """A link on this loop; `posts` are all that came."""

    def __init__(self, data: Path) -> None:
        self.posts: list[Post] = []
        self.mailbox = Mailbox(lambda: None)
        self.link = Link(data, AgentKeeper([], data, time.monotonic), self.mailbox, "1")
        self.task = asyncio.create_task(self.link.run())

    async def until(self, condition: Callable[[Post], bool]) -> Post:
        async with asyncio.timeout(60):
            while True:
                self.posts += self.mailbox.take()
                for post in self.posts:
                    if condition(post):
                        return post
                await asyncio.sleep(0.01)

    async def phase(self, phase: LinkPhase) -> LinkState:
        found = await self.until(lambda post: isinstance(post, LinkState) and post.phase is phase)
        assert isinstance(found, LinkState)
        self.posts = [post for post in self.posts if post is not found]
        return found

    async def answer(self, ticket: int) -> Answer:
        found = await self.until(lambda post: isinstance(post, Answer) and post.ticket == ticket)
        assert isinstance(found, Answer)
        return found


@pytest.fixture
async def listener(tmp_path: Path) -> AsyncIterator[Listener]:
    listener = Listener(tmp_path)
    yield listener
    listener.link.stop()
    await asyncio.wait_for(listener.task, 60)


def users(ticket: int) -> Intent:
    return Intent(ticket, "users.list", PageParams())


async def test_an_intent_goes_up_and_a_model_comes_down(listener: Listener, tmp_path: Path) -> None:
    with ScriptedAgent(tmp_path, world.status(), world.answers()):
        await listener.phase(LinkPhase.CONNECTED)
        listener.link.ask(users(5))
        assert (await listener.answer(5)).outcome == world.users()
        state = await listener.until(lambda post: isinstance(post, Told) and post.name is EventName.STATE)
        assert isinstance(state, Told)
        assert state.data == world.status()


async def test_more_requests_than_the_agent_takes_wait_their_turn(listener: Listener, tmp_path: Path) -> None:
    with ScriptedAgent(tmp_path, world.status(), world.answers()):
        await listener.phase(LinkPhase.CONNECTED)
        for ticket in range(1, 50):
            listener.link.ask(users(ticket))
        answers = [await listener.answer(ticket) for ticket in range(1, 50)]
        assert all(isinstance(answer.outcome, Users) for answer in answers)


async def test_before_the_agent_is_there_requests_wait_and_one_too_many_is_busy(
    listener: Listener, tmp_path: Path
) -> None:
    await listener.phase(LinkPhase.STARTING)
    for ticket in range(1, MAX_WAITING_REQUESTS + 2):
        listener.link.ask(users(ticket))
    last = await listener.answer(MAX_WAITING_REQUESTS + 1)
    assert isinstance(last.outcome, ErrorBody)
    assert last.outcome.code == ErrorCode.BUSY
    with ScriptedAgent(tmp_path, world.status(), world.answers()):
        assert (await listener.answer(MAX_WAITING_REQUESTS)).outcome == world.users()


async def test_a_line_that_breaks_is_told_open_requests_end_and_it_comes_back(
    listener: Listener, tmp_path: Path
) -> None:
    with ScriptedAgent(tmp_path, world.status(), world.answers()) as agent:
        await listener.phase(LinkPhase.CONNECTED)
        agent.hang_up()
        await listener.phase(LinkPhase.LOST)
        await listener.phase(LinkPhase.CONNECTED)
        listener.link.ask(users(9))
        assert (await listener.answer(9)).outcome == world.users()


async def test_without_a_line_a_request_is_answered_unavailable(listener: Listener, tmp_path: Path) -> None:
    with ScriptedAgent(tmp_path, world.status(), world.answers()):
        await listener.phase(LinkPhase.CONNECTED)
    await listener.phase(LinkPhase.LOST)
    listener.link.ask(users(3))
    outcome = (await listener.answer(3)).outcome
    assert isinstance(outcome, ErrorBody)
    assert outcome.code == ErrorCode.UNAVAILABLE


async def test_an_agent_of_another_version_is_said_to_be_one(listener: Listener, tmp_path: Path) -> None:
    with ScriptedAgent(tmp_path, world.status(), world.answers()) as agent:
        agent.refusal = Refused(code=RefusalCode.VERSION, message="this agent speaks 7", versions=[7])
        agent.hang_up()
        state = await listener.phase(LinkPhase.INCOMPATIBLE)
        assert state.detail == "this agent speaks 7"


async def test_an_error_of_the_agent_is_an_answer(listener: Listener, tmp_path: Path) -> None:
    missing = ErrorBody(code=ErrorCode.PERMISSION_MISSING, message="this needs users:read")
    with ScriptedAgent(tmp_path, world.status(), world.answers(users__list=missing)):
        await listener.phase(LinkPhase.CONNECTED)
        listener.link.ask(users(1))
        assert (await listener.answer(1)).outcome == missing
        listener.link.ask(Intent(2, "agent.restart", None))
        outcome = (await listener.answer(2)).outcome
        assert isinstance(outcome, ErrorBody)
        assert outcome.code == ErrorCode.UNKNOWN_METHOD
