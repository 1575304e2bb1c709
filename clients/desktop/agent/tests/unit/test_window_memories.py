"""What an agent remembers for windows is bounded, and what a slow window gets is as its event's policy says."""

from __future__ import annotations

import asyncio
import json

from pulse_agent.domain.connection import ConnectionReason, ConnectionState
from pulse_agent.domain.drain_meter import DrainMeter
from pulse_agent.domain.reading import StoredReading
from pulse_agent.local_protocol.log_memory import MAX_FIELDS_CHARS, MAX_RECORDS, LogMemory
from pulse_agent.local_protocol.mailbox import Line, Mailbox
from pulse_agent.local_protocol.sample_memory import KEPT_US, MAX_BYTES, MAX_NEWS, MAX_SAMPLES, SampleMemory
from pulse_contracts.local_protocol import EVENTS, EventName
from pulse_contracts.local_status import Connection, Reason


def stored(number: int, at_us: int, text: str = '{"n":1}', channel: str = "test") -> StoredReading:
    return StoredReading(number, at_us, text, channel)


def test_the_words_of_the_agent_are_those_of_the_protocol() -> None:
    assert {reason.value for reason in ConnectionReason} == {reason.value for reason in Reason}
    assert {state.name for state in ConnectionState} == {state.name for state in Connection}


def test_samples_of_a_fast_source_are_thinned_and_old_ones_go() -> None:
    memory = SampleMemory()
    memory.take([stored(n, n * 10_000) for n in range(1, 1_001)])
    assert 18 <= len(memory.since(0)) <= 22
    memory.take([stored(2_000, KEPT_US + 5_000_000)])
    assert [reading.sequence for reading in memory.since(0) if reading.recorded_at_us < 4_000_000] == []
    assert memory.since(KEPT_US) == [stored(2_000, KEPT_US + 5_000_000)]
    assert len(memory.news()) == MAX_NEWS
    assert memory.news() == []


def test_samples_are_bounded_in_number_and_bytes() -> None:
    memory = SampleMemory()
    memory.take([stored(n, n * 100, channel=f"c{n}") for n in range(1, 3 * MAX_SAMPLES)])
    assert len(memory.since(0)) == MAX_SAMPLES
    large = json.dumps({"t": "x" * 10_000})
    memory.take([stored(n, n * 600_000, large) for n in range(10_000, 10_200)])
    assert sum(len(reading.metrics_json) for reading in memory.since(0)) <= MAX_BYTES
    assert memory.first_sequence is not None


def test_the_log_is_bounded_and_numbered() -> None:
    memory = LogMemory()
    for number in range(MAX_RECORDS + 10):
        memory.take({"event": "happened", "level": "info", "part": "test", "service": "agent", "number": number})
    kept = memory.after(0)
    assert (len(kept), kept[0].number) == (MAX_RECORDS, 11)
    assert json.loads(kept[-1].fields) == {"number": MAX_RECORDS + 9}
    memory.take({"event": "long", "level": "error", "text": "y" * 10_000})
    (last,) = memory.after(kept[-1].number)
    assert len(last.fields) <= MAX_FIELDS_CHARS


def test_a_drain_has_a_rate_and_an_end_and_begins_anew_after_a_cut() -> None:
    meter = DrainMeter()
    assert meter.progress(0.0, 500) is None
    meter.start(1_000.0, 500)
    first = meter.progress(10.0, 500)
    assert first is not None
    assert (first.rate, first.seconds_left, first.started_with) == (None, None, 500)
    later = meter.progress(12.0, 300)
    assert later is not None
    assert (later.rate, later.seconds_left, later.started_at) == (100.0, 3.0, 1_000.0)
    meter.start(2_000.0, 300)
    assert meter.progress(13.0, 200).started_at == 1_000.0  # type: ignore[union-attr] # it is the same drain
    meter.stop()
    assert meter.progress(14.0, 200) is None


async def taken(mailbox: Mailbox) -> list[tuple[EventName, dict[str, object]]]:
    return [item for item in await mailbox.take() if not isinstance(item, Line)]


async def test_of_a_state_the_newest_wins_and_values_and_entities_merge() -> None:
    mailbox = Mailbox()
    for number in range(100):
        mailbox.post(EventName.STATE, {"now_ms": number})
        mailbox.post(EventName.READING, {"values": {f"m{number % 3}": {"value": number, "at_ms": number}}})
        mailbox.post(EventName.CHANGED, {"entities": ["users" if number % 2 else "roles"]})
    found = dict(await taken(mailbox))
    assert found[EventName.STATE] == {"now_ms": 99}
    values = found[EventName.READING]["values"]
    assert {key: value["value"] for key, value in values.items()} == {"m0": 99, "m1": 97, "m2": 98}  # type: ignore[attr-defined]
    assert found[EventName.CHANGED] == {"entities": ["roles", "users"]}


async def test_of_log_records_the_oldest_go_and_are_counted_and_answers_come_first() -> None:
    mailbox = Mailbox()
    bound = EVENTS[EventName.LOG].bound
    for number in range(bound + 7):
        mailbox.post(EventName.LOG, {"records": [number]})
    mailbox.answer(b"answer\n")
    items = await mailbox.take()
    assert items[0] == Line(b"answer\n", is_answer=True)
    assert len(items) == bound + 1
    assert items[1] == (EventName.LOG, {"records": [7]})
    assert (mailbox.dropped(EventName.LOG), mailbox.dropped(EventName.LOG)) == (7, 0)


async def test_a_closed_mailbox_is_emptied_and_then_ends() -> None:
    mailbox = Mailbox()
    mailbox.say(b"last words\n")
    mailbox.close()
    assert len(await mailbox.take()) == 1
    async with asyncio.timeout(60):
        assert await mailbox.take() == []
