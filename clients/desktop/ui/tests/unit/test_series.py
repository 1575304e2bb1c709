"""The chart's ring: bounded, in order, with its gaps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pulse_desktop.model.series import MAX_POINTS, Point, Series


def every_second(count: int) -> list[Point]:
    return [Point(float(at), float(at % 7)) for at in range(count)]


def test_it_keeps_the_newest_and_no_more() -> None:
    series = Series(every_second(MAX_POINTS + 10))
    assert len(series) == MAX_POINTS
    assert series.newest == Point(float(MAX_POINTS + 9), float((MAX_POINTS + 9) % 7))
    assert series.points[0].at == 10


@given(st.lists(st.integers(0, 100)))
def test_readings_lie_in_order_and_once_however_they_come(times: list[int]) -> None:
    series = Series(Point(float(at), 1.0) for at in times)
    assert [point.at for point in series.points] == sorted(set(map(float, times)))


def test_the_line_breaks_where_readings_are_missing() -> None:
    series = Series(point for point in every_second(60) if not 20 <= point.at <= 29)
    plot = series.plot(59, 60)
    assert [len(line) for line in plot.lines] == [20, 30]
    assert plot.gaps == ((19.0, 30.0),)


def test_what_was_missing_fills_the_gap_and_nothing_comes_twice() -> None:
    series = Series(point for point in every_second(60) if not 20 <= point.at <= 29)
    assert (series.gap_before(30.0), series.gap_before(31.0), series.gap_before(0.0)) == (19.0, None, None)
    series.fill(point for point in every_second(40) if point.at >= 15)
    assert list(series.points) == every_second(60)
    assert series.gap_before(30.0) is None


def test_of_readings_that_fill_the_newest_are_kept() -> None:
    series = Series([Point(float(MAX_POINTS), 1.0)])
    series.fill(every_second(MAX_POINTS))
    assert len(series) == MAX_POINTS
    assert series.points[0].at == 1
    assert Series([Point(1, 1.0)]).gap_before(1) is None


def test_silence_until_now_is_a_gap_too() -> None:
    plot = Series(every_second(10)).plot(30, 60)
    assert plot.gaps == ((9.0, 30.0),)


def test_a_flat_line_lies_in_the_middle_and_nothing_is_drawn_of_nothing() -> None:
    flat = Series([Point(1, 5), Point(2, 5), Point(3, 5)]).plot(3, 10)
    assert flat.low < 5 < flat.high
    assert Series().plot(3, 10).is_empty
