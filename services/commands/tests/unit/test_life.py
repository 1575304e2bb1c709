"""A command's life as a state machine: whatever is reported, in whatever order, and whatever the service decides."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pulse_commands.domain.life import MAX_PROGRESS_STEPS, NEW, Life, Word, cancel, expire, give_up, hear, publish
from pulse_contracts.commands import ENDED, CommandState

REPORTED = [
    CommandState.RECEIVED,
    CommandState.STARTED,
    CommandState.SUCCEEDED,
    CommandState.FAILED,
    CommandState.REJECTED,
    CommandState.EXPIRED,
    CommandState.UNKNOWN,
]
words = st.builds(
    Word,
    st.sampled_from(REPORTED),
    st.integers(0, 20),
    st.none() | st.floats(0, 1),
    st.none() | st.sampled_from(["a", "b"]),
)


class ACommandsLife(RuleBasedStateMachine):
    """Any words and decisions, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.life = NEW
        self.before = NEW
        self.was_published = False

    def become(self, life: Life | None) -> None:
        self.before = self.life
        if life is not None:
            self.life = life

    @rule(word=words)
    def hears(self, word: Word) -> None:
        said = hear(self.life, word)
        assert said != self.life
        if said is not None:
            assert hear(said, word) is None, "the same word twice says nothing new"
        self.become(said)

    @rule()
    def is_published(self) -> None:
        told = publish(self.life)
        assert told is None or not self.was_published
        self.was_published = self.was_published or told is not None
        self.become(told)

    @rule()
    def is_cancelled(self) -> None:
        told = cancel(self.life)
        assert told is None or not self.was_published, "what was published may run: it cannot be taken back"
        self.become(told)

    @rule()
    def expires(self) -> None:
        told = expire(self.life)
        assert told is None or not self.was_published
        self.become(told)

    @rule()
    def is_given_up(self) -> None:
        self.become(give_up(self.life))

    @invariant()
    def never_goes_back(self) -> None:
        assert self.life.rank >= self.before.rank

    @invariant()
    def an_end_is_final_but_for_unknown(self) -> None:
        if self.before.has_ended and self.before.state is not CommandState.UNKNOWN:
            assert self.life == self.before

    @invariant()
    def what_started_never_counts_as_what_never_ran(self) -> None:
        if self.life.has_started:
            assert self.life.state not in {CommandState.REJECTED, CommandState.EXPIRED, CommandState.CANCELLED}

    @invariant()
    def progress_grows_and_only_while_it_runs(self) -> None:
        if self.life.progress is not None:
            assert self.life.has_started
        if self.before.progress is not None:
            assert self.life.progress is not None
            assert self.life.progress >= self.before.progress
        if self.life.progress != self.before.progress:
            assert self.life.state is CommandState.STARTED


TestACommandsLife = ACommandsLife.TestCase
TestACommandsLife.settings = settings(max_examples=60, stateful_step_count=25)

HONEST = [
    [Word(CommandState.RECEIVED, 1), Word(CommandState.STARTED, 2), Word(CommandState.SUCCEEDED, 5)],
    [
        Word(CommandState.RECEIVED, 1),
        Word(CommandState.STARTED, 2),
        Word(CommandState.STARTED, 3, 0.3),
        Word(CommandState.STARTED, 4, 0.7, "soon"),
        Word(CommandState.FAILED, 5),
    ],
    [Word(CommandState.RECEIVED, 1), Word(CommandState.REJECTED, 2)],
    [Word(CommandState.EXPIRED, 1)],
    [Word(CommandState.RECEIVED, 1), Word(CommandState.STARTED, 2), Word(CommandState.UNKNOWN, 9)],
]


@given(st.sampled_from(HONEST), st.data())
def test_however_an_honest_devices_words_are_lost_doubled_and_mixed_the_last_one_decides(honest, data):
    told = data.draw(st.lists(st.sampled_from(honest), max_size=12))
    told.insert(data.draw(st.integers(0, len(told))), honest[-1])
    gives_up_at = data.draw(st.integers(0, 20))
    life = publish(NEW) or NEW
    for place, word in enumerate(told):
        if place == gives_up_at:
            life = give_up(life) or life
        life = hear(life, word) or life
    assert life.state is honest[-1].state
    assert life.is_settled


@pytest.mark.parametrize("end", sorted(ENDED))
def test_only_what_waits_can_be_cancelled_or_expire(end):
    published = publish(NEW)
    assert published is not None
    later = [published, *(replace(published, state=s) for s in (CommandState.RECEIVED, CommandState.STARTED, end))]
    assert [cancel(life) for life in later] == [None] * 4
    assert [expire(life) for life in later] == [None] * 4
    assert cancel(NEW) is not None


def test_an_unknown_command_is_corrected_by_the_device_once():
    life = give_up(publish(NEW) or NEW)
    assert life is not None
    assert not life.is_settled
    assert hear(life, Word(CommandState.RECEIVED, 1)) is None
    told = hear(life, Word(CommandState.UNKNOWN, 2, message="died in between"))
    assert told is not None
    assert told.is_settled
    corrected = hear(told, Word(CommandState.SUCCEEDED, 3))
    assert corrected is not None
    assert corrected.state is CommandState.SUCCEEDED
    assert all(hear(corrected, Word(state, 4)) is None for state in REPORTED)


def test_progress_that_a_flood_would_write_is_bounded():
    life = hear(publish(NEW) or NEW, Word(CommandState.STARTED, 0))
    for n in itertools.count(1):
        assert life is not None
        further = hear(life, Word(CommandState.STARTED, n, n / 10_000))
        if further is None:
            break
        life = further
    assert life.progress_steps == MAX_PROGRESS_STEPS
    assert hear(life, Word(CommandState.SUCCEEDED, n)) is not None
