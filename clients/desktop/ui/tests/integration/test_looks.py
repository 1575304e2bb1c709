"""Another theme and another language while windows are open: whole, the same as from the start, and without a long pause."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QWidget

from pulse_desktop.preferences import Appearance
from pulse_desktop.texts.language import Language
from pulse_desktop.theme.style import style_sheet
from pulse_desktop.theme.tokens import COLOURS, Theme
from pulse_desktop.turns import in_turns
from pulse_desktop.widgets.status import theme_of
from pulse_desktop.windows.main_window import MainWindow

from .shown import page_of


def choose(shown: Any, appearance: Appearance) -> None:
    shown.desktop.context.preferences.change(appearance=appearance)
    shown.desktop.context.choices_changed()


def speak(shown: Any, language: Language) -> None:
    shown.desktop.context.preferences.change(language=language)
    shown.desktop.context.choices_changed()


def main_windows() -> list[MainWindow]:
    """Every main window that exists, shown or not."""
    return [widget for widget in QApplication.topLevelWidgets() if isinstance(widget, MainWindow)]


def is_done(*before: MainWindow) -> bool:
    """Whether none of these windows is left, and each that there is shows its page."""
    now = main_windows()
    return not set(before) & set(now) and all(one.isVisible() and one.home and one.home.isVisible() for one in now)


def is_dressed(theme: Theme) -> bool:
    """Whether nothing is frozen or in another theme any more."""
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    return application.styleSheet() == style_sheet(theme) and all(
        window.updatesEnabled() and theme_of(window) is theme for window in application.topLevelWidgets()
    )


def has_past(window: Any) -> bool:
    """Whether the chart shows what was before it."""
    return len(window.home._series.get("cpu_percent", ())) > 800


def picture(widget: QWidget) -> QImage:
    return widget.grab().toImage()


def test_a_theme_that_is_chosen_looks_as_if_it_had_been_there_from_the_start(show: Any) -> None:
    with show() as shown:
        choose(shown, Appearance.LIGHT)
        settings = shown.window.open_settings()
        shown.wait(lambda: settings.contents.face == "content")
        users = page_of(shown, 0)
        shown.wait(lambda: has_past(shown.window) and is_dressed(Theme.LIGHT))
        seen = (shown.window.home, settings.contents, users)
        light = [picture(one) for one in seen]
        choose(shown, Appearance.DARK)
        shown.wait(lambda: is_dressed(Theme.DARK))
        dark = [picture(one) for one in seen]
        assert dark[0].pixelColor(2, 2).name() == COLOURS[Theme.DARK].ground

        shown.desktop.open()
        second = shown.desktop.windows[1]
        second.setGeometry(shown.window.geometry())
        shown.wait(lambda: second.home is not None and second.home.isVisible())
        shown.wait(lambda: has_past(second))
        shown.wait(lambda: picture(second.home) == dark[0])
        second.close()

        choose(shown, Appearance.LIGHT)
        shown.wait(lambda: is_dressed(Theme.LIGHT))
        assert [picture(one) for one in seen] == light


def test_the_last_of_several_choices_holds_and_no_window_stays_frozen(show: Any) -> None:
    with show() as shown:
        for appearance in (Appearance.DARK, Appearance.LIGHT, Appearance.DARK):
            choose(shown, appearance)
            shown.turn()
        shown.wait(lambda: is_dressed(Theme.DARK))
        choose(shown, Appearance.LIGHT)
        shown.window.open_about()
        shown.wait(lambda: is_dressed(Theme.LIGHT))


def test_another_language_opens_each_window_anew_where_it_was(show: Any) -> None:
    with show() as shown:
        shown.desktop.open()
        before = list(shown.desktop.windows)
        shown.wait(before[1].isVisible)
        places = [window.geometry() for window in before]
        card = shown.window.open_settings().window_card
        card.language.setCurrentIndex(1)
        shown.wait(lambda: not set(before) & set(shown.desktop.windows))
        again = shown.desktop.windows
        assert [window.geometry() for window in again] == places
        shown.wait(lambda: all(window.home is not None and window.home.isVisible() for window in again))
        assert {window.home.sync.now.text() for window in again} == {"Jetzt abgleichen"}
        assert {window.exit.text() for window in again} == {"Beenden"}


@pytest.mark.parametrize("gap", range(3))
@pytest.mark.parametrize("last", [Language.ENGLISH, Language.GERMAN])
def test_the_last_of_several_languages_holds_and_leaves_one_window(show: Any, last: Language, gap: int) -> None:
    choices = (Language.GERMAN, Language.ENGLISH, Language.GERMAN)
    choices = choices[: 2 if last is Language.ENGLISH else 3]

    def person(shown: Any) -> Iterator[None]:
        for language in choices:
            speak(shown, language)
            for _ in range(gap):
                yield

    with show() as shown:
        in_turns(shown.desktop, person(shown))
        sync, leave = {
            Language.ENGLISH: ("Sync now", "Exit"),
            Language.GERMAN: ("Jetzt abgleichen", "Beenden"),
        }[last]
        shown.wait(lambda: is_done(shown.window) and {one.exit.text() for one in main_windows()} == {leave})
        assert main_windows() == shown.desktop.windows
        assert [one.home.sync.now.text() for one in shown.desktop.windows] == [sync]


@pytest.mark.parametrize("closed", [0, 1])
def test_a_window_that_is_closed_while_languages_change_is_not_replaced(show: Any, closed: int) -> None:
    with show() as shown:
        shown.desktop.open()
        before = list(shown.desktop.windows)
        shown.wait(lambda: before[1].home is not None and before[1].home.isVisible())

        def person() -> Iterator[None]:
            while len(main_windows()) == len(before):
                yield
            before[closed].close()

        speak(shown, Language.GERMAN)
        in_turns(shown.desktop, person())
        shown.wait(lambda: is_done(*before))
        assert [one.exit.text() for one in main_windows()] == ["Beenden"]
        assert main_windows() == shown.desktop.windows


def test_the_last_window_ends_the_program_also_while_languages_change(show: Any) -> None:
    with show() as shown:

        def person() -> Iterator[None]:
            while len(main_windows()) == 1:
                yield
            shown.window.close()

        speak(shown, Language.GERMAN)
        in_turns(shown.desktop, person())
        shown.wait(lambda: shown.window not in main_windows())
        assert shown.desktop.windows == []
        assert shown.desktop._is_leaving
        shown.wait(lambda: not main_windows())
