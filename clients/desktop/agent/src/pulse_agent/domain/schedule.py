"""What is sent when: the backlog, what went live and waits for its ack, and the batches on their way.

Guarantees: every sequence handed to `welcomed` or `stored` is, until it is settled, in exactly one of backlog, live
waiting, flights; so nothing is forgotten and nothing is on its way twice on purpose. Oldest first. A timeout or a
refusal puts a batch back; without any progress since, sending pauses with full jitter, and after the pause one batch
probes. Never does: I/O, clocks (moments in seconds are passed in), deletion: only acks settle.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from pulse_agent.domain.ranges import Range, RangeSet
from pulse_agent.domain.rate import RowsBudget
from pulse_agent.domain.window import RoundTrip, SendWindow
from pulse_chassis.backoff import Backoff

LIVE_PATIENCE_SECONDS: Final = 5.0
"""A live reading without an ack goes by the buffer path after this (delivery.md, the client, 2)."""
LIVE_SLOT_SECONDS: Final = 0.5
"""Live readings of one slot share a deadline, so that a fast source costs two entries a second."""
LOSS_PACE_SECONDS: Final = 1.0
"""Loss records go at most this often: while a full outbox refuses, one record grows with every reading."""
NEVER: Final = float("inf")


@dataclass(slots=True)
class Flight:
    """A batch on its way: which of its sequences still lack an ack. `is_loss`: it declares losses, not rows."""

    number: int
    outstanding: RangeSet
    rows: int
    sent_at: float
    is_loss: bool = False
    is_resend: bool = False


@dataclass(slots=True)
class _LiveSlot:
    due: float
    low: int
    high: int


@dataclass(slots=True)
class DeliverySchedule:
    """The plan of one agent. It is closed (nothing to send) until `welcomed`, and again after `disconnected`."""

    backoff: Backoff
    live_patience: float = LIVE_PATIENCE_SECONDS
    window: SendWindow = field(default_factory=SendWindow)
    round_trip: RoundTrip = field(default_factory=RoundTrip)
    budget: RowsBudget = field(default_factory=RowsBudget)
    is_open: bool = False
    _backlog: RangeSet = field(default_factory=RangeSet)
    _live: RangeSet = field(default_factory=RangeSet)
    _slots: deque[_LiveSlot] = field(default_factory=deque)
    _flights: dict[int, Flight] = field(default_factory=dict)
    _numbers: int = 0
    _paused_until: float = 0.0
    _is_probing: bool = False
    _progress_at: float = -1.0
    _loss_due: float = 0.0
    _resent: RangeSet = field(default_factory=RangeSet)

    # -- connection -------------------------------------------------------------------------------------------------

    def welcomed(self, unacked: Range, received: Iterable[Range], now: float) -> None:
        """Open with everything unacked but what the server has: only the holes are sent."""
        self.disconnected()
        self.window = SendWindow()
        self._backlog.add(*unacked)
        for low, high in received:
            self._backlog.remove(low, high)
        self.is_open = True
        self._resume(now)

    def disconnected(self) -> None:
        """Forget the connection's plan; the outbox still has every row."""
        self.is_open = False
        self._backlog.clear()
        self._live.clear()
        self._slots.clear()
        self._flights.clear()
        self._resent.clear()

    # -- what happens -----------------------------------------------------------------------------------------------

    def stored(self, low: int, high: int, now: float, *, went_live: bool) -> None:
        """Take note of new rows: sent live, or to go by the buffer path."""
        if not self.is_open:
            return
        if not went_live:
            self._backlog.add(low, high)
            return
        self._live.add(low, high)
        due = now + self.live_patience
        last = self._slots[-1] if self._slots else None
        if last is not None and last.high == low - 1 and due - last.due < LIVE_SLOT_SECONDS:
            last.high = high
        else:
            self._slots.append(_LiveSlot(due, low, high))

    def settled(self, low: int, high: int, now: float) -> bool:
        """Take an ack of low..high; tell whether it settled anything."""
        self._resent.remove(low, high)
        touched = self._backlog.remove(low, high) + self._live.remove(low, high)
        for flight in list(self._flights.values()):
            removed = flight.outstanding.remove(low, high)
            touched += removed
            if removed and not flight.outstanding:
                self._land(flight, now)
        if touched:
            self._resume(now)
        return touched > 0

    def refused(self, number: int, now: float) -> None:
        """Nobody listens at the broker (PUBACK 0x10): the batch goes back, sending pauses."""
        flight = self._flights.get(number)
        if flight is not None:
            self._return(flight)
            self._pause(now)

    def too_large(self, number: int) -> None:
        """Take back a batch that is over the broker's packet size, and send shorter ones."""
        flight = self._flights.get(number)
        if flight is not None:
            self._return(flight)
            self.window.shrink_runs()

    def credit(self, rows_s: int, window: int, now: float) -> None:
        """Take the server's credit."""
        self.window.allow(window)
        self.budget.allow(rows_s, now)

    def tick(self, now: float) -> None:
        """Move what is overdue: live readings to the backlog, batches without an ack back into it."""
        while self._slots and self._slots[0].due <= now:
            slot = self._slots.popleft()
            for low, high in self._live.within(slot.low, slot.high):
                self._live.remove(low, high)
                self._backlog.add(low, high)
        timeout = self.round_trip.timeout
        for flight in list(self._flights.values()):
            if flight.sent_at + timeout <= now:
                self._return(flight)
                self.window.on_timeout(flight.sent_at, now)
                self.round_trip.on_timeout(flight.sent_at, now)
                if self._progress_at <= flight.sent_at and self._paused_until <= now:
                    self._pause(now)

    # -- what to do -------------------------------------------------------------------------------------------------

    def next_range(self, now: float) -> Range | None:
        """Return where the next batch is to be read, oldest first; None when nothing may go now."""
        first = self._backlog.first()
        if first is None or not self._may_send(now):
            return None
        return first[0], min(first[1], first[0] + self.window.run_rows - 1)

    def forget(self, low: int, high: int) -> None:
        """Drop sequences that the outbox does not hold any more (acked, dropped or set aside)."""
        self._backlog.remove(low, high)

    def sent(self, low: int, high: int, now: float) -> Flight | None:
        """Note that low..high goes out now; None when an ack came meanwhile and it need not."""
        outstanding = RangeSet(self._backlog.within(low, high))
        if not outstanding:
            return None
        self._backlog.remove(low, high)
        self.budget.take_drain(high - low + 1, now)
        return self._take_off(outstanding, high - low + 1, now)

    def may_send_losses(self, now: float) -> bool:
        """Tell whether loss records may go now: one message at a time, at a calm pace."""
        on_way = any(flight.is_loss for flight in self._flights.values())
        return not on_way and now >= self._loss_due and self._may_send(now)

    def sent_losses(self, ranges: Iterable[Range], now: float) -> Flight:
        """Note that these losses are declared now."""
        self._loss_due = now + LOSS_PACE_SECONDS
        flight = self._take_off(RangeSet(ranges), 0, now)
        flight.is_loss = True
        return flight

    def next_moment(self, now: float, *, has_losses: bool) -> float:
        """Return when to look again at the latest; infinity: not before something happens."""
        moments = [flight.sent_at + self.round_trip.timeout for flight in self._flights.values()]
        if self._slots:
            moments.append(self._slots[0].due)
        if self._backlog or has_losses:
            if self._paused_until > now:
                moments.append(self._paused_until)
            elif self._backlog and self._has_window():
                moments.append(now + self.budget.drain_wait(now))
            if has_losses and self._loss_due > now:
                moments.append(self._loss_due)
        return min(moments, default=NEVER)

    # -- numbers for people -----------------------------------------------------------------------------------------

    @property
    def is_draining(self) -> bool:
        """Tell whether anything goes by the buffer path."""
        return bool(self._backlog) or any(not flight.is_loss for flight in self._flights.values())

    @property
    def is_paused(self) -> bool:
        """Tell whether the server did not answer lately and one batch probes."""
        return self._is_probing

    @property
    def on_way(self) -> int:
        """Batches on their way."""
        return len(self._flights)

    @property
    def backlog_rows(self) -> int:
        """Sequences waiting for the buffer path."""
        return self._backlog.total

    # -- inside -----------------------------------------------------------------------------------------------------

    def _has_window(self) -> bool:
        return len(self._flights) < (1 if self._is_probing else self.window.batches)

    def _may_send(self, now: float) -> bool:
        return self.is_open and now >= self._paused_until and self._has_window() and self.budget.drain_wait(now) <= 0

    def _take_off(self, outstanding: RangeSet, rows: int, now: float) -> Flight:
        self._numbers += 1
        is_resend = any(self._resent.within(low, high) for low, high in outstanding)
        flight = Flight(self._numbers, outstanding, rows, now, is_resend=is_resend)
        self._flights[flight.number] = flight
        return flight

    def _land(self, flight: Flight, now: float) -> None:
        del self._flights[flight.number]
        self.window.on_ack()
        if not flight.is_resend:  # Karn: an ack does not say which of two sendings it answers
            self.round_trip.sample(now - flight.sent_at)

    def _return(self, flight: Flight) -> None:
        del self._flights[flight.number]
        if flight.is_loss:
            return
        for low, high in flight.outstanding:
            self._backlog.add(low, high)
            self._resent.add(low, high)

    def _pause(self, now: float) -> None:
        self._is_probing = True
        self._paused_until = now + self.backoff.next_delay()

    def _resume(self, now: float) -> None:
        self.backoff.reset()
        self._is_probing = False
        self._paused_until = 0.0
        self._progress_at = now
