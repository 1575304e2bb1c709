"""Versions, folder and licences."""

from __future__ import annotations

import platform
from collections.abc import Callable

import PySide6
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QDialog, QFormLayout, QVBoxLayout, QWidget

from pulse_desktop.widgets.basics import Card, button, label, row
from pulse_desktop.widgets.logo import program_icon
from pulse_desktop.windows.context import Context

_WIDTH = 540


class AboutDialog(QDialog):
    """What runs here, in which version, and under which licences."""

    def __init__(self, context: Context, parent: QWidget, open_updates: Callable[[], object]) -> None:
        super().__init__(parent)
        self._texts = context.texts
        general = self._texts.general
        self.setWindowTitle(general.about)
        self.setFixedWidth(_WIDTH)
        self.lines = _lines(context)
        picture = label()
        picture.setPixmap(program_icon().pixmap(56, 56))
        names = QVBoxLayout()
        names.setSpacing(2)
        names.addWidget(label(general.product, "title"))
        names.addWidget(label(general.about_claim, "soft"))
        head = row(picture, gap=14)
        head.addLayout(names, 1)
        versions = QFormLayout()
        versions.setHorizontalSpacing(24)
        versions.setVerticalSpacing(8)
        for name, text in self.lines:
            shown = label(text, wraps=True)
            shown.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
            shown.setAccessibleName(f"{name}: {text}")
            versions.addRow(label(name, "soft"), shown)
        self.updates = button(self._texts.updates.menu, open_updates)
        card = Card()
        card.column.addLayout(versions)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 20, 24, 20)
        layout.setSpacing(14)
        layout.addLayout(head)
        layout.addWidget(card)
        layout.addWidget(label(general.licences, "caption"))
        licences = label(general.licence_text, "soft", wraps=True)
        licences.setFixedSize(_WIDTH - 48, licences.heightForWidth(_WIDTH - 48))
        layout.addWidget(licences)
        layout.addStretch(1)
        layout.addLayout(row(button(general.copy, self._copy), self.updates, None, button(general.close, self.close)))

    def _copy(self) -> None:
        QApplication.clipboard().setText("\n".join(f"{name}: {text}" for name, text in self.lines))


def _lines(context: Context) -> list[tuple[str, str]]:
    general, status = context.texts.general, context.bridge.status
    lines = [
        (general.version_window, f"{context.version} (Qt {PySide6.__version__}, Python {platform.python_version()})")
    ]
    if status is not None:
        found = status.versions
        lines += [
            (general.version_agent, f"{found.agent} (Python {found.python}, SQLite {found.sqlite})"),
            (general.version_protocol, str(found.protocol)),
        ]
    return [*lines, (general.data_folder, str(context.bridge.data))]
