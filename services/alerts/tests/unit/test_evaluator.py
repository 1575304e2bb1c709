"""Every kind of rule against an oracle that looks at all readings at once; crashes at any point change nothing."""

from __future__ import annotations

import importlib.util
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pulse_alerts.domain.compiled_rule import compile_rules
from pulse_alerts.domain.conditions import Anomaly, Duration, NoData, Rate, Repetition, Test, Threshold
from pulse_alerts.domain.evaluator import DeviceEvaluator
from pulse_alerts.domain.message import check_template, fill
from pulse_alerts.domain.rule import Editor, Rule, RuleContent
from pulse_alerts.domain.schedule import Schedule

_SPEC = importlib.util.spec_from_file_location("rule_oracle", Path(__file__).parents[1] / "rule_oracle.py")
assert _SPEC is not None
assert _SPEC.loader is not None
oracle: Any = importlib.util.module_from_spec(_SPEC)
__import__("sys").modules["rule_oracle"] = oracle
_SPEC.loader.exec_module(oracle)

START = 1_767_225_600_000  # 2026-01-01
NOBODY = Editor(datetime(2025, 1, 1, tzinfo=UTC))


def rule_of(condition: Any, **more: Any) -> Rule:
    fields: dict[str, Any] = {
        "name": "r",
        "description": "",
        "is_enabled": True,
        "metric": "*",
        "device_ids": (),
        "groups": (),
        "condition": condition,
        "schedule": None,
        "clear_after_ms": 0,
        "severity": "warning",
        "message": "{device}",
        "unit": None,
    }
    return Rule(UUID(int=1), RuleContent(**(fields | more)), 1, 1, NOBODY, NOBODY)


levels = st.integers(-3, 3)
one_sided = st.builds(
    lambda op, level, margin: Test(
        operator=op,
        value=level,
        clear_value=None if margin is None else level - margin if op[0] == ">" else level + margin,
    ),
    st.sampled_from([">", ">=", "<", "<="]),
    levels,
    st.none() | st.integers(0, 2),
)
between = st.builds(
    lambda low, width, margin: Test(
        operator="between",
        low=low,
        high=low + width,
        clear_low=None if margin is None else low - margin,
        clear_high=None if margin is None else low + width + margin,
    ),
    levels,
    st.integers(0, 3),
    st.none() | st.integers(0, 2),
)
outside = st.builds(
    lambda low, margin: Test(
        operator="outside",
        low=low,
        high=low + 4,
        clear_low=None if margin is None else low + margin,
        clear_high=None if margin is None else low + 4 - margin,
    ),
    levels,
    st.none() | st.integers(0, 2),
)
equal = st.builds(
    lambda op, value: Test(operator=op, value=value),
    st.sampled_from(["==", "!="]),
    levels | st.booleans() | st.sampled_from(["on", "off"]),
)
texts = st.sampled_from([Test(operator="contains", value="o"), Test(operator="in", values=["on", "err"])])
tests = one_sided | between | outside | equal | texts
seconds = st.integers(1, 30).map(float)
conditions = st.one_of(
    st.builds(Threshold, kind=st.just("threshold"), test=tests),
    st.builds(Duration, kind=st.just("duration"), test=tests, for_seconds=seconds),
    st.builds(Repetition, kind=st.just("repetition"), test=tests, times=st.integers(2, 4), window_seconds=seconds),
    st.builds(
        Rate,
        kind=st.just("rate"),
        operator=st.sampled_from([">", ">="]),
        value=st.integers(0, 2),
        clear_value=st.none() | st.just(-0.5),
        per=st.sampled_from(["second", "minute"]),
        window_seconds=seconds,
        is_absolute=st.booleans(),
    ),
    st.builds(
        Anomaly,
        kind=st.just("anomaly"),
        k=st.sampled_from([1.0, 3.0]),
        clear_k=st.none() | st.just(0.5),
        min_deviation=st.sampled_from([0.0, 1.0]),
        window_readings=st.integers(10, 14),
        warm_up=st.integers(5, 8),
        direction=st.sampled_from(["both", "above", "below"]),
    ),
)
schedules = st.none() | st.builds(
    Schedule,
    days=st.sampled_from([[3], [4, 2], [0, 1, 2, 3, 4, 5, 6]]),
    start=st.sampled_from(["00:00", "00:01", "23:00"]),
    end=st.sampled_from(["00:00", "00:02", "00:01"]),
    time_zone=st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"]),
)
values = levels | st.floats(-3, 3, width=16) | st.booleans() | st.sampled_from(["on", "off", "err"])


