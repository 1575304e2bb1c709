"""What stands where a list will be: loading (and slow), empty, failed with a way to try again, or the content."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QStackedLayout, QVBoxLayout, QWidget

from pulse_desktop.texts.general import GeneralTexts
from pulse_desktop.theme.tokens import Tone
from pulse_desktop.widgets.basics import button, label
from pulse_desktop.widgets.status import Shape

SLOW_MS = 4_000
"""Every wait says after so long that it takes longer than it should."""


class Contents(QWidget):
    """One of four faces. `retry` is what the button of the failed one does."""

    def __init__(self, content: QWidget, texts: GeneralTexts, retry: Callable[[], None]) -> None:
        super().__init__()
        self._texts = texts
        self._content = content
        self._shape = Shape(Tone.MUTE, 18)
        self._title = label("", "heading", wraps=True)
        self._hint = label("", "soft", wraps=True)
        self._retry = button(texts.retry, retry)
        for line in (self._title, self._hint):
            line.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._word = QWidget()
        layout = QVBoxLayout(self._word)
        layout.setContentsMargins(16, 4, 16, 4)
        layout.setSpacing(6)
        layout.addStretch(1)
        layout.addWidget(self._shape, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addWidget(self._title)
        layout.addWidget(self._hint)
        layout.addWidget(self._retry, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(1)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._word)
        self._stack.addWidget(content)
        self._slow = QTimer(self, singleShot=True, interval=SLOW_MS)
        self._slow.timeout.connect(lambda: self._hint.setText(texts.slow))
        self.face = "loading"
        self.show_loading()

    def show_loading(self) -> None:
        """Something is on its way; what was there before stays."""
        if self.face == "content":
            return
        self._say("loading", Tone.INFO, self._texts.loading, "", can_retry=False)
        self._slow.start()

    def show_empty(self, title: str, hint: str = "") -> None:
        """There is nothing, and that is fine."""
        self._say("empty", Tone.MUTE, title, hint, can_retry=False)

    def show_failed(self, reason: str) -> None:
        """It did not come."""
        self._say("failed", Tone.BAD, reason, "", can_retry=True)

    def show_content(self) -> None:
        """Here it is."""
        self._slow.stop()
        self.face = "content"
        self._stack.setCurrentWidget(self._content)

    @property
    def sentence(self) -> str:
        """What is said in place of the content."""
        return self._title.text()

    def _say(self, face: str, tone: Tone, title: str, hint: str, *, can_retry: bool) -> None:
        self._slow.stop()
        self.face = face
        self._shape.show_tone(tone)
        self._title.setText(title)
        self._hint.setText(hint)
        self._retry.setVisible(can_retry)
        self.setAccessibleName(title)
        self._stack.setCurrentWidget(self._word)
