"""What holds on a device, where two differ, and which declarations of keys make sense."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_contracts.configuration import ConfigAddress, ConfigScope, parse_config_id
from pulse_contracts.stamps import make_stamp
from pulse_contracts.value_specs import ValueSpec, ValueType
from pulse_sync.domain.config_entries import (
    AppliedVersion,
    ConfigEntry,
    ConfigKey,
    Setting,
    built_in_keys,
    differences,
    effective_settings,
    spec_problem,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = ("custom.a", "custom.b")
addresses = st.one_of(
    st.builds(lambda key: ("all", "", key), st.sampled_from(KEYS)),
    st.builds(lambda group, key: ("group", group, key), st.sampled_from("abc"), st.sampled_from(KEYS)),
    st.builds(lambda key: ("device", "d", key), st.sampled_from(KEYS)),
)


def entry(scope: str, target: str, key: str, value: Any, version: int = 1) -> ConfigEntry:
    address = ConfigAddress(scope=ConfigScope(scope), target=target, key=key)
    return ConfigEntry(address, value, version, make_stamp(1000), None, "web")


@given(st.dictionaries(addresses, st.integers(0, 9)), st.integers(-1, 9))
def test_the_nearest_entry_holds_whatever_the_order(values: dict[tuple[str, str, str], int], default: int) -> None:
    entries = [entry(*address, value) for address, value in values.items()]
    keys = {key: ConfigKey(key, ValueSpec(type=ValueType.INTEGER, default=default)) for key in KEYS}
    expected = {}
    for key in KEYS:
        # As a person would say it: the device's own, else of the first group that has one, else everybody's.
        chain = [("device", "d", key), *(("group", group, key) for group in "abc"), ("all", "", key)]
        expected[key] = next((values[address] for address in chain if address in values), default)
    for given_order in (entries, entries[::-1]):
        settings = effective_settings(keys, given_order, [])
        assert {setting.key: setting.value for setting in settings} == expected


def test_a_setting_is_in_force_when_this_very_version_was_applied_without_an_error() -> None:
    holds = entry("all", "", "custom.a", 5, version=3)

    def with_applied(*applied: AppliedVersion) -> bool | None:
        settings = effective_settings({}, [holds], applied)
        return {setting.key: setting for setting in settings}["custom.a"].is_in_force

    assert with_applied() is False
    assert with_applied(AppliedVersion(holds.id, 2, None, NOW)) is False
    assert with_applied(AppliedVersion("group/a/custom.a", 3, None, NOW)) is False
    assert with_applied(AppliedVersion(holds.id, 3, "disk full", NOW)) is False
    assert with_applied(AppliedVersion(holds.id, 3, None, NOW)) is True
    (default,) = effective_settings({"custom.a": ConfigKey("custom.a", ValueSpec(type=ValueType.TEXT))}, [], [])
    assert (default.value, default.is_in_force) == (None, None)


def test_only_values_make_a_difference_and_true_is_not_one() -> None:
    left = [Setting("a", 1, None, None), Setting("b", True, None, None), Setting("c", "x", None, None)]
    right = [Setting("a", 1, entry("all", "", "a", 1), None), Setting("b", 1, None, None), Setting("d", 2, None, None)]
    assert [difference.key for difference in differences(left, right)] == ["b", "c", "d"]
    assert differences(left, left) == []


@pytest.mark.parametrize(
    ("field", "spec"),
    [
        (None, {"type": "integer", "minimum": 1, "maximum": 1, "default": 1}),
        (None, {"type": "text_list", "choices": ["a", "b"], "default": ["a"]}),
        ("maximum", {"type": "integer", "minimum": 2, "maximum": 1}),
        ("minimum", {"type": "number", "minimum": "NaN"}),
        ("maximum", {"type": "number", "maximum": "Infinity"}),
        ("choices", {"type": "boolean", "choices": ["a"]}),
        ("choices", {"type": "text", "choices": ["\ud800"]}),
        ("description", {"type": "text", "description": "\x00"}),
        ("unit", {"type": "number", "unit": "\x00"}),
        ("default", {"type": "text", "choices": ["a"], "default": "b"}),
        ("default", {"type": "integer", "default": 1.5}),
    ],
)
def test_a_declaration_that_makes_no_sense_is_named(field: str | None, spec: dict[str, Any]) -> None:
    problem = spec_problem(ValueSpec.model_validate(spec))
    assert (problem and problem[0]) == field


def test_every_built_in_key_makes_sense() -> None:
    for key in built_in_keys().values():
        assert key.is_built_in
        assert spec_problem(key.spec) is None


@given(st.text(max_size=20), st.sampled_from(["all", "group", "device"]))
def test_an_id_is_read_as_it_is_written(target: str, scope: str) -> None:
    found = parse_config_id(f"{scope}/{target}/log.level")
    if found is not None:
        assert (found.scope.value, found.target, found.key) == (scope, target, "log.level")
        assert "\x00" not in target
