"""The window of updates, driven as a person would: look, download, cancel, and what is said when it came to nothing."""

from __future__ import annotations

from typing import Any

from pulse_contracts.local_protocol import ErrorBody, EventName
from pulse_contracts.local_updates import UpdateMode, UpdateStatus
from pulse_desktop.link import scripted_world as world

from .shown import asked


def test_the_line_appears_with_a_release_and_leads_to_its_window(show: Any) -> None:
    with show() as shown:
        line = shown.window.update_line
        assert not line.isVisible()
        shown.agent.tell(EventName.UPDATE, world.updates())
        shown.wait(line.isVisible)
        assert line.text() == "Version 0.2.0 is available"
        line.click()
        dialog = shown.window.open_update()
        assert dialog.headline.text == "Version 0.2.0 is available."
        assert "believed only if they are signed" in dialog.notes.text()
        shown.agent.tell(EventName.UPDATE, UpdateStatus(mode=UpdateMode.OFF))
        shown.wait(lambda: not line.isVisible())
        assert not dialog.check.isEnabled()


def test_a_download_is_shown_until_it_is_there(show: Any) -> None:
    with show() as shown:
        dialog = shown.window.open_update()
        dialog.check.click()
        shown.wait(dialog.download.isVisible)
        assert len(asked(shown, "updates.check")) == 1
        dialog.download.click()
        shown.wait(dialog.progress.isVisible)
        assert dialog.progress_text.text() == "31.4 MB of 76.1 MB"
        assert not dialog.download.isVisible()
        shown.agent.tell(EventName.UPDATE, world.updates(path="/srv/downloads/p.deb"))
        shown.wait(dialog.how_to_card.isVisible)
        assert "sudo apt install /srv/downloads/p.deb" in dialog.how_to.text()
        assert not dialog.cancel.isVisible()


def test_a_download_can_be_cancelled(show: Any) -> None:
    with show() as shown:
        dialog = shown.window.open_update()
        dialog.check.click()
        shown.wait(dialog.download.isVisible)
        dialog.download.click()
        shown.wait(dialog.cancel.isVisible)
        dialog.cancel.click()
        shown.wait(lambda: not dialog.progress.isVisible())
        assert len(asked(shown, "updates.cancel")) == 1


def test_a_file_that_was_changed_is_said_to_be_deleted(show: Any) -> None:
    answers = world.answers(updates__download=world.updates(problem="wrong_hash"))
    with show(None, answers) as shown:
        dialog = shown.window.open_update()
        dialog.check.click()
        shown.wait(dialog.download.isVisible)
        dialog.download.click()
        shown.wait(lambda: "It was deleted" in dialog.outcome.text)
        assert dialog.download.text() == "Download again"


def test_a_refusal_is_said_in_words(show: Any) -> None:
    refused = ErrorBody(code="managed", message="whoever administers this machine installs its updates")
    with show(None, world.answers(updates__download=refused)) as shown:
        dialog = shown.window.open_update()
        dialog.check.click()
        shown.wait(dialog.download.isVisible)
        dialog.download.click()
        shown.wait(lambda: dialog.outcome.text == "Whoever administers this computer installs its updates.")


def test_about_leads_to_the_updates(show: Any) -> None:
    with show() as shown:
        shown.window.open_about().updates.click()
        assert shown.window.open_update().isVisible()


def test_what_comes_after_a_window_is_closed_does_not_reach_it(show: Any) -> None:
    with show() as shown:
        gone: list[bool] = []
        dialog = shown.window.open_update()
        dialog.destroyed.connect(lambda: gone.append(True))
        dialog.close()
        shown.wait(lambda: gone)
        shown.agent.tell(EventName.UPDATE, world.updates())
        shown.wait(shown.window.update_line.isVisible)
        shown.agent.hang_up()
        shown.wait(lambda: shown.window.agent_note.text)