@st.composite
def arrivals(draw: Any) -> list[Any]:
    """Readings of a device: mostly forward, some out of order, some late, with pauses."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["a", "a", "a", "b"]),
                st.sampled_from([0, 1, 500, 1_000, 1_000, 1_000, 4_000, 20_000]),
                st.sampled_from([0, 0, 0, 0, 0, 3_000, 50_000, 90_000]),
                values,
            ),
            max_size=60,
        )
    )
    now, found = START, []
    for metric, pause, age, value in steps:
        now += pause
        found.append(oracle.Arrival(metric, now - age, now, value))
    return found


def feed(evaluator: DeviceEvaluator, one: Any) -> None:
    if one.is_late:
        evaluator.hear_late(one.received)
    else:
        evaluator.observe(one.at, one.received, {one.metric: one.value})


def alarms_of(findings: list[Any]) -> list[Any]:
    found: list[Any] = []
    for finding in findings:
        if finding.is_raised:
            found.append(oracle.Expected(finding.at_ms, None, finding.metric))
        else:
            found[-1] = oracle.Expected(found[-1].raised, finding.at_ms, found[-1].metric)
    return found


@settings(max_examples=300)
@given(conditions, schedules, st.sampled_from([0, 0, 1_000, 5_000]), arrivals(), st.sampled_from(["*", "a", "?"]))
def test_each_kind_finds_what_the_oracle_finds(
    condition: Any, schedule: Any, clear_after: int, readings: list[Any], glob: str
) -> None:
    rule = rule_of(condition, schedule=schedule, clear_after_ms=clear_after, metric=glob)
    evaluator = DeviceEvaluator("D", 0, compile_rules([rule])("D", ()))
    for one in readings:
        feed(evaluator, one)
    assert alarms_of(evaluator.findings) == oracle.expected_alarms(rule.content, readings)


@settings(max_examples=300)
@given(st.integers(5, 30), st.sampled_from([None, "*", "a"]), arrivals(), st.integers(0, 60))
def test_silence_is_found_alike_by_the_clock_and_by_what_ends_it(
    for_seconds: int, metric: str | None, readings: list[Any], looks: int
) -> None:
    rule = rule_of(NoData(kind="no_data", for_seconds=for_seconds), metric=metric)
    now = (readings[-1].received if readings else START) + 25_000
    by_end, by_clock = (DeviceEvaluator("D", 0, compile_rules([rule])("D", ())) for _ in range(2))
    for number, one in enumerate(readings):
        if number % (looks + 1) == 0:
            by_clock.pass_time(one.received - 1, is_offline=False)
        feed(by_end, one)
        feed(by_clock, one)
    for evaluator in (by_end, by_clock):
        evaluator.pass_time(now, is_offline=False)
        assert alarms_of(evaluator.findings) == oracle.expected_alarms(rule.content, readings, now=now)


@settings(max_examples=200)
@given(conditions, arrivals(), st.integers(0, 60), st.integers(0, 60))
def test_what_is_kept_and_read_again_goes_on_as_if_nothing_had_happened(
    condition: Any, readings: list[Any], crash: int, back: int
) -> None:
    rule = rule_of(condition, clear_after_ms=1_000)
    steady, crashing = (DeviceEvaluator("D", 0, compile_rules([rule])("D", ())) for _ in range(2))
    for one in readings:
        feed(steady, one)
    for one in readings[:crash]:
        feed(crashing, one)
    again = DeviceEvaluator("D", 0, compile_rules([rule])("D", ()))
    again.load(json.loads(json.dumps(crashing.dump())))
    for one in readings[max(0, crash - back) :]:  # some come again
        feed(again, one)
    assert [*crashing.findings, *again.findings] == steady.findings


@settings(max_examples=200)
@given(st.lists(one_sided | between | outside, min_size=1, max_size=5), arrivals())
def test_rules_that_rest_between_their_levels_find_the_same_as_alone(
    levels_of: list[Test], readings: list[Any]
) -> None:
    rules = []
    for number, test in enumerate(levels_of):
        alone = rule_of(Threshold(kind="threshold", test=test))
        rules.append(Rule(UUID(int=number), alone.content, 1, 1, NOBODY, NOBODY))
    together = DeviceEvaluator("D", 0, compile_rules(rules)("D", ()))
    for one in readings:
        feed(together, one)
    for rule in rules:
        found = [finding for finding in together.findings if finding.rule is rule]
        assert alarms_of(found) == oracle.expected_alarms(rule.content, readings)


def test_a_rule_is_only_for_its_devices_and_groups() -> None:
    condition = Threshold(kind="threshold", test=Test(operator=">", value=1))
    rules_for = compile_rules(
        [
            rule_of(condition, device_ids=("D1",)),
            Rule(UUID(int=2), rule_of(condition, groups=("hall",)).content, 1, 1, NOBODY, NOBODY),
            Rule(UUID(int=3), rule_of(condition, is_enabled=False).content, 1, 1, NOBODY, NOBODY),
        ]
    )
    assert [c.rule.id.int for c in rules_for("D1", ())] == [1]
    assert [c.rule.id.int for c in rules_for("D2", ("hall", "x"))] == [2]
    assert sorted(c.rule.id.int for c in rules_for("D1", ("hall",))) == [1, 2]
    assert rules_for("D2", ()) == []


def test_a_clock_that_is_ahead_silences_nothing() -> None:
    rule = rule_of(Threshold(kind="threshold", test=Test(operator=">", value=1)))
    evaluator = DeviceEvaluator("D", 0, compile_rules([rule])("D", ()))
    evaluator.observe(START + 3_600_000, START, {"a": 0})
    evaluator.observe(START + 1_000, START + 1_000, {"a": 5})
    assert [finding.at_ms for finding in evaluator.findings] == [START + 1_000]


@pytest.mark.parametrize(
    "broken",
    [
        {"operator": ">"},
        {"operator": ">", "value": True},
        {"operator": ">", "value": "x"},
        {"operator": ">", "value": 5, "clear_value": 6},
        {"operator": "<", "value": 5, "clear_value": 4},
        {"operator": "between", "low": 3, "high": 2},
        {"operator": "between", "low": 1, "high": 2, "clear_low": 0},
        {"operator": "outside", "low": 1, "high": 4, "clear_low": 0, "clear_high": 5},
        {"operator": "contains", "value": 5},
        {"operator": "in"},
        {"operator": "==", "value": 1, "low": 2},
        {"operator": ">", "value": float("nan")},
    ],
)
def test_a_test_that_means_nothing_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Test.model_validate(broken)


@pytest.mark.parametrize("broken", ["", "{", "{nobody}", "{device.__class__}", "{device!r}", "{value:>1000000}", "{0}"])
def test_a_message_can_name_its_places_and_nothing_else(broken: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_template(broken)


def test_a_message_is_filled() -> None:
    template = check_template("{device}: {metric} is {value} {unit} {{really}}")
    assert fill(template, {"device": "D", "metric": "t", "value": "51"}) == "D: t is 51  {really}"
