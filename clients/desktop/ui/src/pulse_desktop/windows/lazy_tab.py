"""A tab whose page is made when it is first looked at, so that a window with many of them opens at once."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from pulse_desktop.turns import in_own_turn
from pulse_desktop.windows.list_page import ListPage


class LazyTab(QWidget):
    """Holds the place of a page until it is shown for the first time."""

    def __init__(self, make: Callable[[], ListPage]) -> None:
        super().__init__()
        self._make = make
        self._page: ListPage | None = None
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)

    def page(self) -> ListPage:
        """Return the page, made now if it was not yet."""
        if self._page is None:
            self._page = self._make()
            self._layout.addWidget(self._page)
        return self._page

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 # Qt's name
        """Make the page after the turn in which the tab is shown: each turn does one thing."""
        in_own_turn(self, self.page)
