"""Stamps of one clock only grow, sort as text as they do in time, and continue behind what they have seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pulse_contracts.stamps import (
    MAX_AHEAD_MS,
    NO_STAMP,
    StampField,
    clamped,
    make_stamp,
    next_stamp,
    stamp_milliseconds,
)

MOMENTS = st.integers(0, 10**13 - 2)
COUNTERS = st.integers(0, 0xFFFF)
STAMPS = st.builds(make_stamp, MOMENTS, COUNTERS)


@given(MOMENTS, COUNTERS, MOMENTS, COUNTERS)
def test_texts_compare_as_the_times_do(one, one_counter, other, other_counter):
    first, second = make_stamp(one, one_counter), make_stamp(other, other_counter)
    assert (first < second) == ((one, one_counter) < (other, other_counter))
    assert stamp_milliseconds(first) == one


@given(STAMPS, st.lists(MOMENTS, min_size=1, max_size=20))
def test_a_clock_only_grows_whatever_the_wall_clock_does(seen, wall_clock):
    for now in wall_clock:
        stamp = next_stamp(seen, now)
        assert stamp > seen
        assert stamp_milliseconds(stamp) >= now
        seen = stamp


def test_a_clock_that_stands_still_counts_and_then_borrows_a_millisecond():
    seen = make_stamp(5)
    for _ in range(0xFFFF):
        seen = next_stamp(seen, 5)
    assert seen == make_stamp(5, 0xFFFF)
    assert next_stamp(seen, 5) == make_stamp(6)


@given(STAMPS, MOMENTS)
def test_only_a_clock_too_far_ahead_is_cut_to_the_servers_time(stamp, now):
    cut = clamped(stamp, now)
    if stamp_milliseconds(stamp) <= now + MAX_AHEAD_MS:
        assert cut == stamp
    else:
        assert cut == make_stamp(now)
    assert clamped(cut, now) == cut


@pytest.mark.parametrize("text", ["", "1-0000", "1770459330000-000G", "1770459330000-00000", "1770459330000-0000\n"])
def test_what_is_no_stamp_is_refused(text):
    with pytest.raises(ValidationError):
        TypeAdapter(StampField).validate_python(text)


@pytest.mark.parametrize(("milliseconds", "counter"), [(-1, 0), (10**13, 0), (0, 0x10000), (0, -1)])
def test_what_no_stamp_can_say_is_an_error(milliseconds, counter):
    with pytest.raises(ValueError, match="no stamp"):
        make_stamp(milliseconds, counter)


@given(STAMPS)
def test_no_stamp_is_before_all_others(stamp):
    assert stamp >= NO_STAMP
