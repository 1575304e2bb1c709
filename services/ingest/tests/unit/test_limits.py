"""Token buckets, the intake's bounds, credit, sightings, clock offsets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_contracts.ids import ClientId
from pulse_ingest.domain.batch import Message
from pulse_ingest.domain.clock_offset import WINDOW, ClockOffset
from pulse_ingest.domain.credit import NARROWEST, WIDEST, FairShare
from pulse_ingest.domain.intake import Intake
from pulse_ingest.domain.presence import SightingBook
from pulse_ingest.domain.token_bucket import RateLimit, TokenBuckets


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 50)), max_size=60))
def test_bucket_never_lets_more_through_than_burst_plus_rate_plus_one_message(takes: list[tuple[float, int]]) -> None:
    buckets = TokenBuckets(RateLimit(rows_s=10, burst=20))
    now = passed = 0.0
    for wait, rows in takes:
        now += wait
        if buckets.take("D", rows, now):
            passed += rows
        assert passed <= 20 + 10 * now + 50 + 1e-6


def test_empty_bucket_refuses_until_its_debt_is_paid_and_says_when() -> None:
    buckets = TokenBuckets(RateLimit(rows_s=10, burst=20))
    assert buckets.take("D", 60, now=0.0)
    assert not buckets.take("D", 1, now=0.0)
    assert buckets.is_exhausted("D", 4.0)
    assert buckets.seconds_until_free("D", 1.0) == pytest.approx(3.1)
    assert buckets.take("D", 1, now=4.2)


def test_noisy_client_does_not_touch_another_ones_bucket() -> None:
    buckets = TokenBuckets(RateLimit(rows_s=1, burst=1))
    assert buckets.take("noisy", 1000, 0.0)
    assert not buckets.take("noisy", 1, 0.0)
    assert buckets.take("quiet", 1, 0.0)


def test_full_buckets_are_forgotten_and_empty_ones_are_not() -> None:
    buckets = TokenBuckets(RateLimit(rows_s=1, burst=10))
    buckets.take("D", 5, 0.0)
    buckets.sweep(1.0)
    assert buckets.level("D", 1.0) == 6.0
    buckets.sweep(100.0)
    assert buckets.level("D", 100.0) == 10.0


def message(name: str, size: int = 1) -> Message:
    return Message(ClientId(name), "t", "live", b"x" * size, 0)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 30)), max_size=60), st.integers(1, 20))
def test_intake_keeps_its_bounds_drops_only_the_oldest_live_and_counts_them(
    arrivals: list[tuple[bool, int]], limit: int
) -> None:
    intake = Intake(live_messages=5, live_bytes=60)
    certain, live = [], []
    for number, (is_certain, size) in enumerate(arrivals):
        added = message(str(number), size)
        if is_certain:
            intake.add_certain(added)
            certain.append(added)
        else:
            intake.add_live(added)
            live.append(added)
    kept = live[intake.live_dropped :]
    assert len(kept) <= 5
    assert sum(len(one.payload) for one in kept) <= 60
    taken: list[Message] = []
    while part := intake.take(limit):
        assert len(part) <= limit
        taken += part
    assert len(intake) == 0
    assert [one for one in taken if one in kept] == kept
    assert [one for one in taken if one in certain] == certain
    assert len(taken) == len(kept) + len(certain)


def test_neither_queue_starves_the_other() -> None:
    intake = Intake(live_messages=100, live_bytes=10_000)
    for number in range(100):
        intake.add_certain(message(f"certain{number}"))
        intake.add_live(message(f"live{number}"))
    names = [one.client_id for one in intake.take(10)]
    assert sum(name.startswith("live") for name in names) == 5
    assert sum(name.startswith("certain") for name in names) == 5


def test_credit_divides_the_window_between_the_clients_that_send() -> None:
    share = FairShare(500)
    assert share.window(100.0) == WIDEST
    for number in range(100):
        share.note(ClientId(str(number)))
    assert share.window(101.0) == 5
    for number in range(1000):
        share.note(ClientId(str(number)))
    assert share.window(102.0) == NARROWEST
    assert share.window(110.0) == NARROWEST
    assert share.window(120.0) == WIDEST


def test_offset_is_that_of_the_fastest_message_and_follows_a_clock_that_was_set() -> None:
    offset = ClockOffset()
    assert offset.observe(1000, 1200) == -200
    assert offset.observe(2000, 2010) == -10
    assert offset.observe(3000, 3400) == -10
    for _ in range(WINDOW):
        estimate = offset.observe(1000, 6000)
    assert estimate == -5000


def test_sightings_are_conflated_and_newer_ones_win_when_a_write_failed() -> None:
    book = SightingBook()
    book.saw(ClientId("b"), 1)
    line = book.line(ClientId("a"), 5)
    line.buffered, line.instance = 7, "one"
    book.saw(ClientId("a"), 3)
    taken = book.take()
    assert [(one.client_id, one.seen_us) for one in taken] == [("a", 5), ("b", 1)]
    book.line(ClientId("a"), 9).buffered = 8
    book.put_back(taken)
    (a, b) = book.take()
    assert (a.seen_us, a.buffered, a.instance) == (9, 8, "one")
    assert b.seen_us == 1
    assert book.take() == []
