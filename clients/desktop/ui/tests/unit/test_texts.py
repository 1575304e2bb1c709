"""Both languages say the same things, and every state that the agent may tell has words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

import pulse_agent
from pulse_agent.domain.quota import Fullness
from pulse_agent.local_access.session import LoginRefusal
from pulse_contracts.local_enrolment import Step, StepState
from pulse_contracts.local_protocol import ErrorCode, Notice, NoticeKind, RefusalCode
from pulse_contracts.local_records import LogLevel
from pulse_contracts.local_status import Connection, Reason
from pulse_contracts.permissions import Permission
from pulse_contracts.rejections import RejectionCode
from pulse_desktop.link.state import LinkCause
from pulse_desktop.model.connection import word_of
from pulse_desktop.model.notices import notice_sentence
from pulse_desktop.texts.catalogue import TEXTS
from pulse_desktop.texts.language import Language

PROTOCOL = Path(__file__).parents[5] / "docs" / "protocols" / "desktop.md"
AGENT = Path(pulse_agent.__file__).parent
AREAS = ("general", "home", "assistant", "administration", "records", "settings", "updates")


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


def test_a_problem_without_words_of_ours_is_said_in_the_agents_only_where_that_is_the_language() -> None:
    english, german = TEXTS[Language.ENGLISH], TEXTS[Language.GERMAN]
    assert german.problem("username_taken", "anna is taken") == "Dieser Name ist vergeben."
    assert english.problem("of_tomorrow", "the moon is full") == "The moon is full."
    assert english.problem("of_tomorrow", "") == "This was refused (of_tomorrow)."
    assert german.problem("of_tomorrow", "the moon is full") == "Das wurde abgelehnt (of_tomorrow)."


def codes_of(section: str) -> set[str]:
    """The codes that a section of the protocol's page names: what stands in backticks and is all one word."""
    page = PROTOCOL.read_text(encoding="utf-8").split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"`([a-z]+(?:_[a-z]+)*)`", page))


def test_every_code_of_the_agent_has_german_words() -> None:
    said = codes_of("Errors") - {"code", "message", "field", "retry_after"}
    assert {code.value for code in ErrorCode} | {refusal.value for refusal in LoginRefusal} <= said
    assert said - TEXTS[Language.GERMAN].problems.keys() == set()
    assert TEXTS[Language.ENGLISH].problems.keys() <= TEXTS[Language.GERMAN].problems.keys()


def test_every_code_that_an_edit_is_refused_with_is_on_the_protocols_page() -> None:
    sources = (file.read_text(encoding="utf-8") for file in AGENT.rglob("*.py") if "command_line" not in file.parts)
    raised = {code for text in sources for code in re.findall(r"EditRefusedError\(\s*\"([a-z_]+)\"", text)}
    assert raised
    assert raised <= codes_of("Errors")


def test_every_finding_of_the_assistant_has_german_words() -> None:
    steps = {step.value for step in Step}
    found = codes_of("Enrolling from a window") - steps - {"run", "http", "stopping", "enrolled", "exec"}
    assert len(found) > 10
    assert found <= TEXTS[Language.GERMAN].found.keys()


@pytest.mark.parametrize("language", Language)
def test_every_cause_of_a_lost_line_and_every_kind_of_notice_has_words(language: Language) -> None:
    texts = TEXTS[language]
    assert {cause.value for cause in LinkCause} == texts.home.link_causes.keys()
    assert {code.value for code in RefusalCode} == texts.home.refusals.keys()
    assert {fullness.value for fullness in Fullness} == texts.home.notice_fullness.keys()
    assert {code.value for code in RejectionCode} | {"checksum"} == texts.records.rejections.keys()
    facts: dict[NoticeKind, dict[str, Any]] = {
        NoticeKind.QUARANTINED: {"count": 2},
        NoticeKind.OUTBOX_FULLNESS: {"fullness": "critical"},
        NoticeKind.EDIT_UNDONE: {"entity": "users", "name": "ben", "outcome": "rejected"},
        NoticeKind.OUTBOX_DAMAGED: {},
    }
    assert facts.keys() == set(NoticeKind)
    for kind, given in facts.items():
        notice = Notice(kind=kind, level=LogLevel.WARNING, sentence="of the agent", at_ms=0, facts=given)
        assert notice_sentence(notice, texts) != "of the agent"
