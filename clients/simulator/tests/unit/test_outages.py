"""The schedule behind `--outage`: what is accepted, and what is refused with a reason."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_simulator.outages import (
    InvalidScheduleError,
    Outage,
    OutageKind,
    parse_duration,
    parse_outage,
    parse_schedule,
)


@pytest.mark.parametrize(
    ("text", "seconds"), [("20s", 20), ("1.5m", 90), ("500ms", 0.5), ("2h", 7200), ("7", 7), (" 3s ", 3)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "s", "-3s", "3 days", "1e3", "nan", "9" * 400 + "h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidScheduleError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("20s@15s", OutageKind.CUT), ("20s@15s:up", OutageKind.UP), ("20s@15s:reset", OutageKind.RESET)],
)
def test_an_outage_says_how_long_when_and_how(text: str, kind: OutageKind) -> None:
    assert parse_outage(text) == Outage(timedelta(seconds=15), timedelta(seconds=20), kind)


@pytest.mark.parametrize("text", ["20s", "20s@", "@15s", "0s@15s", "20s@15s:flood", "20s@15s@3s", ""])
def test_what_is_no_outage_is_refused(text: str) -> None:
    with pytest.raises(InvalidScheduleError):
        parse_outage(text)


def test_a_schedule_is_ordered_and_touching_outages_are_fine() -> None:
    assert [outage.start.total_seconds() for outage in parse_schedule(["5s@20s", "10s@10s"])] == [10, 20]


def test_overlapping_outages_are_refused() -> None:
    with pytest.raises(InvalidScheduleError, match="before the one at 10 s"):
        parse_schedule(["5s@14s", "5s@10s"])


@given(st.text(max_size=30))
def test_any_text_is_either_an_outage_or_refused(text: str) -> None:
    try:
        outage = parse_outage(text)
    except InvalidScheduleError:
        return
    assert outage.end > outage.start
