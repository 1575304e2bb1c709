"""Slots cut a range without gap or overlap, where the clock of the zone says."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_gateway.domain.interval import (
    BadIntervalError,
    Interval,
    TooManySlotsError,
    cut,
    microseconds,
    moment,
    nice_interval,
)

BERLIN = ZoneInfo("Europe/Berlin")
zones = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/Havana",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "America/Sao_Paulo",
    ]
).map(ZoneInfo)
intervals = st.sampled_from(
    ["7s", "1m", "90s", "15m", "1h", "5h", "6h", "12h", "1d", "3d", "1w", "2w", "1mo", "5mo"]
).map(Interval.parse)
moments = st.integers(microseconds(datetime(1990, 1, 1, tzinfo=UTC)), microseconds(datetime(2040, 1, 1, tzinfo=UTC)))


@given(moments, st.integers(1, 4000), intervals, zones, st.data())
def test_slots_cover_the_range_in_order_and_each_moment_is_in_its_slot(start, slots, interval, zone, data) -> None:
    end = start + max(1, slots * interval.about_us // 100)
    found = cut(start, end, interval, zone)
    assert found.edges[0] <= start < found.edges[1]
    assert found.edges[-2] < end <= found.edges[-1]
    assert all(low < high for low, high in pairwise(found.edges))
    at = data.draw(st.integers(start, end - 1))
    number = found.index(at)
    assert found.edges[number] <= at < found.edges[number + 1]
    if found.step_us is not None:
        assert {high - low for low, high in pairwise(found.edges)} == {found.step_us}


def local(found, zone: ZoneInfo) -> list[str]:
    return [f"{moment(edge).astimezone(zone):%m-%d %H:%M}" for edge in found.edges]


def test_days_are_those_of_the_zone_also_when_the_clocks_change() -> None:
    start = microseconds(datetime(2026, 3, 28, 12, tzinfo=UTC))
    days = cut(start, microseconds(datetime(2026, 3, 30, 12, tzinfo=UTC)), Interval.parse("1d"), BERLIN)
    assert local(days, BERLIN) == ["03-28 00:00", "03-29 00:00", "03-30 00:00", "03-31 00:00"]
    assert [(high - low) // 3_600_000_000 for low, high in pairwise(days.edges)] == [24, 23, 24]
    assert days.step_us is None


def test_hours_that_divide_a_day_keep_to_the_clock() -> None:
    start = microseconds(datetime(2026, 10, 24, 22, tzinfo=UTC))
    found = cut(start, start + 24 * 3_600_000_000, Interval.parse("6h"), BERLIN)
    assert local(found, BERLIN) == ["10-25 00:00", "10-25 06:00", "10-25 12:00", "10-25 18:00", "10-26 00:00"]
    hours = cut(start, start + 5 * 3_600_000_000, Interval.parse("1h"), BERLIN)
    assert hours.step_us == 3_600_000_000
    assert local(hours, BERLIN) == [f"10-25 0{h}:00" for h in (0, 1, 2, 2, 3, 4)]


def test_weeks_begin_on_monday_and_months_on_their_first() -> None:
    start = microseconds(datetime(2026, 1, 15, tzinfo=UTC))
    weeks = cut(start, start + 1, Interval.parse("1w"), UTC)
    assert moment(weeks.edges[0]).weekday() == 0
    months = cut(start, start + 40 * 86_400_000_000, Interval.parse("1mo"), UTC)
    assert [moment(edge).day for edge in months.edges] == [1, 1, 1]


@pytest.mark.parametrize("text", ["", "0s", "5", "m", "-1h", "1y", "1.5h", "5M", "1234567s", "5m "])
def test_anything_else_is_no_interval(text: str) -> None:
    with pytest.raises(BadIntervalError):
        Interval.parse(text)


def test_too_many_slots_are_refused_before_they_are_made() -> None:
    with pytest.raises(TooManySlotsError) as refused:
        cut(0, 10**15, Interval.parse("1s"), UTC)
    assert refused.value.count == 1_000_000_002


@given(st.integers(1, 10**16), st.integers(1, 5000))
def test_an_interval_that_is_chosen_gives_no_more_slots_than_wanted(span: int, wanted: int) -> None:
    assert -(-span // nice_interval(span, wanted).about_us) <= wanted
