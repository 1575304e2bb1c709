"""What grows is found, what only wobbles or begins anew is not; and the schedule of a soak."""

import random

import pytest

from pulse_chaos.sabotage import ACTS
from pulse_chaos.soak_run import KINDS, SoakPlan, drawn
from pulse_chaos.trends import Curve, Kind, Point, judge_curve, rate_of, trend_of

HALF_AN_HOUR = 1800
CHANCE = random.Random(7)


def curve(kind: Kind, value, *, seconds: int = HALF_AN_HOUR, bound: float | None = None, lives: int = 1) -> Curve:
    points = [Point(at, value(at % (seconds // lives)), at // (seconds // lives)) for at in range(0, seconds, 5)]
    return Curve("it", kind, "MiB", points, bound)


def test_memory_that_leaks_a_megabyte_a_minute_grows_and_the_figure_is_named() -> None:
    verdict = judge_curve(curve(Kind.MEMORY, lambda at: 80 + at / 60 + CHANCE.uniform(-0.5, 0.5)), 120)
    assert not verdict.holds
    assert verdict.trend is not None
    assert verdict.trend.slope * 60 == pytest.approx(1.0, abs=0.05)
    assert "MiB/h" in verdict.detail


def test_a_leak_is_seen_through_the_deaths_of_the_process() -> None:
    leaking = curve(Kind.MEMORY, lambda at: 80 + at / 60, lives=3)
    assert not judge_curve(leaking, 120).holds


@pytest.mark.parametrize(
    "value",
    [
        lambda at: 80 + CHANCE.uniform(-3, 3),
        lambda at: 80 + min(at, 100) / 4,  # while it warms up
        lambda at: 80 + 20 * (700 < at < 760),  # a queue that was full during a fault
        lambda at: 80 + 20 * (at > 700) + 4 * (at > 1_300),  # rooms that two backlogs needed and that are kept
    ],
)
def test_memory_that_wobbles_warms_up_or_had_much_to_hold_for_a_while_is_flat(value) -> None:
    verdict = judge_curve(curve(Kind.MEMORY, value), 120)
    assert verdict.holds, verdict.detail


def test_what_takes_several_warm_ups_is_not_judged_before() -> None:
    filling = curve(Kind.MEMORY, lambda at: 80 + min(at, 1_400) / 40)
    assert not judge_curve(filling, 120).holds
    filling.warm_ups = 12
    assert judge_curve(filling, 120).holds


@pytest.mark.parametrize("fault_seconds", [60, 240])
def test_memory_that_each_fault_makes_larger_grows(fault_seconds) -> None:
    by_fault = curve(Kind.MEMORY, lambda at: 80 + at // fault_seconds * fault_seconds / 60)
    assert not judge_curve(by_fault, 300).holds


def test_a_process_that_begins_anew_smaller_or_larger_is_no_growth() -> None:
    points = [Point(at, 60.0 + 30 * (at // 600), at // 600) for at in range(0, HALF_AN_HOUR, 5)]
    verdict = judge_curve(Curve("it", Kind.MEMORY, "MiB", points), 60)
    assert verdict.holds, verdict.detail


def test_files_that_are_never_closed_are_found() -> None:
    assert not judge_curve(curve(Kind.FILES, lambda at: 40 + at // 60), 120).holds
    assert judge_curve(curve(Kind.FILES, lambda at: 40 + at % 3), 120).holds


def test_connections_that_a_fault_cut_and_that_came_back_are_no_growth() -> None:
    verdict = judge_curve(curve(Kind.FILES, lambda at: 86 if at < 1_000 else 126), 300)
    dipped = judge_curve(curve(Kind.FILES, lambda at: 126 if not 400 < at < 900 else 60), 300)
    assert not verdict.holds
    assert dipped.holds, dipped.detail


def test_a_stream_is_held_to_its_bound_however_it_got_there() -> None:
    filling = curve(Kind.STREAM, lambda at: at * 5, bound=10_000)
    assert judge_curve(filling, 60).holds
    assert not judge_curve(curve(Kind.STREAM, lambda at: at * 7, bound=10_000), 60).holds


def test_a_table_that_swells_without_more_rows_is_found() -> None:
    assert not judge_curve(curve(Kind.TABLE, lambda at: 1 + at / 200), 120).holds
    assert not judge_curve(curve(Kind.DEAD_ROWS, lambda at: at / 900), 120).holds
    assert judge_curve(curve(Kind.DEAD_ROWS, lambda at: 0.2), 120).holds


def test_logs_are_held_to_what_they_write_a_minute() -> None:
    assert judge_curve(curve(Kind.LOGS, lambda at: at * 5), 60).holds
    assert not judge_curve(curve(Kind.LOGS, lambda at: at * 10), 60).holds


def test_what_was_watched_too_shortly_is_not_judged_and_says_so() -> None:
    verdict = judge_curve(curve(Kind.MEMORY, lambda at: at, seconds=60), 120)
    assert (verdict.holds, verdict.is_judged) == (True, False)
    assert "too short" in verdict.detail
    assert trend_of([], 0) is None


def test_a_counter_that_began_anew_gives_no_rate_there() -> None:
    points = [Point(0, 10, 1), Point(1, 30, 1), Point(2, 5, 1), Point(3, 6, 1), Point(4, 99, 2)]
    assert [(point.at, point.value) for point in rate_of(points)] == [(1, 20.0), (3, 1.0)]


def test_a_soak_has_a_fault_a_minute_and_none_in_the_last_and_all_kinds_before_one_comes_again() -> None:
    schedule = drawn(HALF_AN_HOUR, 1)
    assert schedule == drawn(HALF_AN_HOUR, 1) != drawn(HALF_AN_HOUR, 2)
    assert len(schedule) == 29
    assert len({(step.fault, step.target) for step in schedule}) == 29
    assert all(step.ends < HALF_AN_HOUR - 60 for step in schedule)
    assert {step.fault for step in drawn(4 * HALF_AN_HOUR, 3)} <= {kind for kind, _, _ in KINDS} <= set(ACTS)


def test_a_soak_of_two_minutes_has_a_fault_too() -> None:
    assert len(SoakPlan(120, 1).schedule) == 1
    assert SoakPlan(120, 1).warm_up == 30
