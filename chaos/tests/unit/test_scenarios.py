"""The catalogue: the same seed gives the same schedule, every fault exists, the whole matrix is there."""

import json

import pytest

from pulse_chaos.command import parse_seeds
from pulse_chaos.invariants import Invariant
from pulse_chaos.sabotage import ACTS
from pulse_chaos.scenarios import LOAD_SECONDS, MATRIX, SABOTAGE, SCENARIOS, SERVERS, SERVICES
from pulse_chaos.schedule import as_json, parse_schedule, squeezed


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_seed_gives_the_same_schedule_for_ever_and_it_can_be_written_down(name) -> None:
    for seed in range(1, 21):
        schedule = SCENARIOS[name].schedule(seed)
        assert schedule == SCENARIOS[name].schedule(seed)
        assert schedule
        assert all(step.fault in ACTS for step in schedule)
        assert all(0 < step.at < LOAD_SECONDS for step in schedule)
        assert parse_schedule(json.dumps(as_json(schedule))) == schedule


def test_other_seeds_give_other_schedules() -> None:
    assert len({SCENARIOS["mixed"].schedule(seed) for seed in range(1, 21)}) == 20


def test_a_seed_means_the_same_in_every_process() -> None:
    (first, second) = SCENARIOS["kill-ingest"].schedule(1)
    assert (first.fault, first.target) == ("kill", "ingest")
    assert (first.at, second.at) == (4.8, 8.63)


def test_every_part_is_killed_and_stopped() -> None:
    for part in (*SERVICES, *SERVERS, "crowd", "workstation"):
        assert {f"kill-{part}", f"freeze-{part}"} <= set(MATRIX)


def test_nothing_that_must_fail_is_in_the_matrix_and_each_says_what_fails() -> None:
    assert all(not SCENARIOS[name].expects and not SCENARIOS[name].environment for name in MATRIX)
    assert all(SCENARIOS[name].expects for name in SABOTAGE)


def test_a_mechanism_is_taken_away_for_all_but_what_follows_from_others() -> None:
    expected = {invariant for name in SABOTAGE for invariant in SCENARIOS[name].expects}
    # A changed value and an unbounded process have no switch: their verdicts are seen failing in test_invariants.
    assert set(Invariant) - expected == {Invariant.NOTHING_FOREIGN, Invariant.BOUNDED_MEMORY}


def test_a_schedule_can_be_squeezed() -> None:
    schedule = SCENARIOS["freeze-ingest"].schedule(1)
    (step,), (short,) = schedule, squeezed(schedule, 0.5)
    assert (short.at, short.lasts) == (round(step.at / 2, 2), round(step.lasts / 2, 2))


@pytest.mark.parametrize("text", ["[1]", '[{"at": 1}]', "{"])
def test_what_is_no_schedule_is_refused(text) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own error, or ours
        parse_schedule(text)


@pytest.mark.parametrize(("text", "seeds"), [("7", [7]), ("1..3", [1, 2, 3])])
def test_seeds_are_one_or_a_range(text, seeds) -> None:
    assert list(parse_seeds(text)) == seeds


@pytest.mark.parametrize("text", ["x", "9..1", "1.5", ""])
def test_what_is_no_seed_is_refused(text) -> None:
    with pytest.raises(ValueError, match="seed"):
        parse_seeds(text)
