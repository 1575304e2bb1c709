"""Events of a log reach a socket once each and in order; what cannot be kept is never left out in silence."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pulse_contracts.frames import Topic
from pulse_gateway.domain.events import EVENT_QUEUE_BYTES, Event, EventPending, EventTick
from pulse_gateway.domain.pending import FRAME_BYTES, FRAME_ROWS, StatePending
from pulse_gateway.domain.selection import AllBut, Selection
from pulse_gateway.domain.stream_id import START, StreamId
from pulse_gateway.domain.ticks import StateTick
from pulse_gateway.use_cases.outbox import HIGH_BYTES, Outbox
from pulse_gateway.use_cases.subscription import Subscription


def event(n: int, device_id: str = "d", text: str = "") -> Event:
    item = {"id": str(n), "ts": n, "kind": "command", "data": {"device_id": device_id, "message": text}}
    return Event(StreamId(n, 0), 100, device_id, json.dumps(item))


def tick(*events: Event) -> EventTick:
    return EventTick(events[-1].id, list(events))


def drained(pending: EventPending) -> list[dict[str, Any]]:
    frames = []
    while (parcel := pending.take(START)) is not None:
        assert parcel.kind == "event"
        frame = json.loads("{" + parcel.body)
        assert str(parcel.offset) == frame["offset"]
        frames.append(frame)
    assert not pending
    return frames


def ids(frames: list[dict[str, Any]]) -> list[int]:
    return [int(item["id"]) for frame in frames for item in frame["items"]]


@settings(max_examples=30)
@given(
    replayed=st.integers(0, 1200),
    ticks=st.lists(st.integers(1, 700), max_size=6),
    known=st.integers(0, 300),
    taken=st.integers(0, 3),
    size=st.sampled_from([0, 150, 900]),
)
def test_every_event_arrives_once_and_in_order(
    replayed: int, ticks: list[int], known: int, taken: int, size: int
) -> None:
    pending, told = EventPending(), []
    pending.replay(event(n, text="x" * size) for n in range(1, replayed + 1))
    last = replayed
    for number, count in enumerate(ticks):
        # The first tick may hold what the replay told already.
        first = last + 1 - (known if number == 0 else 0)
        batch = [event(n, text="x" * size) for n in range(max(1, first), last + count + 1)]
        pending.absorb(tick(*batch), StreamId(replayed, 0))
        last += count
        for _ in range(taken):
            parcel = pending.take(START)
            told += [] if parcel is None else [json.loads("{" + parcel.body)]
    told += drained(pending)
    assert ids(told) == list(range(1, last + 1))
    assert [f["offset"] for f in told] == [f"{f['items'][-1]['id']}-0" for f in told]
    assert all(len(f["items"]) <= FRAME_ROWS for f in told)
    assert all(len(json.dumps(f["items"], separators=(",", ":"))) <= FRAME_BYTES or len(f["items"]) == 1 for f in told)


def test_a_tick_of_one_frame_is_serialised_once_and_a_larger_one_goes_at_the_sockets_pace() -> None:
    small = tick(event(1), event(2))
    (parcel,) = small.parcels() or []
    assert small.parcels() is small.parcels()
    assert (parcel.kind, parcel.offset) == ("event", StreamId(2, 0))
    assert small.first == StreamId(1, 0)
    assert tick(*(event(n) for n in range(1, FRAME_ROWS + 2))).parcels() is None
    assert tick(*(event(n, text="x" * 1000) for n in range(1, 80))).parcels() is None


@settings(max_examples=8)
@given(st.integers(1, 16))
def test_above_its_bound_a_backlog_says_so_and_nothing_of_it_was_left_out(batches: int) -> None:
    pending = EventPending()
    pending.replay(event(n, text="x" * 1000) for n in range(1, 1001))
    assert not pending.is_overfull
    count = 1000
    for _ in range(batches):
        pending.absorb(tick(*(event(count + n, text="x" * 1000) for n in range(1, 101))), START)
        count += 100
    absorbed = sum(len(event(n, text="x" * 1000).item) for n in range(1001, count + 1))
    assert pending.is_overfull == (absorbed > EVENT_QUEUE_BYTES)
    assert ids(drained(pending)) == list(range(1, count + 1))
    assert not pending.is_overfull


async def test_a_socket_that_leaves_events_waiting_is_ended_and_none_of_them_was_left_out() -> None:
    overflows: list[int] = []
    pending = EventPending()
    outbox = Outbox(lambda: overflows.append(1), lambda _kind: None)
    member = Subscription("s", Topic.COMMANDS, Selection(), pending, outbox)
    member.deliver(tick(event(1)))
    assert (outbox.bytes > 0, bool(pending)) == (True, False)
    outbox.put("event", "x" * HIGH_BYTES)  # as if the line stood still
    count = 1
    while not overflows:
        member.deliver(tick(*(event(count + n, text="x" * 1000) for n in range(1, 101))))
        count += 100
    assert count * 1100 > EVENT_QUEUE_BYTES
    assert ids(drained(pending)) == list(range(2, count + 1))


def test_events_of_devices_that_may_not_be_seen_any_more_are_dropped() -> None:
    pending = EventPending()
    pending.replay([event(1, "mine"), event(2, "theirs")])
    pending.absorb(tick(event(3, "theirs"), event(4, "mine")), START)
    pending.drop({"theirs"})
    assert ids(drained(pending)) == [1, 4]
    pending.absorb(tick(event(5, "theirs"), event(6, "mine"), event(7, "other")), START)
    pending.drop(AllBut({"mine"}))
    assert ids(drained(pending)) == [6]


def test_a_settings_object_is_dropped_with_its_device_and_one_for_everybody_stays() -> None:
    pending = StatePending(lambda key: key.split("/")[1] or None)
    changes = {"device/mine/k": "1", "device/theirs/k": '"secret"', "all//k": "2"}
    pending.absorb(StateTick(StreamId(1, 0), dict(changes)), START)
    pending.drop(AllBut({"mine"}))
    parcel = pending.take(START)
    assert parcel is not None
    frame = json.loads("{" + parcel.body)
    assert frame["set"] == {"device/mine/k": 1, "all//k": 2}
    assert frame["del"] == ["device/theirs/k"]
