"""Newer releases: whether there is one, what is new, looking now, downloading it, and how it is installed."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QFrame, QProgressBar, QScrollArea, QVBoxLayout, QWidget

from pulse_contracts.local_protocol import ErrorBody
from pulse_contracts.local_status import NoParams
from pulse_contracts.local_updates import UpdateStatus
from pulse_desktop.link.state import LinkState
from pulse_desktop.model.update import update_view
from pulse_desktop.theme.tokens import PAD, Tone
from pulse_desktop.widgets.basics import Card, allow, button, label, row
from pulse_desktop.widgets.status import Note
from pulse_desktop.windows.context import Context

_WIDTH: Final = 560
_NOTES_HEIGHT: Final = 170
_STEPS: Final = 1000


class UpdateDialog(QDialog):
    """Shows what the agent tells of releases; asks it to look, to download, to stop."""

    def __init__(self, context: Context, parent: QWidget) -> None:
        super().__init__(parent)
        self._context = context
        self._texts = context.texts
        words, general = self._texts.updates, self._texts.general
        self.setWindowTitle(words.title)
        self.setMinimumWidth(_WIDTH)
        self.headline = Note()
        self.facts = label("", "soft", wraps=True)
        self.notes = label("", wraps=True)
        self.notes.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.notes.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.notes_card = Card(words.whats_new)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setMinimumHeight(_NOTES_HEIGHT)
        scroll.setWidget(self.notes)
        self.notes_card.column.addWidget(scroll)
        self.progress = QProgressBar()
        self.progress.setRange(0, _STEPS)
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(words.download)
        self.progress_text = label("", "soft", has_figures=True)
        self.hint = label("", "faint", wraps=True)
        self.outcome = Note()
        self.how_to_card = Card(words.how_to)
        self.how_to = label("", wraps=True)
        self.how_to.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.how_to_card.column.addWidget(self.how_to)
        self.check = button(words.check, lambda: self._ask("updates.check"))
        self.download = button(words.download, lambda: self._ask("updates.download"), "primary")
        self.cancel = button(words.cancel, lambda: self._ask("updates.cancel"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(PAD, PAD, PAD, PAD)
        layout.setSpacing(12)
        for widget in (
            self.headline, self.facts, self.notes_card, self.progress, self.progress_text, self.hint, self.outcome,
            self.how_to_card,
        ):  # fmt: skip
            layout.addWidget(widget)
        layout.addStretch(1)
        close = button(general.close, self.close)
        layout.addLayout(row(self.check, None, close, self.cancel, self.download))
        context.bridge.update_changed.connect(self._take)
        context.bridge.link_changed.connect(self._take_link)
        self._show()

    def _ask(self, method: str) -> None:
        self.outcome.say(Tone.INFO, "")
        self._context.bridge.ask(self, method, NoParams(), self._take, self._refused)

    def _take(self, _status: UpdateStatus) -> None:
        self._show()

    def _take_link(self, _link: LinkState) -> None:
        self._show()

    def _refused(self, error: ErrorBody) -> None:
        self.outcome.say(Tone.BAD, self._texts.problem(error.code, error.message))

    def _show(self) -> None:
        bridge, words = self._context.bridge, self._texts.updates
        running = bridge.status.versions.agent if bridge.status is not None else self._context.version
        view = update_view(bridge.update, running, self._context.now(), self._texts)
        is_there = bridge.session is not None
        self.headline.say(view.tone, view.headline)
        self.facts.setText(" ".join(view.facts))
        self.notes_card.setVisible(bool(view.notes))
        self.notes.setText(view.notes)
        self.progress.setVisible(view.progress is not None)
        self.progress.setValue(round((view.progress or 0) * _STEPS))
        self.progress_text.setVisible(bool(view.progress_text))
        self.progress_text.setText(view.progress_text)
        hint = view.why_not or (view.hint if view.can_download else "")
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))
        self.outcome.say(view.outcome_tone, view.outcome)
        self.how_to_card.setVisible(bool(view.how_to))
        self.how_to.setText(view.how_to)
        allow(self.check, view.can_check and is_there, "")
        self.download.setText(view.action or words.download)
        self.download.setVisible(view.can_download)
        self.download.setEnabled(is_there)
        self.cancel.setVisible(view.progress is not None)
