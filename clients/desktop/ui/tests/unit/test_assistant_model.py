"""The first-run assistant: steps, what to do when one fails, and what was typed wrong."""

from __future__ import annotations

import pytest

from pulse_contracts.local_enrolment import Step, StepReport, StepState
from pulse_desktop.link import scripted_world as world
from pulse_desktop.model.assistant import AssistantState, address_problem, code_problem, step_views
from pulse_desktop.texts.catalogue import TEXTS
from pulse_desktop.texts.language import Language
from pulse_desktop.theme.tokens import Tone

TEXT = TEXTS[Language.ENGLISH]


@pytest.mark.parametrize("address", ["https://pulse.example.org", "http://127.0.0.1:8080", " https://a:8443/ "])
def test_an_address_that_can_be_one_is_taken(address: str) -> None:
    assert address_problem(address, TEXT) == ""


@pytest.mark.parametrize("address", ["", "pulse.example.org", "ftp://a", "https://", "https://a:99999", "https://[::"])
def test_an_address_that_cannot_be_one_is_told(address: str) -> None:
    assert address_problem(address, TEXT)


def test_a_code_has_eight_to_sixty_four_characters() -> None:
    assert code_problem("1234567", TEXT)
    assert code_problem("x" * 65, TEXT)
    assert code_problem(" 12345678 ", TEXT) == ""


def test_every_step_is_listed_and_a_failed_one_says_what_to_do() -> None:
    state = AssistantState().begun().ended(world.enrol_failed())
    views = {view.step: view for view in step_views(state, TEXT)}
    assert list(views) == list(Step)
    failed = views[Step.TLS]
    assert (failed.tone, failed.state) == (Tone.BAD, "failed")
    assert failed.advice.startswith("What to do: If the server uses an authority of your company")
    assert views[Step.CODE].state == "not checked yet"
    assert views[Step.ADDRESS].advice == ""
    assert state.has_failed
    assert not state.is_checked


def test_a_warning_lets_one_go_on() -> None:
    state = AssistantState().begun().ended(world.enrol_checked())
    assert state.is_checked
    assert not state.has_failed
    assert not state.is_busy


def test_the_steps_that_are_looked_at_again_begin_anew() -> None:
    state = AssistantState().ended(world.enrolled()).begun((Step.ADDRESS,))
    assert Step.ADDRESS not in state.reports
    assert Step.BROKER in state.reports
    moved = state.with_step(StepReport(step=Step.ADDRESS, state=StepState.RUNNING))
    assert moved.is_busy
    assert moved.reports[Step.ADDRESS].state is StepState.RUNNING
    assert moved.broken_off() == AssistantState()


def test_an_enrolment_ends_with_the_devices_name() -> None:
    assert AssistantState().begun().ended(world.enrolled()).enrolled_as == "Press line 2"
