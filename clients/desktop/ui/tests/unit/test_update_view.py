"""What a person reads of releases: what is there, what can be done, and never a button that leads nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from pulse_contracts.local_updates import UpdateMode, UpdateProblem, UpdateStatus
from pulse_contracts.releases import Platform
from pulse_desktop.link import scripted_world as world
from pulse_desktop.link.scripted_people import NOW_MS
from pulse_desktop.model.update import UpdateView, update_view
from pulse_desktop.texts.catalogue import TEXTS
from pulse_desktop.texts.language import Language
from pulse_desktop.theme.tokens import Tone


def seen(status: UpdateStatus | None, language: Language = Language.ENGLISH) -> UpdateView:
    return update_view(status, "0.1.0", NOW_MS / 1000, TEXTS[language])


def without_release(**changes: Any) -> UpdateStatus:
    return world.updates(available=None, **changes)


@pytest.mark.parametrize("language", Language)
def test_every_problem_and_every_platform_has_words(language: Language) -> None:
    words = TEXTS[language].updates
    assert words.problems.keys() == {problem.value for problem in UpdateProblem}
    assert words.install.keys() == {platform.value for platform in Platform}


def test_a_newer_release_is_told_in_a_line_with_its_notes_in_the_persons_language() -> None:
    view = seen(world.updates())
    assert (view.line, view.headline) == ("Version 0.2.0 is available", "Version 0.2.0 is available.")
    assert view.notes.startswith("- Updates are offered")
    assert (view.can_check, view.can_download, view.action) == (True, True, "Download")
    assert "76.1 MB" in view.hint
    assert "4 min ago" in " ".join(view.facts)
    assert seen(world.updates(), Language.GERMAN).notes.startswith("- Aktualisierungen")


def test_without_a_newer_release_there_is_no_line() -> None:
    assert seen(without_release()).headline == "This is the newest version."
    assert seen(None).headline == "It is not known yet whether there is a newer version."
    assert {seen(status).line for status in (None, without_release())} == {""}


def test_what_was_not_believed_is_no_newest_version_and_says_why() -> None:
    for problem in UpdateProblem:
        view = seen(UpdateStatus(mode=UpdateMode.DOWNLOAD, problem=problem))
        assert view.headline == "It is not known yet whether there is a newer version."
        assert TEXTS[Language.ENGLISH].updates.problems[problem] in view.facts
        assert view.can_check == (problem is not UpdateProblem.NO_KEYS)


def test_on_a_managed_machine_there_is_nothing_to_press() -> None:
    told = seen(world.updates(mode=UpdateMode.TELL))
    assert (told.line, told.can_download) == ("Version 0.2.0 is available", False)
    assert told.why_not == "Whoever administers this computer installs its updates."
    off = seen(UpdateStatus(mode=UpdateMode.OFF))
    assert (off.line, off.can_check, off.can_download) == ("", False, False)


def test_a_release_without_a_file_for_this_machine_says_so() -> None:
    found = world.updates().available
    assert found is not None
    view = seen(world.updates(available=found.model_copy(update={"name": None, "size": None})))
    assert (view.can_download, view.why_not) == (False, "The release has no file for this computer.")


def test_a_download_shows_how_far_it_is_and_then_where_and_how_it_is_installed() -> None:
    view = seen(world.updates(received=38_061_728))
    assert (view.progress, view.can_download) == (0.5, False)
    assert view.progress_text == "38.1 MB of 76.1 MB"
    there = seen(world.updates(path="/srv/downloads/p.deb"))
    assert (there.progress, there.can_download, there.outcome_tone) == (None, False, Tone.OK)
    assert "/srv/downloads/p.deb" in there.outcome
    assert "sudo apt install /srv/downloads/p.deb" in there.how_to


def test_a_download_that_waits_for_the_network_goes_on_and_one_that_was_changed_ends() -> None:
    waiting = world.updates(received=1_000_000).available
    assert waiting is not None
    assert waiting.download is not None
    stuck = waiting.download.model_copy(update={"problem": "unreachable"})
    view = seen(world.updates(available=waiting.model_copy(update={"download": stuck})))
    assert "goes on by itself" in view.progress_text
    changed = seen(world.updates(problem="wrong_hash"))
    assert changed.outcome_tone is Tone.BAD
    assert "was deleted" in changed.outcome
    assert (changed.can_download, changed.action) == (True, "Download again")
