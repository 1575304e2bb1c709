"""Schedules, arguments, declarations, and what of a device's words can be kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_commands.domain.asking import NOTHING_TRIED, Patience, broker_keeps_seconds
from pulse_commands.domain.specifications import argument_problem, arguments_in_bounds, declaration_problem
from pulse_commands.domain.storable import LAST_MS, json_bytes, storable_json
from pulse_commands.messaging.report_reading import MAX_REPORT_BYTES, read_report
from pulse_commands.use_cases.take_reports import Unreadable
from pulse_contracts.commands import BUILT_IN_COMMANDS, MAX_RESULT_BYTES, CommandSpec, StatusReport
from pulse_contracts.value_specs import ValueSpec, ValueType

NOW = datetime(2026, 11, 21, tzinfo=UTC)
JTI = "00000000-0000-4000-8000-000000000001"


def test_an_unanswered_command_is_published_again_after_growing_pauses_up_to_a_bound():
    patience = Patience(retry=timedelta(seconds=2), longest_retry=timedelta(seconds=30))
    schedule, pauses = NOTHING_TRIED, []
    for _ in range(6):
        schedule = patience.published(schedule, NOW)
        assert schedule.ask_at is not None
        pauses.append((schedule.ask_at - NOW).total_seconds())
    assert pauses == [2, 4, 8, 16, 30, 30]
    assert patience.heard(schedule, NOW).attempts == 0


def test_an_unknown_command_is_asked_for_at_once_and_then_rarely_for_days():
    patience = Patience()
    schedule = patience.given_up(NOTHING_TRIED, NOW)
    assert (schedule.ask_at, schedule.ask_until) == (NOW, NOW + timedelta(days=7))
    assert patience.published(schedule, NOW).ask_at == NOW + patience.unknown_retry


def test_the_broker_keeps_a_command_as_long_as_it_is_good_and_a_question_for_a_moment():
    assert broker_keeps_seconds(NOW + timedelta(seconds=90), NOW) == 90
    assert broker_keeps_seconds(NOW + timedelta(milliseconds=10), NOW) == 1
    assert broker_keeps_seconds(NOW - timedelta(days=1), NOW) == 30


@pytest.mark.parametrize(
    ("names", "arguments", "is_fine"),
    [
        (["BLINK"], {"times": ValueSpec(type=ValueType.INTEGER)}, True),
        (["PING"], {}, False),
        (["BLINK", "BLINK"], {}, False),
        (["BLINK"], {"Two Words": ValueSpec(type=ValueType.TEXT)}, False),
        (["BLINK"], {"\n": ValueSpec(type=ValueType.TEXT)}, False),
    ],
)
def test_a_device_declares_neither_built_in_names_nor_one_twice_nor_odd_arguments(names, arguments, is_fine):
    specs = [CommandSpec(name=name, arguments=arguments) for name in names]
    assert (declaration_problem(specs) is None) is is_fine


def test_arguments_that_no_command_could_carry_are_found_before_anything_is_asked():
    assert arguments_in_bounds({"x": 1}) is None
    for args in ({"x": float("nan")}, {"x": "\udc00"}, {"x": "y" * 17_000}):
        assert arguments_in_bounds(args) is not None


@pytest.mark.parametrize("text", ["NaN", "[" * 100_000, "", "{'a': 1}"])
def test_a_setting_that_is_no_json_is_refused(text):
    args = {"key": "custom.x", "value_json": text}
    problem = argument_problem(BUILT_IN_COMMANDS["UPDATE_CONFIG"], args)
    assert problem is not None
    assert problem.argument == "value_json"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(anything)
def test_whatever_a_device_says_can_be_kept_once_it_is_made_storable(value):
    kept = storable_json(value)
    text = json.dumps(kept, allow_nan=False)
    assert "\\u0000" not in text.replace("\\\\", "")
    assert json_bytes(kept) > 0
    assert storable_json(kept) == kept


@given(st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode()))
def test_reading_a_report_never_raises(payload):
    assert read_report(payload) is not None


def status(**fields: object) -> bytes:
    return json.dumps({"type": "status", "jti": JTI, "state": "succeeded", "at": 1, **fields}).encode()


def test_a_report_is_read_and_what_is_too_much_of_it_refused():
    assert isinstance(read_report(status(result={"a": [1, 2]})), StatusReport)
    assert isinstance(read_report(status(result="x" * (MAX_RESULT_BYTES - 2))), StatusReport)
    refused = {
        status(result="x" * MAX_RESULT_BYTES): "too_large",
        status(result="x" * MAX_REPORT_BYTES): "too_large",
        b" " * 300_000: "too_large",
        status(at=LAST_MS + 1): "malformed",
        status(at=-1): "malformed",
        status(state="queued"): "malformed",
        status(progress=2): "malformed",
        status(jti="nobody"): "malformed",
        status(result=0).replace(b'": 0', b'": 1' + b"0" * 5000): "malformed",
        status(result=0).replace(b'": 0', b'": ' + b"[" * 9000 + b"]" * 9000): "malformed",
        b"": "malformed",
        b"null": "malformed",
        b'{"type": "other"}': "malformed",
        b'{"type": "status"': "malformed",
        b"\xff\xfe": "malformed",
    }
    for payload, code in refused.items():
        said = read_report(payload)
        assert isinstance(said, Unreadable), payload[:80]
        assert said.code == code
