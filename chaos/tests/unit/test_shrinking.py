"""A failing schedule becomes as short as it can be."""

from hypothesis import given
from hypothesis import strategies as st

from pulse_chaos.schedule import Schedule, Step
from pulse_chaos.shrinking import shrink


def steps(count: int) -> Schedule:
    return tuple(Step(float(n), "kill", f"part-{n}") for n in range(count))


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), min_size=1))))
async def test_what_is_left_is_exactly_what_makes_it_fail(case) -> None:
    count, guilty = case
    schedule = steps(count)
    culprits = {schedule[n] for n in guilty}

    async def fails(candidate: Schedule) -> bool:
        return culprits <= set(candidate)

    found = await shrink(schedule, fails, most=1000)
    assert set(found.schedule) == culprits
    assert found.is_minimal


async def test_no_candidate_is_tried_twice_and_the_bound_holds() -> None:
    tried: list[Schedule] = []

    async def fails(candidate: Schedule) -> bool:
        tried.append(candidate)
        return {steps(9)[0], steps(9)[8]} <= set(candidate)

    found = await shrink(steps(9), fails, most=5)
    assert len(tried) == len(set(tried)) == found.tries == 5
    assert not found.is_minimal
    assert {steps(9)[0], steps(9)[8]} <= set(found.schedule)
