"""What leaves: acks and stream entries parse as their contracts; sample rows; array texts; no API key anywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_contracts.acks import Ack
from pulse_contracts.ids import ClientId
from pulse_contracts.streams import MAX_ENTRY_BYTES, LateSpan, TelemetryAnnounced
from pulse_ingest.messaging.presence_payload import read_presence
from pulse_ingest.messaging.redaction import MAX_RAW_BYTES, redacted
from pulse_ingest.messaging.wire import encode_ack, encode_announcement
from pulse_ingest.storage.sample_rows import encode_samples, group_by_series
from pulse_ingest.use_cases.ports import AckDraft, AnnouncedRows

NOW = 1_790_000_000_000_000


def test_ack_is_what_the_contract_says() -> None:
    draft = AckDraft(ClientId("D"), 3, 41, [(40, 41)], [(7, "bad_value", "x"), (None, "not_json", "y")], 20_000, 5)
    ack = Ack.model_validate_json(encode_ack(draft, 123))
    assert (ack.epoch, ack.cum, ack.ok, ack.unknown_epoch) == (3, 41, [(40, 41)], False)
    assert ack.rej == [(7, "bad_value", "x"), (None, "not_json", "y")]
    assert (ack.credit.rows_s, ack.credit.window, ack.server_time) == (20_000, 5, 123)
    unknown = AckDraft(ClientId("D"), 9, unknown_epoch=True)
    assert Ack.model_validate_json(encode_ack(unknown, 1)).unknown_epoch


values = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))
row = st.tuples(
    st.sampled_from([ClientId("A"), ClientId("B")]),
    st.integers(NOW - 10**13, NOW + 10**13),
    st.just(NOW),
    st.dictionaries(st.sampled_from(["a", "b", "c"]), values, min_size=1),
)


@given(st.lists(row, max_size=50))
def test_announcement_holds_every_row_once_in_order(rows: list[Any]) -> None:
    late = [LateSpan(device_id="A", from_ms=1, to_ms=2, count=3)]
    entries = encode_announcement(AnnouncedRows(rows, late), 5)
    events = [TelemetryAnnounced.model_validate_json(entry) for entry in entries]
    assert [(item[0], item[1], item[3]) for event in events for item in event.rows] == [
        (client, recorded // 1000, metrics) for client, recorded, _, metrics in rows
    ]
    assert [span for event in events for span in event.late] == late


@pytest.mark.parametrize("count", [1, 700, 5000])
@pytest.mark.parametrize("text", ["x" * 256, "😀" * 256])
def test_no_entry_of_the_stream_is_larger_than_64_kib(count: int, text: str) -> None:
    rows = [
        (ClientId("D"), NOW + number, NOW, {f"metric{m}": text for m in range(64)}) for number in range(count // 50 + 1)
    ]
    rows += [(ClientId("D"), NOW, NOW, {"a": number}) for number in range(count)]
    entries = encode_announcement(AnnouncedRows(rows, []), 5)
    assert max(map(len, entries)) <= MAX_ENTRY_BYTES
    events = [TelemetryAnnounced.model_validate_json(entry) for entry in entries]
    told = sum(len(item[3]) for event in events for item in event.rows)
    assert told == sum(len(metrics) for *_, metrics in rows)


def test_same_series_time_and_sequence_is_encoded_once_and_the_first_arrival_wins() -> None:
    ids = {ClientId("D"): {"a": 5}}
    plain = [(ClientId("D"), 7, NOW, {"a": value}, NOW) for value in (1.0, 2.0)]
    plain.append((ClientId("D"), 8, NOW, {"a": 3.0}, NOW))
    samples = encode_samples(group_by_series([], plain, ids))
    assert samples.count == 2
    assert samples.latest == [(5, (NOW, 8, 0, NOW, 3.0))]
    first = encode_samples(group_by_series([], plain[:1], ids)).data
    assert samples.data.startswith(first[:-2])


def test_latest_value_of_a_clock_that_is_ahead_is_the_last_received() -> None:
    ids = {ClientId("D"): {"a": 5}}
    ahead = [
        (ClientId("D"), 1, NOW + 9_000_000, {"a": 1.0}, NOW),
        (ClientId("D"), 2, NOW + 8_000_000, {"a": 2.0}, NOW + 1_000),
    ]
    assert encode_samples(group_by_series([], ahead, ids)).latest[0][1][1] == 2


KEY = "pk_CANARY_0123456789abcdef"
LEAKS = {
    "flat": json.dumps({"device_id": "D", "api_key": KEY, "t": None}).encode(),
    "nested": json.dumps({"telemetry": {"deep": [{"Api-Key": KEY}]}}).encode(),
    "escaped name": ('{"api\\u005fkey":"' + KEY + '"}').encode(),
    "escaped name, cut off": ('{"api\\u005fkey":"' + KEY).encode(),
    "cut off": ('{"a":1,"api_key":"' + KEY).encode(),
    "not JSON": f"api_key={KEY}&t=1".encode(),
    "single quotes": f"{{'api_key':'{KEY}'}}".encode(),
    "not UTF-8": b"\xff" + json.dumps({"apikey": KEY}).encode(),
    "UTF-16": json.dumps({"api_key": KEY}).encode("utf-16"),
    "twice": ('{"api_key":"' + KEY + '","api_key":"' + KEY + '"}').encode(),
    "too deep": ("[" * 5000 + '{"api_key":"' + KEY + '"}').encode(),
}


@pytest.mark.parametrize("case", LEAKS)
def test_no_api_key_is_left_in_what_is_kept(case: str) -> None:
    kept = redacted(LEAKS[case])
    assert KEY.encode() not in kept
    assert KEY.encode() not in kept.replace(b"\x00", b"")


@given(st.binary(max_size=200))
def test_redaction_never_fails_and_leaves_other_bytes_as_they_are(payload: bytes) -> None:
    kept = redacted(payload)
    if b"\\" not in payload and b"key" not in payload.replace(b"\x00", b"").lower():
        assert kept == payload


def test_specimen_of_a_refused_message_is_bounded() -> None:
    assert len(redacted(b"x" * 10**6)) == MAX_RAW_BYTES


@given(st.one_of(st.binary(max_size=100), st.text(max_size=60).map(str.encode)))
def test_presence_payload_is_never_an_exception(payload: bytes) -> None:
    assert read_presence(payload) is not None
