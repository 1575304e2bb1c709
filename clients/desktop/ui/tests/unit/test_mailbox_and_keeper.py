"""What waits for the window is bounded; the agent's process is started, seen to die, and started again ever more slowly."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pulse_contracts.local_people import WhoAmI
from pulse_contracts.local_protocol import Changed, EventName, LogEvent
from pulse_contracts.local_status import Done
from pulse_desktop.link import scripted_world as world
from pulse_desktop.link.keeper import AgentKeeper
from pulse_desktop.link.mailbox import MAX_WAITING, Answer, Mailbox, Told
from pulse_desktop.link.state import LinkPhase, LinkState


def test_states_are_conflated_changes_merged_and_the_oldest_records_dropped() -> None:
    woken: list[bool] = []
    mailbox = Mailbox(lambda: woken.append(True))
    for readings in range(3):
        mailbox.put(Told(EventName.STATE, world.offline(readings)))
        mailbox.put(Told(EventName.CHANGED, Changed(entities=["users", f"list-{readings}"])))
    mailbox.put(Told(EventName.READING, world.latest(1)))
    mailbox.put(Told(EventName.READING, world.latest(2)))
    for number in range(MAX_WAITING + 5):
        mailbox.put(Told(EventName.LOG, LogEvent(records=[], dropped=number)))
    mailbox.put(Answer(7, Done()))
    mailbox.put(LinkState(LinkPhase.CONNECTED, 1.0))
    posts = mailbox.take()
    assert woken == [True]
    assert isinstance(posts[0], LinkState)
    assert posts[1] == Answer(7, Done())
    by_name: dict[EventName, list[Told]] = {}
    for post in posts:
        if isinstance(post, Told):
            by_name.setdefault(post.name, []).append(post)
    assert [told.data for told in by_name[EventName.STATE]] == [world.offline(2)]
    assert [told.data for told in by_name[EventName.CHANGED]] == [
        Changed(entities=["list-0", "list-1", "list-2", "users"])
    ]
    assert [told.data for told in by_name[EventName.READING]] == [world.latest(2)]
    assert len(by_name[EventName.LOG]) == MAX_WAITING
    assert mailbox.take() == []


def test_it_wakes_again_only_after_it_was_emptied() -> None:
    woken: list[bool] = []
    mailbox = Mailbox(lambda: woken.append(True))
    who = Told(EventName.SESSION, WhoAmI())
    mailbox.put(who)
    mailbox.put(who)
    mailbox.take()
    mailbox.put(who)
    assert len(woken) == 2


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def failing(tmp_path: Path, clock: Clock) -> AgentKeeper:
    script = "import sys; print('│ the disk is gone │'); print('╰──╯'); sys.exit(1)"
    return AgentKeeper([sys.executable, "-c", script], tmp_path, clock)


def test_an_agent_that_dies_at_once_is_started_ever_more_slowly(tmp_path: Path, clock: Clock) -> None:
    keeper = failing(tmp_path, clock)
    waits = []
    for _ in range(8):
        assert keeper.start_if_due()
        until(keeper.look)
        assert not keeper.start_if_due()
        waits.append(keeper.seconds_to_start)
        clock.now += waits[-1] or 0
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert (keeper.exit_code, keeper.starts) == (1, 8)
    assert keeper.last_words() == "the disk is gone"


def test_an_agent_that_ran_well_is_started_again_at_once(tmp_path: Path, clock: Clock) -> None:
    keeper = failing(tmp_path, clock)
    keeper.start_if_due()
    clock.now += 3600
    until(keeper.look)
    assert keeper.seconds_to_start == 0


def test_a_program_that_is_not_there_is_tried_again_later(tmp_path: Path, clock: Clock) -> None:
    keeper = AgentKeeper([str(tmp_path / "no-agent")], tmp_path, clock)
    with pytest.raises(OSError, match="no-agent"):
        keeper.start_if_due()
    assert keeper.seconds_to_start == 1


def test_a_window_that_starts_no_agent_starts_none(tmp_path: Path, clock: Clock) -> None:
    keeper = AgentKeeper([], tmp_path, clock)
    assert not keeper.start_if_due()
    assert keeper.seconds_to_start is None
    assert keeper.last_words() == ""
