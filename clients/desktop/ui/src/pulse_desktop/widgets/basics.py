"""Labels, buttons, cards, rows of a form, and how a look is asked for (see `theme/style.py`)."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from pulse_desktop.theme import tokens
from pulse_desktop.theme.style import figures_font


def set_look(widget: QWidget, name: str, value: object) -> None:
    """Set a property that the style sheet reads, and have the widget dressed anew when it changed."""
    if widget.property(name) == value:
        return
    widget.setProperty(name, value)
    style = widget.style()
    style.unpolish(widget)
    style.polish(widget)
    for child in widget.findChildren(QLabel):
        style.unpolish(child)
        style.polish(child)


def label(text: str = "", kind: str = "", *, wraps: bool = False, has_figures: bool = False) -> QLabel:
    """Return a label of a kind; `has_figures` for numbers that change."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    if kind:
        made.setProperty("kind", kind)
    if wraps:
        made.setWordWrap(True)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        made.setSizePolicy(policy)
    if has_figures:
        made.setFont(figures_font(made.font()))
    return made


def button(text: str, on_click: Callable[[], object], role: str = "", *, hint: str = "") -> QPushButton:
    """Return a button; `hint` is its tooltip and what a screen reader adds."""
    made = QPushButton(text)
    made.setAutoDefault(False)
    made.setAccessibleName(text.replace("&", ""))
    if role:
        made.setProperty("role", role)
    explain(made, hint)
    made.clicked.connect(lambda _: on_click())
    return made


def explain(widget: QWidget, hint: str) -> None:
    """Say what a control does, or why it cannot be used: to the pointer and to a screen reader."""
    widget.setToolTip(hint)
    widget.setAccessibleDescription(hint)


def allow(widget: QWidget, is_allowed: bool, reason: str) -> None:
    """Enable a control, or disable it and say why."""
    widget.setEnabled(is_allowed)
    explain(widget, "" if is_allowed else reason)


def with_key(made: QPushButton, key: QKeySequence | QKeySequence.StandardKey) -> QPushButton:
    """Give a button a key."""
    made.setShortcut(key)
    return made


class Card(QFrame):
    """A surface with room around what it holds."""

    def __init__(self, name: str = "", pad: int = tokens.PAD) -> None:
        super().__init__()
        self.setProperty("panel", "card")
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(pad, pad, pad, pad)
        self.column.setSpacing(6)
        if name:
            self.column.addWidget(label(name, "caption"))
            self.setAccessibleName(name)


def column(*, pad: int = 0, gap: int = tokens.GAP) -> QVBoxLayout:
    """Return an empty column."""
    made = QVBoxLayout()
    made.setContentsMargins(pad, pad, pad, pad)
    made.setSpacing(gap)
    return made


def row(*widgets: QWidget | None, gap: int = 8) -> QHBoxLayout:
    """Return a row of widgets; None takes the room that is left."""
    made = QHBoxLayout()
    made.setContentsMargins(0, 0, 0, 0)
    made.setSpacing(gap)
    for widget in widgets:
        if widget is None:
            made.addStretch(1)
        else:
            made.addWidget(widget)
    return made


class Field(QWidget):
    """A control under its name, with a hint, and below what is wrong with it."""

    def __init__(self, name: str, control: QWidget, hint: str = "") -> None:
        super().__init__()
        self.control = control
        self._hint = hint
        caption = label(name, "caption")
        caption.setBuddy(control)
        self._below = label(hint, "faint", wraps=True)
        self._below.setVisible(bool(hint))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(caption)
        layout.addWidget(control)
        layout.addWidget(self._below)
        control.setAccessibleName(name)
        control.setAccessibleDescription(hint)

    def show_hint(self, hint: str) -> None:
        """Show another hint."""
        self._hint = hint
        self.show_problem("")

    def show_problem(self, problem: str) -> None:
        """Show what is wrong; empty: nothing is."""
        text = problem or self._hint
        self._below.setText(text)
        self._below.setVisible(bool(text))
        set_look(self._below, "kind", "error" if problem else "faint")
        set_look(self.control, "invalid", bool(problem))
        self.control.setAccessibleDescription(text)

    @property
    def problem(self) -> str:
        """What is shown as wrong."""
        return self._below.text() if self._below.property("kind") == "error" else ""
