"""The range algebra, against sets of integers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_ingest.domain.ranges import Ranges

span = st.integers(0, 60).flatmap(lambda low: st.tuples(st.just(low), st.integers(low, low + 12)))
ranges = st.lists(span, max_size=8).map(Ranges.from_any)


def members(value: Ranges) -> set[int]:
    return {number for low, high in value for number in range(low, high + 1)}


@given(ranges, ranges)
def test_union_intersection_and_difference_are_those_of_sets(a: Ranges, b: Ranges) -> None:
    assert members(a | b) == members(a) | members(b)
    assert members(a & b) == members(a) & members(b)
    assert members(a - b) == members(a) - members(b)


@given(ranges, ranges)
def test_equal_sets_are_equal_values(a: Ranges, b: Ranges) -> None:
    assert (members(a) == members(b)) == (a == b)
    assert (a - b) | (a & b) == a


@given(ranges)
def test_spans_are_ascending_and_never_touch(a: Ranges) -> None:
    assert all(high + 1 < low for (_, high), (low, _) in zip(a.spans, a.spans[1:], strict=False))


@given(ranges)
def test_count_highest_and_membership_are_those_of_the_set(a: Ranges) -> None:
    found = members(a)
    assert a.count == len(found)
    assert a.highest == max(found, default=None)
    assert bool(a) == bool(found)
    assert all((number in a) == (number in found) for number in range(80))


@given(ranges)
def test_prefix_is_the_longest_run_from_one(a: Ranges) -> None:
    expected = 0
    while expected + 1 in members(a):
        expected += 1
    assert a.prefix_from_one() == expected


@given(ranges)
def test_text_of_postgresql_reads_back(a: Ranges) -> None:
    canonical = "{" + ",".join(f"[{low},{high + 1})" for low, high in a) + "}"
    assert Ranges.parse(canonical) == a
    assert Ranges.parse(a.multirange()) == a


def test_reversed_range_is_an_error() -> None:
    with pytest.raises(ValueError, match="reversed"):
        Ranges.of((3, 2))
