"""The fast decoder reads what the contract accepts, and one bad entry is one error."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_contracts.streams import TelemetryAnnounced
from pulse_gateway.domain.stream_id import StreamId
from pulse_gateway.messaging.decoding import (
    BadEntryError,
    decode_access,
    decode_alarm,
    decode_audit,
    decode_command,
    decode_device,
    decode_telemetry,
)

ENTRY = StreamId(7, 1)
values = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=20)
)
names = st.text(string.ascii_letters, min_size=1, max_size=8)
rows = st.lists(
    st.tuples(
        names,
        st.integers(0, 2**45),
        st.sampled_from(["good", "suspect"]),
        st.dictionaries(names, values, min_size=1, max_size=4),
    ),
    max_size=6,
)


@given(rows, st.integers(0, 2**45))
def test_what_the_contract_writes_is_read(announced: list, at: int) -> None:
    late = [{"device_id": "d", "from_ms": 1, "to_ms": 2, "count": 3}]
    event = TelemetryAnnounced.model_validate({"at": at, "rows": announced, "late": late, "unknown": 1})
    entry = decode_telemetry(ENTRY, event.model_dump_json().encode())
    assert [(device, ts, quality.value, metrics) for device, ts, quality, metrics in event.rows] == [
        (r.device_id, r.rows[0][2], r.rows[0][4], {row[1]: row[3] for row in r.rows}) for r in entry.readings
    ]
    assert [r.order for r in entry.readings] == [min(ts, at) for _, ts, _, _ in event.rows]
    assert entry.late == tuple(event.late)


@pytest.mark.parametrize(
    "decode", [decode_telemetry, decode_device, decode_access, decode_command, decode_alarm, decode_audit]
)
@pytest.mark.parametrize(
    "payload",
    [b"", b"x", b"[]", b"null", b"1", b"{}", b'{"at":"x"}', b'{"at":1,"rows":[1]}', b'{"at":1,"rows":[["d",1]]}',
     b'{"at":1,"rows":[["d","x","good",{"m":1}]]}', b'{"at":1,"late":[{}]}', b"\xff", b'{"device_id":1}'],
)  # fmt: skip
def test_what_is_no_entry_is_a_bad_entry(decode, payload: bytes) -> None:
    with pytest.raises(BadEntryError):
        decode(ENTRY, payload)


def test_unknown_fields_are_survived() -> None:
    entry = decode_device(
        ENTRY, json.dumps({"device_id": "d", "status": {"status": "ONLINE", "x": 1}, "y": 2}).encode()
    )
    assert entry.change.status is not None
    assert entry.change.status.status == "ONLINE"
