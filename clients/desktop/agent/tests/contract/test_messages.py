"""Whatever the agent sends parses as the contract says, and whatever the contract allows to come down is understood."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pulse_agent.delivery.messages import Speaker, loss_declaration, read_downlink
from pulse_agent.domain.quota import Fullness
from pulse_agent.domain.reading import InvalidReadingError, Reading, StoredReading, encode_reading, run_of
from pulse_agent.outbox.rows import LossRecord
from pulse_agent.outbox.writer import OutboxStats
from pulse_contracts.acks import Ack, Credit, Welcome
from pulse_contracts.ids import ClientId
from pulse_contracts.presence import Heartbeat, Hello
from pulse_contracts.telemetry import BufferRun, LossDeclaration

STATS = OutboxStats(3, 400, 12, 9, 2, 0, 0, Fullness.NORMAL, disk_low=False)
SPEAKER = Speaker(ClientId("pump-1"), "0123456789abcdef", "0.1.0")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEYS = st.text(st.sampled_from("abcXYZ019_.:/- é"), min_size=0, max_size=70)
VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**64), 2**64),
    st.floats(),
    st.text(max_size=300),
    st.text(st.characters(codec=None), max_size=5),
)


@given(st.dictionaries(KEYS, VALUES, max_size=70), st.integers(-(2**63), 2**63 - 1))
def test_the_agent_accepts_exactly_what_the_contract_accepts(
    metrics: dict[str, bool | int | float | str], at: int
) -> None:
    try:
        encoded = encode_reading(Reading(at, metrics))
    except InvalidReadingError:
        with pytest.raises(ValidationError):
            BufferRun.model_validate({"v": 1, "epoch": 1, "first": 1, "rows": [[at, metrics]]})
        return
    message = run_of([StoredReading(7, at, encoded.metrics_json, "c")]).message(3)
    parsed = BufferRun.model_validate_json(message)
    assert (parsed.epoch, parsed.first, parsed.rows) == (3, 7, [(at, metrics)])
    assert [type(value) for value in parsed.rows[0][1].values()] == [type(value) for value in metrics.values()]


def test_hello_heartbeat_will_and_goodbye_parse() -> None:
    hello = Hello.model_validate_json(SPEAKER.hello(STATS, 2, 5))
    assert (hello.next, hello.oldest_unacked, hello.count, hello.epoch) == (12, 9, 3, 2)
    beat = Heartbeat.model_validate_json(SPEAKER.heartbeat(STATS, NOW))
    assert (beat.status, beat.buffered, beat.oldest_unacked) == ("ONLINE", 3, 9)
    assert Heartbeat.model_validate_json(SPEAKER.last_will(STATS, NOW)).status == "OFFLINE"
    assert Heartbeat.model_validate_json(SPEAKER.goodbye(STATS, NOW)).reason == "stopped"


def test_a_loss_declaration_parses() -> None:
    payload = loss_declaration(4, [LossRecord(1, 5, "quota"), LossRecord(9, 9, "corrupt")])
    assert LossDeclaration.model_validate_json(payload).lost == [(1, 5, "quota"), (9, 9, "corrupt")]


def test_ack_and_welcome_are_told_apart() -> None:
    credit = Credit(rows_s=10, window=2)
    ack = Ack(
        epoch=1, cum=5, ok=[(7, 9)], rej=[(8, "bad_value", "x"), (None, "not_json", "y")], credit=credit, server_time=1
    )
    welcome = Welcome(epoch=1, cum=5, received=[(7, 9)], head=(9, 1), credit=credit, server_time=1)
    assert read_downlink(ack.model_dump_json().encode()) == ack
    assert read_downlink(welcome.model_dump_json().encode()) == welcome


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"null", b"\xff", b"{}", b'{"type":"other"}', b'{"epoch":-1}'])
def test_nonsense_is_not_understood_and_harms_nothing(payload: bytes) -> None:
    assert read_downlink(payload) is None


def test_an_old_ack_with_fields_of_the_future_is_understood() -> None:
    fields = {
        "v": 1,
        "epoch": 1,
        "cum": 3,
        "credit": {"rows_s": 5, "window": 1, "more": 1},
        "server_time": 1,
        "new": [],
    }
    understood = read_downlink(json.dumps(fields).encode())
    assert isinstance(understood, Ack)
    assert understood.cum == 3
