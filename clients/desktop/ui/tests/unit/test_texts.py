"""Both languages say the same things, and every state that the agent may tell has words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from string import Formatter
from typing import Any

import pytest

from pulse_contracts.local_enrolment import Step, StepState
from pulse_contracts.local_records import LogLevel
from pulse_contracts.local_status import Connection, Reason
from pulse_contracts.permissions import Permission
from pulse_desktop.model.connection import word_of
from pulse_desktop.texts.catalogue import TEXTS
from pulse_desktop.texts.language import Language

AREAS = ("general", "home", "assistant", "administration", "records", "settings")


def leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}")
    elif is_dataclass(value):
        for field in fields(value):
            yield from leaves(getattr(value, field.name), f"{path}.{field.name}")


def said(language: Language) -> dict[str, str]:
    texts = TEXTS[language]
    return dict(pair for area in AREAS for pair in leaves(getattr(texts, area), area))


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_fill_in_the_same_names() -> None:
    english, german = said(Language.ENGLISH), said(Language.GERMAN)
    assert english.keys() == german.keys()
    assert {path: names_in(text) for path, text in english.items()} == {
        path: names_in(text) for path, text in german.items()
    }


@pytest.mark.parametrize("language", Language)
def test_no_text_is_empty_or_has_spaces_at_its_ends(language: Language) -> None:
    assert [path for path, text in said(language).items() if not text or text != text.strip()] == []


@pytest.mark.parametrize("language", Language)
def test_every_state_of_the_agent_has_words(language: Language) -> None:
    texts = TEXTS[language]
    assert all(word_of(state, texts) for state in Connection)
    assert {reason.value for reason in Reason} <= texts.home.reasons.keys()
    assert {step.value for step in Step} == texts.assistant.steps.keys()
    assert {state.value for state in StepState} <= texts.assistant.states.keys()
    assert {level.value for level in LogLevel} == texts.records.levels.keys()
    assert {right.value for right in Permission} == texts.administration.permissions.keys()


def test_a_problem_without_words_of_ours_is_said_in_the_agents() -> None:
    texts = TEXTS[Language.GERMAN]
    assert texts.problem("username_taken", "anna is taken") == "Dieser Name ist vergeben."
    assert texts.problem("of_tomorrow", "the moon is full") == "The moon is full."
    assert texts.problem("of_tomorrow", "") == "of_tomorrow"
