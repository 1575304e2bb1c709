"""When a channel is told: gathering, quiet hours and the rate limit, over any history, and over a model of a whole day."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pulse_alerts.domain.channel import Manners, RateLimit
from pulse_alerts.domain.quiet_hours import QuietHours
from pulse_alerts.domain.release import Held, Hold, Waiting, Which, decide

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
ZONES = ("UTC", "Europe/Vienna", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia")
minutes = st.integers(0, 24 * 60 - 1).map(lambda minute: time(minute // 60, minute % 60))
moments = st.floats(0, 1095 * 86_400).map(lambda seconds: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))


@st.composite
def quiet_hours(draw) -> QuietHours:
    start, end = draw(minutes), draw(minutes)
    assume(start != end)
    days = draw(st.frozensets(st.integers(0, 6), min_size=1))
    return QuietHours(start, end, draw(st.sampled_from(ZONES)), days, draw(st.booleans()))


@given(quiet_hours(), moments)
def test_quiet_hours_end_and_it_is_not_quiet_then(quiet: QuietHours, now: datetime) -> None:
    assume(quiet.are_on(now))
    end = quiet.end_after(now)
    assert end > now
    assert not quiet.are_on(end)
    # A clock that is changed makes a night longer by an hour; what a place leaves out of its calendar, by a day.
    longest = timedelta(hours=49 if quiet.time_zone == "Pacific/Apia" else 26)
    assert end - now <= longest


@given(quiet_hours(), moments)
def test_it_is_quiet_until_the_end_on_days_without_a_change_of_clocks(quiet: QuietHours, now: datetime) -> None:
    assume(quiet.are_on(now))
    end = quiet.end_after(now)
    place = ZoneInfo(quiet.time_zone)
    assume(now.astimezone(place).utcoffset() == end.astimezone(place).utcoffset())
    steps = -((now - end) // timedelta(minutes=7))
    assert all(quiet.are_on(now + number * timedelta(minutes=7)) for number in range(steps))
    assert quiet.are_on(end - timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("now", "is_quiet", "end"),
    [
        ("2026-03-02T21:59", False, None),
        ("2026-03-02T22:00", True, "2026-03-03T06:30"),
        ("2026-03-03T06:29", True, "2026-03-03T06:30"),
        ("2026-03-03T06:30", False, None),
        ("2026-03-07T01:00", True, "2026-03-07T06:30"),  # Saturday: what began on Friday
        ("2026-03-07T23:00", False, None),
    ],
)
def test_nights_of_working_days(now: str, is_quiet: bool, end: str | None) -> None:
    place = ZoneInfo("Europe/Vienna")
    quiet = QuietHours(time(22), time(6, 30), "Europe/Vienna", frozenset(range(5)))
    at = datetime.fromisoformat(now).replace(tzinfo=place)
    assert quiet.are_on(at.astimezone(UTC)) is is_quiet
    if end is not None:
        assert quiet.end_after(at.astimezone(UTC)) == datetime.fromisoformat(end).replace(tzinfo=place)


def test_the_night_in_which_an_hour_is_left_out_or_comes_twice() -> None:
    quiet = QuietHours(time(1), time(2, 30), "Europe/Vienna")
    spring, autumn = datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 0, 10, tzinfo=UTC)
    assert quiet.end_after(spring) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # 2:30 is not there: 3:30
    assert quiet.end_after(autumn) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 2:30, the first time


def test_hours_without_an_end_and_zones_without_a_place_are_refused() -> None:
    with pytest.raises(ValueError, match="never end"):
        QuietHours(time(1), time(1), "UTC")
    for name in ("Nowhere/Town", "../../etc/passwd", "", "a\x00b"):
        with pytest.raises(ValueError, match="no time zone"):
            QuietHours(time(1), time(2), name).are_on(NOON)


def test_what_is_alone_and_may_go_goes_at_once() -> None:
    assert decide(Manners(), Waiting(NOON), [], NOON) is Which.ALL


def test_the_first_waits_for_others_and_no_longer() -> None:
    manners = Manners(gathering=timedelta(seconds=30))
    assert decide(manners, Waiting(NOON), [], NOON) == Held(Hold.GATHERING, NOON + timedelta(seconds=30))
    assert decide(manners, Waiting(NOON), [], NOON + timedelta(seconds=30)) is Which.ALL


def test_in_quiet_hours_only_what_is_critical_goes_where_it_may() -> None:
    quiet = QuietHours(time(11), time(13), "UTC")
    strict = QuietHours(time(11), time(13), "UTC", critical_passes=False)
    end = NOON + timedelta(hours=1)
    assert decide(Manners(quiet_hours=quiet), Waiting(NOON), [], NOON) == Held(Hold.QUIET_HOURS, end)
    assert decide(Manners(quiet_hours=quiet), Waiting(NOON, NOON), [], NOON) is Which.CRITICAL
    assert decide(Manners(quiet_hours=strict), Waiting(NOON, NOON), [], NOON) == Held(Hold.QUIET_HOURS, end)
    assert decide(Manners(quiet_hours=quiet), Waiting(NOON), [], end) is Which.ALL


def test_a_full_period_is_waited_out() -> None:
    manners = Manners(limit=RateLimit(2, timedelta(minutes=10)))
    sent = [NOON - timedelta(minutes=1), NOON - timedelta(minutes=4), NOON - timedelta(minutes=5)]
    assert decide(manners, Waiting(NOON), sent, NOON) == Held(Hold.RATE_LIMIT, NOON + timedelta(minutes=6))
    assert decide(manners, Waiting(NOON), sent, NOON + timedelta(minutes=6)) is Which.ALL


steps = st.lists(
    st.tuples(st.integers(0, 24 * 3600), st.booleans()), max_size=60
).map(sorted)  # fmt: skip


@st.composite
def manners(draw) -> Manners:
    limit = draw(
        st.none() | st.builds(RateLimit, st.integers(1, 5), st.integers(1, 7200).map(lambda s: timedelta(seconds=s)))
    )
    gathering = timedelta(seconds=draw(st.integers(0, 600)))
    return Manners(gathering, limit, draw(st.none() | quiet_hours()))


@given(manners(), steps)
def test_over_a_day_every_step_is_told_once_and_no_rule_is_broken(
    manners: Manners, steps: list[tuple[int, bool]]
) -> None:
    """The clock goes from one thing that can change a decision to the next; nothing is missed in between."""
    left = [(NOON + timedelta(seconds=second), is_critical) for second, is_critical in steps]
    waiting: list[tuple[datetime, bool]] = []
    sent: list[datetime] = []
    told: list[tuple[datetime, bool]] = []
    now = NOON
    for _ in range(2_000):
        while left and left[0][0] <= now:
            waiting.append(left.pop(0))
        wakes = [left[0][0]] if left else []
        if waiting:
            critical = [at for at, is_critical in waiting if is_critical]
            load = Waiting(waiting[0][0], critical[0] if critical else None)
            decided = decide(manners, load, list(reversed(sent)), now)
            if isinstance(decided, Held):
                assert decided.until > now
                wakes.append(decided.until)
            else:
                going = [one for one in waiting if decided is Which.ALL or one[1]]
                assert going
                quiet = manners.quiet_hours
                is_quiet = quiet is not None and quiet.are_on(now)
                assert not is_quiet or (quiet.critical_passes and all(is_critical for _, is_critical in going))
                assert now - going[0][0] >= manners.gathering
                sent.append(now)
                told += going
                waiting = [one for one in waiting if one not in going]
                if waiting:
                    wakes.append(now + timedelta(microseconds=1))
        if not wakes:
            break
        now = max(now, min(wakes))
    assert not left
    assert not waiting
    assert sorted(told) == [(NOON + timedelta(seconds=second), is_critical) for second, is_critical in steps]
    if manners.limit is not None:
        most, period = manners.limit.messages, manners.limit.period
        assert all(later - first >= period for first, later in zip(sent, sent[most:], strict=False))
