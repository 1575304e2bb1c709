"""The connection in words: which state, since when, why, and what comes next."""

from __future__ import annotations

import pytest

from pulse_contracts.local_status import Connection
from pulse_desktop.link import scripted_world as world
from pulse_desktop.link.state import LinkPhase, LinkState
from pulse_desktop.model.connection import agent_death, connection_view
from pulse_desktop.texts.catalogue import TEXTS
from pulse_desktop.texts.language import Language
from pulse_desktop.theme.tokens import Tone

TEXT = TEXTS[Language.ENGLISH]
NOW = world.NOW_MS / 1000
CONNECTED = LinkState(LinkPhase.CONNECTED, NOW - 10)


def test_offline_says_since_when_why_that_nothing_is_lost_and_when_it_is_tried_again() -> None:
    view = connection_view(CONNECTED, world.offline(), NOW, TEXT)
    assert (view.tone, view.word) == (Tone.WARN, "Offline buffering")
    assert view.since.endswith(", 31 min")
    assert view.why == "The server cannot be reached. Readings are kept on this disk and nothing is lost."
    assert view.next_step == "Next attempt in 42 s."
    assert "No route" in view.detail
    assert view.sentence.startswith("Offline buffering. since ")


def test_an_attempt_that_is_due_is_under_way() -> None:
    view = connection_view(CONNECTED, world.offline(), NOW + 50, TEXT)
    assert view.next_step == "Trying again now."


@pytest.mark.parametrize("state", Connection)
def test_each_state_of_delivery_is_told_by_word_and_tone(state: Connection) -> None:
    status = world.status()
    shown = status.model_copy(update={"connection": status.connection.model_copy(update={"state": state})})
    assert connection_view(CONNECTED, shown, NOW, TEXT).word


def test_a_reason_of_a_later_agent_is_said_in_its_own_words() -> None:
    status = world.status()
    later = status.connection.model_copy(update={"reason": "moon_in_the_way", "detail": "the moon is in the way"})
    view = connection_view(CONNECTED, status.model_copy(update={"connection": later}), NOW, TEXT)
    assert view.why == "The moon is in the way."


def test_an_agent_that_nobody_set_up_is_not_called_disconnected() -> None:
    view = connection_view(CONNECTED, world.unenrolled(), NOW, TEXT)
    assert view.word == "Not set up"


def test_a_dead_agent_is_told_with_its_code_its_last_words_and_when_it_is_started_again() -> None:
    dead = LinkState(LinkPhase.LOST, NOW - 5, "no space left", exit_code=1, restarts=2, retry_at=NOW + 3.2)
    said = agent_death(dead, NOW, TEXT)
    assert "It ended with code 1: no space left" in said
    assert "started again in 4 s" in said
    assert connection_view(dead, world.status(), NOW, TEXT).tone is Tone.BAD


def test_nothing_is_said_of_death_while_an_agent_answers() -> None:
    assert agent_death(CONNECTED, NOW, TEXT) == ""


def test_an_agent_of_another_version_is_told_with_what_to_do() -> None:
    view = connection_view(LinkState(LinkPhase.INCOMPATIBLE, NOW, "speaks 7"), None, NOW, TEXT)
    assert view.why == "Speaks 7. Install the same version of both, then open the window again."
