"""The plan of sending, moved by hand: window, timeouts, pauses, live patience, credit."""

from __future__ import annotations

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pulse_agent.domain.ranges import RangeSet
from pulse_agent.domain.rate import RowsBudget
from pulse_agent.domain.schedule import NEVER, DeliverySchedule, Flight
from pulse_agent.domain.window import RoundTrip, SendWindow
from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import ManualClock


class LongestBackoff(random.Random):
    """Draws the upper end, so that a pause is as long as it can be."""

    def uniform(self, a: float, b: float) -> float:
        return b


def plan(backlog: int = 0) -> DeliverySchedule:
    schedule = DeliverySchedule(Backoff(1.0, 300.0, rng=LongestBackoff()))
    schedule.welcomed((1, backlog), [], 0.0)
    return schedule


def send_all(schedule: DeliverySchedule, now: float) -> list[Flight]:
    flights = []
    while (within := schedule.next_range(now)) is not None:
        flight = schedule.sent(*within, now)
        assert flight is not None
        flights.append(flight)
    return flights


def test_four_batches_go_at_first_and_each_ack_lets_two_more_go() -> None:
    schedule = plan(10_000)
    first = send_all(schedule, 0.0)
    assert [list(flight.outstanding) for flight in first] == [[(1, 500)], [(501, 1000)], [(1001, 1500)], [(1501, 2000)]]
    schedule.settled(1, 500, 0.1)
    assert len(send_all(schedule, 0.1)) == 2


def test_the_window_never_exceeds_the_credit() -> None:
    schedule = plan(100_000)
    schedule.credit(1_000_000, 6, 0.0)
    for step in range(50):
        send_all(schedule, step * 0.1)
        assert schedule.on_way <= 6
        schedule.settled(1, 500 * (step + 1), step * 0.1)
    assert schedule.window.batches == 6


def test_a_timeout_halves_once_for_the_whole_flight_and_then_one_batch_probes() -> None:
    schedule = plan(10_000)
    send_all(schedule, 0.0)
    schedule.tick(1.99)
    assert schedule.on_way == 4
    schedule.tick(2.0)
    assert schedule.on_way == 0
    assert schedule.window.batches == 2
    assert schedule.next_range(2.5) is None, "paused: there was no progress"
    assert schedule.next_moment(2.5, has_losses=False) == 3.0
    assert schedule.next_range(3.0) == (1, 500)
    assert len(send_all(schedule, 3.0)) == 1


def test_pauses_grow_to_five_minutes_and_progress_resets_them() -> None:
    schedule = plan(500)
    now, pauses = 0.0, []
    for _ in range(12):
        (flight,) = send_all(schedule, now)
        schedule.refused(flight.number, now)
        pauses.append(schedule.next_moment(now, has_losses=False) - now)
        now += pauses[-1]
    assert pauses[:4] == [1.0, 2.0, 4.0, 8.0]
    assert pauses[-1] == 300.0
    schedule.stored(501, 501, now, went_live=True)
    schedule.settled(501, 501, now)
    assert schedule.next_range(now) is not None, "a live reading's ack is progress too"
    assert not schedule.is_paused


def test_a_live_reading_without_an_ack_goes_by_the_buffer_after_five_seconds() -> None:
    clock, schedule = ManualClock(), plan()
    schedule.stored(1, 1, clock.monotonic(), went_live=True)
    schedule.stored(2, 2, clock.monotonic(), went_live=True)
    schedule.settled(1, 1, clock.monotonic())
    clock.advance(4.9)
    schedule.tick(clock.monotonic())
    assert schedule.next_range(clock.monotonic()) is None
    assert schedule.next_moment(clock.monotonic(), has_losses=False) == 5.0
    clock.advance(0.1)
    schedule.tick(clock.monotonic())
    assert schedule.next_range(clock.monotonic()) == (2, 2)


def test_only_holes_are_planned_after_a_welcome() -> None:
    schedule = plan()
    schedule.welcomed((10, 100), [(1, 20), (30, 40), (90, 100)], 0.0)
    assert schedule.next_range(0.0) == (21, 29)
    assert schedule.backlog_rows == 9 + 49


def test_an_ack_that_comes_while_a_run_is_read_saves_the_sending() -> None:
    schedule = plan(10)
    assert schedule.next_range(0.0) == (1, 10)
    schedule.settled(1, 10, 0.0)
    assert schedule.sent(1, 10, 0.0) is None


def test_an_ack_of_a_resent_batch_is_no_round_trip() -> None:
    schedule = plan(500)
    send_all(schedule, 0.0)
    schedule.tick(2.0)
    send_all(schedule, 3.0)
    schedule.settled(1, 500, 3.001)
    assert schedule.round_trip.smoothed is None


