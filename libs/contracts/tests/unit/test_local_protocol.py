"""The tables of the local protocol hang together, and what must not be shown is not."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from pulse_contracts.local_address import local_address
from pulse_contracts.local_people import SignInParams
from pulse_contracts.local_protocol import (
    AGENT_FRAME,
    EVENTS,
    METHODS,
    Access,
    EventName,
    Overflow,
    Welcome,
)
from pulse_contracts.local_status import Mode


@pytest.mark.parametrize("name", METHODS)
def test_a_method_says_what_it_takes_and_gives_and_who_may(name: str) -> None:
    spec = METHODS[name]
    assert spec.params.model_config["extra"] == "forbid", "a typing error in a parameter is found"
    assert spec.params.model_json_schema()["type"] == "object"
    assert spec.result.model_json_schema()["type"] == "object"
    assert (spec.permission is not None) == (spec.access is Access.PERMISSION)
    assert spec.modes


def test_every_event_has_a_model_and_a_policy_for_slow_windows() -> None:
    assert set(EVENTS) == set(EventName)
    for spec in EVENTS.values():
        assert spec.data.model_json_schema()["type"] == "object"
        assert (spec.bound > 1) == (spec.overflow is Overflow.DROP_OLDEST)
        assert spec.needs_session or spec.permission is None


def test_without_an_enrolment_there_is_only_how_it_stands_and_how_to_enrol() -> None:
    assert {name for name, spec in METHODS.items() if Mode.UNENROLLED in spec.modes} == {
        "status",
        "enrol.check",
        "enrol.enrol",
    }


def test_parameters_that_are_not_known_are_refused_and_answers_may_grow() -> None:
    with pytest.raises(ValidationError):
        SignInParams.model_validate({"username": "anna", "password": "p", "pasword": "p"})
    grown = (
        '{"type":"welcome","version":1,"agent":{"name":"a","version":"1"},"mode":"enrolled","pid":1,"started_ms":1,'
        '"methods":[],"added_later":true}'
    )
    assert isinstance(AGENT_FRAME.validate_json(grown), Welcome)


def test_a_password_is_not_among_what_is_shown() -> None:
    assert "horse" not in repr(SignInParams(username="anna", password="correct horse 1"))


def test_each_folder_has_an_address_of_its_own(tmp_path: Path) -> None:
    assert local_address(tmp_path / "a") != local_address(tmp_path / "b")
