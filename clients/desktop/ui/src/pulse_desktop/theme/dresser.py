"""Dresses the running program in another theme, some widgets a turn of the event loop.

Guarantees: no turn takes long, however many widgets there are; a window keeps its old picture until it is whole in the new
one; the outcome is the picture that a program started in that theme shows. Never does: choose the theme.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication, QWidget
from shiboken6 import isValid

from pulse_desktop.theme.style import dress_first, palette_of, style_sheet
from pulse_desktop.theme.tokens import Theme
from pulse_desktop.turns import in_turns

AT_ONCE: Final = 24
"""Widgets of one turn; each takes about 0.1 ms."""


class Dresser(QObject):
    """Dresses an application; a theme that is chosen before the last one is done takes its place."""

    def __init__(self, application: QApplication) -> None:
        super().__init__()
        self._application = application
        self._work: Generator[None, None, None] | None = None

    def dress(self, theme: Theme) -> None:
        """Dress everything in a theme: at once where nothing is dressed yet, else in the next turns."""
        application, sheet = self._application, style_sheet(theme)
        if application.styleSheet() == sheet:
            return
        if not application.styleSheet():
            dress_first(application, theme)
            return
        if self._work is not None:
            self._work.close()
        self._freeze()
        style = application.style()
        # The style forgets what it knows of each widget. Else a new sheet has Qt visit them all at once, and most of them
        # several times: 0.5 ms a widget.
        style.unpolish(application)
        application.setPalette(palette_of(theme))
        application.setStyleSheet(sheet)
        style.polish(application)
        self._work = self._dress_all()
        in_turns(self, self._work)

    def _freeze(self) -> None:
        """Have no window painted until it is dressed."""
        for window in self._application.topLevelWidgets():
            window.setUpdatesEnabled(False)

    def _dress_all(self) -> Generator[None, None, None]:
        style = self._application.style()
        roots = [window for window in self._application.topLevelWidgets() if window.parentWidget() is None]
        # A parent comes before its children, which take their palette from it.
        widgets = [widget for root in roots for widget in (root, *root.findChildren(QWidget))]
        for start in range(0, len(widgets), AT_ONCE):
            for widget in widgets[start : start + AT_ONCE]:
                if isValid(widget):
                    style.polish(widget)
            yield
        while frozen := self._frozen():  # also what was opened meanwhile over a frozen window, and is frozen with it
            window = frozen[0]
            window.setUpdatesEnabled(True)
            if window.isVisible():
                yield

    def _frozen(self) -> list[QWidget]:
        return [window for window in self._application.topLevelWidgets() if not window.updatesEnabled()]
