"""Shown before the agent has said anything, and while it is gone."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QVBoxLayout, QWidget

from pulse_desktop.link.state import LinkState
from pulse_desktop.model.connection import connection_view
from pulse_desktop.widgets.basics import label
from pulse_desktop.widgets.status import Badge
from pulse_desktop.windows.context import Context


class WaitingPage(QWidget):
    """Says what is waited for, since when, and what went wrong."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.badge = Badge()
        self.since = label("", "soft", has_figures=True)
        self.why = label("", wraps=True)
        self.why.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.why.setFixedWidth(460)
        layout = QVBoxLayout(self)
        layout.setSpacing(12)
        layout.addStretch(2)
        for widget in (self.badge, self.since, self.why):
            layout.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(3)
        context.bridge.link_changed.connect(self._take_link)
        self._clock = QTimer(self, interval=1_000)
        self._clock.timeout.connect(self._show)
        self._clock.start()
        self._show()

    def _take_link(self, _link: LinkState) -> None:
        self._show()

    def _show(self) -> None:
        context = self._context
        view = connection_view(context.bridge.link, None, context.now(), context.texts)
        self.badge.show_state(view.tone, view.word)
        self.since.setText(view.since)
        self.why.setText(view.why)
