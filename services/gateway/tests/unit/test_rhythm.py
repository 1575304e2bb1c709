"""Due times keep to the local clock, and what consecutive reports cover joins without a gap or an overlap."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_gateway.domain.rhythm import Rhythm

ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kathmandu")
rhythms = st.builds(
    Rhythm,
    every=st.sampled_from(["day", "week", "month"]),
    at=st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    zone=st.sampled_from(ZONES),
    weekday=st.integers(1, 7),
    day=st.integers(1, 31),
)
moments = st.datetimes(
    datetime(2020, 1, 1),  # noqa: DTZ001 -- Hypothesis takes them without a zone
    datetime(2030, 1, 1),  # noqa: DTZ001 -- and adds it itself
    timezones=st.just(UTC),
)
BERLIN = "Europe/Berlin"


@given(rhythms, moments)
def test_reports_follow_each_other_and_cover_everything_once(rhythm: Rhythm, moment: datetime) -> None:
    due = rhythm.next_after(moment)
    following = rhythm.next_after(due)
    assert moment < due < following
    assert rhythm.last_until(due) == due
    assert rhythm.last_until(following - timedelta(microseconds=1)) == due
    assert rhythm.covers(due)[1] == rhythm.covers(following)[0]
    assert rhythm.covers(due)[0] < rhythm.covers(due)[1] <= due


@given(rhythms, moments)
def test_a_due_time_is_on_the_local_clock(rhythm: Rhythm, moment: datetime) -> None:
    zone = ZoneInfo(rhythm.zone)
    local = rhythm.next_after(moment).astimezone(zone)
    exists = datetime.combine(local.date(), rhythm.at, zone).astimezone(UTC).astimezone(zone).time() == rhythm.at
    assert local.time() == rhythm.at or not exists
    if rhythm.every == "week":
        assert local.isoweekday() == rhythm.weekday


@pytest.mark.parametrize(
    ("rhythm", "moment", "due", "covered"),
    [
        # Clocks go forward over 07:00's night, and over 02:30 itself; then back.
        (Rhythm("day", time(7), BERLIN), "2026-03-28T12", "2026-03-29T05:00", ("2026-03-27T23", "2026-03-28T23")),
        (Rhythm("day", time(2, 30), BERLIN), "2026-03-28T12", "2026-03-29T01:30", ("2026-03-27T23", "2026-03-28T23")),
        (Rhythm("day", time(2, 30), BERLIN), "2026-10-24T12", "2026-10-25T00:30", ("2026-10-23T22", "2026-10-24T22")),
        (Rhythm("week", time(6), "UTC", weekday=1), "2026-11-21", "2026-11-23T06", ("2026-11-16", "2026-11-23")),
        (Rhythm("month", time(6), "UTC", day=1), "2026-11-21", "2026-12-01T06", ("2026-11-01", "2026-12-01")),
        (Rhythm("month", time(6), "UTC", day=31), "2027-02-01", "2027-02-28T06", ("2027-01-31", "2027-02-28")),
    ],
)
def test_known_days(rhythm: Rhythm, moment: str, due: str, covered: tuple[str, str]) -> None:
    found = rhythm.next_after(utc(moment))
    assert found == utc(due)
    assert rhythm.covers(found) == tuple(map(utc, covered))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
