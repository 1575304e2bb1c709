import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_chassis.backoff import Backoff


@given(first=st.floats(0.01, 5), factor=st.floats(1, 4), tries=st.integers(1, 30), seed=st.integers())
def test_a_delay_never_exceeds_its_bound_and_the_bound_never_its_ceiling(
    first: float, factor: float, tries: int, seed: int
) -> None:
    backoff = Backoff(first, 60.0, factor=factor, rng=random.Random(seed))
    for number in range(tries):
        bound = backoff.bound
        assert bound <= min(60.0, first * factor**number * (1 + 1e-9))
        assert 0 <= backoff.next_delay() <= bound


def test_delays_are_spread_over_the_whole_range() -> None:
    rng = random.Random(7)
    delays = [Backoff(1.0, 1.0, rng=rng).next_delay() for _ in range(2000)]
    assert min(delays) < 0.01
    assert max(delays) > 0.99
    assert 0.45 < sum(delays) / len(delays) < 0.55


def test_reset_starts_again_at_the_first_delay() -> None:
    backoff = Backoff(0.5, 15.0)
    for _ in range(10):
        backoff.next_delay()
    assert backoff.bound == 15.0
    backoff.reset()
    assert backoff.bound == 0.5


@pytest.mark.parametrize(("first", "ceiling", "factor"), [(0, 1, 2), (2, 1, 2), (1, 2, 0.5)])
def test_nonsense_is_refused(first: float, ceiling: float, factor: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        Backoff(first, ceiling, factor=factor)
