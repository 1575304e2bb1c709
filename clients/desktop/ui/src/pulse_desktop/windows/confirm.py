"""Asks before something that cannot be taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtWidgets import QDialog, QVBoxLayout, QWidget

from pulse_desktop.texts.catalogue import Texts
from pulse_desktop.widgets.basics import button, label, row


@dataclass(frozen=True, slots=True)
class Question:
    """A title, what will happen, and the word on the button that does it."""

    title: str
    text: str
    yes: str
    is_danger: bool = True


class ConfirmDialog(QDialog):
    """Asks the question. Does not block: `on_yes` is called when the button is pressed."""

    def __init__(self, parent: QWidget, texts: Texts, question: Question, on_yes: Callable[[], None]) -> None:
        super().__init__(parent)
        self.setWindowTitle(question.title)
        self.setModal(True)
        self._on_yes = on_yes
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 20, 24, 20)
        layout.setSpacing(12)
        heading = label(question.title, "heading", wraps=True)
        heading.setMinimumWidth(380)
        layout.addWidget(heading)
        layout.addWidget(label(question.text, "soft", wraps=True))
        self.no = button(texts.general.cancel, self.reject)
        self.yes = button(question.yes, self._agree, "danger" if question.is_danger else "primary")
        layout.addSpacing(6)
        layout.addLayout(row(None, self.no, self.yes))
        self.no.setDefault(True)

    def _agree(self) -> None:
        self.accept()
        self._on_yes()
