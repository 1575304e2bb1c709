"""RangeSet against Python's own sets."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pulse_agent.domain.ranges import RangeSet

SPANS = st.tuples(st.integers(0, 40), st.integers(-2, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))
STEPS = st.lists(st.tuples(st.booleans(), SPANS), max_size=25)


@given(STEPS, SPANS)
def test_adding_and_removing_ranges_equals_sets_of_integers(
    steps: list[tuple[bool, tuple[int, int]]], look: tuple[int, int]
) -> None:
    ranges, model = RangeSet(), set[int]()
    for is_add, (low, high) in steps:
        numbers = set(range(low, high + 1))
        if is_add:
            ranges.add(low, high)
            model |= numbers
        else:
            assert ranges.remove(low, high) == len(model & numbers)
            model -= numbers
        pairs = list(ranges)
        assert {n for a, b in pairs for n in range(a, b + 1)} == model
        assert all(before[1] + 1 < after[0] for before, after in pairwise(pairs))
        assert ranges.total == len(model)
    within = {n for a, b in ranges.within(*look) for n in range(a, b + 1)}
    assert within == model & set(range(look[0], look[1] + 1))


def test_pop_first_is_cut_to_the_limit() -> None:
    ranges = RangeSet([(5, 9), (20, 30)])
    assert ranges.pop_first(3) == (5, 7)
    assert ranges.pop_first(100) == (8, 9)
    assert 20 in ranges
    assert 31 not in ranges
