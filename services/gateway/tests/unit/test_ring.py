"""The decision whether a client can go on: by an entry that exists, never by trust."""

import weakref
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_contracts.frames import GapReason, Position
from pulse_gateway.domain.ring import NotRecovered, Recovered, Ring
from pulse_gateway.domain.stream_id import START, StreamId, parse_stream_id


@dataclass(frozen=True)
class Item:
    id: StreamId
    size: int = 10


def ring_of(count: int, **bounds: int) -> Ring[Item]:
    ring: Ring[Item] = Ring(**bounds)
    for n in range(1, count + 1):
        ring.append(Item(StreamId(n, 0)))
    return ring


def since(offset: str, epoch: str = "e") -> Position:
    return Position(epoch=epoch, offset=offset)


def test_the_last_offset_has_missed_nothing() -> None:
    assert ring_of(3).resume("e", since("3-0")) == Recovered(())


def test_an_existing_entry_is_followed_by_all_behind_it() -> None:
    decision = ring_of(4).resume("e", since("2-0"))
    assert isinstance(decision, Recovered)
    assert [item.id.ms for item in decision.missed] == [3, 4]


def test_the_start_of_an_untrimmed_stream_is_a_position() -> None:
    decision = ring_of(2).resume("e", since("0-0"))
    assert isinstance(decision, Recovered)
    assert len(decision.missed) == 2


@pytest.mark.parametrize("offset", ["1-0", "2-1", "0-0", "99-0", "", "x", "-1-0", "2", "9" * 30 + "-0", "2-0\n"])
def test_an_offset_without_an_entry_is_not_recovered(offset: str) -> None:
    ring = ring_of(10, max_entries=5)
    ring.append(Item(StreamId(11, 0)))
    assert ring.resume("e", since(offset)) == NotRecovered(GapReason.TRIMMED)


def test_another_epoch_is_not_recovered_whatever_the_offset() -> None:
    assert ring_of(3).resume("e", since("3-0", "old")) == NotRecovered(GapReason.EPOCH)


def test_exactly_the_limit_is_recovered_and_one_more_is_not() -> None:
    ring = ring_of(6, max_entries=5)
    assert isinstance(ring.resume("e", since("1-0")), Recovered)
    ring.append(Item(StreamId(7, 0)))
    assert ring.resume("e", since("1-0")) == NotRecovered(GapReason.TRIMMED)


def test_the_limit_of_bytes_counts_as_well() -> None:
    ring = ring_of(10, max_entries=100, max_bytes=50)
    assert len(ring) == 5
    assert isinstance(ring.resume("e", since("5-0")), Recovered)
    assert ring.resume("e", since("4-0")) == NotRecovered(GapReason.TRIMMED)


def test_what_can_never_be_asked_for_again_does_not_stay_in_memory() -> None:
    ring: Ring[Item] = Ring(max_entries=1_000)
    alive: weakref.WeakSet[Item] = weakref.WeakSet()
    for n in range(1, 10_001):
        item = Item(StreamId(n, 0))
        alive.add(item)
        ring.append(item)
        del item
        assert len(alive) <= 1_000 + 100
    assert len(ring) == 1_000


@given(st.lists(st.integers(1, 3), min_size=1, max_size=80), st.integers(1, 12), st.integers(5, 200))
def test_what_a_ring_gives_is_always_the_whole_rest(gaps: list[int], entries: int, size: int) -> None:
    ring: Ring[Item] = Ring(max_entries=entries, max_bytes=size)
    ids: list[StreamId] = []
    ms = 0
    for gap in gaps:
        ms += gap
        ids.append(StreamId(ms, 0))
        ring.append(Item(ids[-1]))
    for candidate in [START, *(StreamId(n, 0) for n in range(ms + 2))]:
        found = ring.after(candidate)
        if found is not None:
            assert candidate in {START, *ids}
            assert [item.id for item in found] == [i for i in ids if i > candidate]
    assert ring.last == ids[-1]
    assert ring.after(ids[-1]) is not None


@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_an_id_is_read_as_it_was_written(ms: int, seq: int) -> None:
    assert parse_stream_id(str(StreamId(ms, seq))) == (ms, seq)
