"""A promise can be switched off in a test build only."""

from importlib import metadata

import pytest

from pulse_chassis.build_kind import is_test_build, refuse_in_production


def test_an_installation_with_the_chaos_runs_is_a_test_build() -> None:
    assert is_test_build()
    assert refuse_in_production("dedupe") == "dedupe"


def test_without_them_nothing_can_be_switched_off(monkeypatch) -> None:
    monkeypatch.setattr(metadata, "entry_points", lambda **_: ())
    assert not is_test_build()
    assert refuse_in_production(None) is None
    with pytest.raises(ValueError, match="test build"):
        refuse_in_production("dedupe")
