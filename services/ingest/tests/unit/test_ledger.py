"""The ledger, against a set of sequences; and the greeting rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_contracts.presence import Hello
from pulse_ingest.domain.greeting import EpochState, renewal_reason
from pulse_ingest.domain.ledger import Ledger
from pulse_ingest.domain.ranges import Ranges

span = st.integers(1, 40).flatmap(lambda low: st.tuples(st.just(low), st.integers(low, low + 6)))
ranges = st.lists(span, max_size=4).map(Ranges.from_any)
steps = st.lists(st.tuples(ranges, ranges, ranges), max_size=8)


def members(value: Ranges) -> set[int]:
    return {number for low, high in value for number in range(low, high + 1)}


@given(st.integers(0, 10), steps)
def test_ledger_says_what_a_set_of_sequences_would_say(
    origin: int, batches: list[tuple[Ranges, Ranges, Ranges]]
) -> None:
    ledger = Ledger(origin)
    received: set[int] = set()
    rejected: set[int] = set()
    lost: set[int] = set()
    for come, refused, given_up in batches:
        ledger = ledger.extend(come, refused, given_up)
        received_before = set(received)
        received |= members(come) - rejected
        rejected |= members(refused) - received_before - members(come)
        lost |= members(given_up)

    settled = set(range(1, origin + 1)) | received | rejected | lost
    cum = 0
    while cum + 1 in settled:
        cum += 1
    highest = max(settled, default=0)
    assert members(ledger.received) == received
    assert members(ledger.rejected) == rejected
    assert ledger.cum == cum
    assert ledger.highest == max(origin, highest)
    assert members(ledger.missing) == set(range(origin + 1, highest + 1)) - settled
    assert members(ledger.lost_for_good) == lost - received - rejected


@given(steps)
def test_order_of_batches_does_not_change_what_was_received(batches: list[tuple[Ranges, Ranges, Ranges]]) -> None:
    forward, backward = Ledger(), Ledger()
    for come, _, given_up in batches:
        forward = forward.extend(come, Ranges.EMPTY, given_up)
    for come, _, given_up in reversed(batches):
        backward = backward.extend(come, Ranges.EMPTY, given_up)
    assert forward == backward


@given(steps)
def test_redelivery_changes_nothing(batches: list[tuple[Ranges, Ranges, Ranges]]) -> None:
    ledger = Ledger()
    for batch in batches:
        ledger = ledger.extend(*batch)
    again = ledger
    for come, _, given_up in batches:
        again = again.extend(come & again.known, Ranges.EMPTY, given_up)
    assert again == ledger


def test_carried_sequences_are_no_holes_and_never_acked() -> None:
    ledger = Ledger().extend(Ranges.of((1, 3), (8, 9)), Ranges.EMPTY, Ranges.EMPTY).carry(4, 8)
    assert ledger.missing == Ranges.EMPTY
    assert ledger.cum == 3


def hello(**said: object) -> Hello:
    fields = {"type": "hello", "v": 1, "client_id": "D", "epoch": 1, "next": 101, "oldest_unacked": 90, "count": 11}
    return Hello.model_validate(fields | {"instance": "one", "version": "1"} | said)


KNOWN = EpochState(highest=100, owner="one", former_owners=frozenset({"old"}), is_owner_live=True)

CASES = {
    "no epoch yet": (hello(epoch=0), None, "no_epoch"),
    "asked for a new one": (hello(epoch=0), KNOWN, "no_epoch"),
    "not known here": (hello(), None, "unknown_epoch"),
    "goes on": (hello(), KNOWN, None),
    "rolled back": (hello(next=100, oldest_unacked=90), KNOWN, "rolled_back"),
    "second live instance": (hello(instance="two"), KNOWN, "second_instance"),
    "restarted after its last will": (
        hello(instance="two"),
        EpochState(highest=100, owner="one", former_owners=frozenset(), is_owner_live=False),
        None,
    ),
    "came back after another took over": (
        hello(instance="old"),
        EpochState(highest=100, owner="one", former_owners=frozenset({"old"}), is_owner_live=False),
        "superseded_instance",
    ),
    "nobody owns it": (hello(), EpochState(100, None, frozenset(), is_owner_live=False), None),
}


@pytest.mark.parametrize("case", CASES)
def test_epoch_is_renewed_exactly_when_the_outbox_is_new_rolled_back_or_cloned(case: str) -> None:
    said, state, reason = CASES[case]
    assert renewal_reason(said, state) == reason