def test_the_timeout_follows_the_round_trip_and_doubles_without_a_sample() -> None:
    trip = RoundTrip()
    assert trip.timeout == 2.0
    trip.sample(1.0)
    assert trip.timeout == 4.0
    trip.on_timeout(0.0, 5.0)
    trip.on_timeout(0.1, 5.0)
    assert trip.timeout == 8.0, "twice for one flight, however many batches"
    trip.sample(1.0)
    assert trip.timeout == 4.0


def test_runs_get_shorter_on_a_link_that_cannot_carry_one() -> None:
    window = SendWindow()
    for moment in range(6):
        window.on_timeout(float(moment), float(moment))
    assert (window.batches, window.run_rows) == (1, 31)
    window.on_ack()
    assert window.run_rows == 62


def test_losses_go_one_message_at_a_time_and_calmly() -> None:
    schedule = plan()
    assert schedule.may_send_losses(0.0)
    schedule.sent_losses([(5, 9), (20, 20)], 0.0)
    assert not schedule.may_send_losses(0.5)
    schedule.settled(5, 9, 0.6)
    schedule.settled(20, 20, 0.6)
    assert not schedule.may_send_losses(0.9)
    assert schedule.next_moment(0.9, has_losses=True) == 1.0
    assert schedule.may_send_losses(1.0)


def test_live_keeps_a_fifth_of_the_credit_while_draining() -> None:
    budget, drained, live = RowsBudget(), 0, 0
    budget.allow(1000, 0.0)
    for tick in range(100_000):
        now = tick / 1000
        if tick % 5 == 0 and budget.take_live(1, now):  # 200 a second
            live += 1
        if budget.drain_wait(now) <= 0:
            budget.take_drain(500, now)
            drained += 500
    assert live == 20_000, "every live reading went at once"
    assert 79_000 <= drained <= 81_500


def test_nothing_is_planned_without_a_welcome() -> None:
    schedule = plan(100)
    schedule.disconnected()
    schedule.stored(101, 105, 0.0, went_live=True)
    assert schedule.next_range(0.0) is None
    assert schedule.next_moment(0.0, has_losses=True) == NEVER


class ScheduleMachine(RuleBasedStateMachine):
    """Whatever happens, each unsettled sequence is in exactly one place, and time brings each to its turn."""

    @initialize(count=st.integers(0, 3000))
    def start(self, count: int) -> None:
        self.schedule = plan(count)
        self.unsettled = RangeSet([(1, count)])
        self.next = count + 1
        self.now = 0.0
        self.flights: list[Flight] = []

    @rule(count=st.integers(1, 50), went_live=st.booleans())
    def stored(self, count: int, went_live: bool) -> None:
        self.schedule.stored(self.next, self.next + count - 1, self.now, went_live=went_live)
        self.unsettled.add(self.next, self.next + count - 1)
        self.next += count

    @rule(seconds=st.floats(0, 10))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.schedule.tick(self.now)

    @rule()
    def send(self) -> None:
        self.flights += send_all(self.schedule, self.now)

    @rule(data=st.data())
    def acked(self, data: st.DataObject) -> None:
        low = data.draw(st.integers(1, self.next))
        high = data.draw(st.integers(low, self.next))
        self.schedule.settled(low, high, self.now)
        self.unsettled.remove(low, high)

    @rule(data=st.data())
    def refused(self, data: st.DataObject) -> None:
        if self.flights:
            self.schedule.refused(data.draw(st.sampled_from(self.flights)).number, self.now)

    @invariant()
    def everything_unsettled_is_in_one_place(self) -> None:
        if not hasattr(self, "schedule"):
            return
        places = [self.schedule._backlog, self.schedule._live]
        places += [flight.outstanding for flight in self.schedule._flights.values()]
        together = RangeSet(span for place in places for span in place)
        assert together == self.unsettled
        assert sum(place.total for place in places) == self.unsettled.total

    def teardown(self) -> None:
        if not hasattr(self, "schedule"):
            return
        for _ in range(10_000):
            if not self.unsettled:
                return
            self.now = max(self.now, min(self.schedule.next_moment(self.now, has_losses=False), self.now + 400))
            self.schedule.tick(self.now)
            for flight in send_all(self.schedule, self.now):
                for low, high in list(flight.outstanding):
                    self.schedule.settled(low, high, self.now)
                    self.unsettled.remove(low, high)
        raise AssertionError(f"never sent: {self.unsettled}")


ScheduleMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestScheduleMachine = ScheduleMachine.TestCase
