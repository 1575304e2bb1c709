"""The program as somebody else's eyes and hands have it: `python -m pulse_desktop.watched OPTIONS`, for tests and benchmarks.

It is the whole program in its own process. What is to be seen goes to standard output as a JSON line whenever it changed;
what is to be done comes as JSON lines on standard input: `{"do":"sign_in","username":…,"password":…}`. Guarantees: nothing is
read but what the widgets show. With `--time-of-readings` the window's clock is the newest reading's, so that a day can pass in
minutes.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any, Final

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QApplication

from pulse_contracts.local_status import Latest
from pulse_desktop.app import Desktop
from pulse_desktop.options import parse
from pulse_desktop.preferences import PreferencesFile
from pulse_desktop.texts.language import Language
from pulse_desktop.windows.main_window import MainWindow

LOOK_MS: Final = 50
FAST_TICK_MS: Final = 10
"""What the window does every second it does so often while a day passes in minutes."""
OF_READINGS: Final = "--time-of-readings"


class Watcher(QObject):
    """Looks at the newest window and does what it is told."""

    _told = Signal(str)

    def __init__(self, desktop: Desktop, *, is_fast: bool) -> None:
        super().__init__()
        self._desktop = desktop
        self._is_fast = is_fast
        self._last: dict[str, Any] = {}
        self._readings = 0
        self._newest_ms = 0
        desktop.bridge.readings_came.connect(self._count)
        self._told.connect(self._do, Qt.ConnectionType.QueuedConnection)
        self._clock = QTimer(self, interval=LOOK_MS)
        self._clock.timeout.connect(self._look)
        self._clock.start()
        threading.Thread(target=self._listen, name="orders", daemon=True).start()

    def now(self) -> float:
        """Return when the newest reading was taken, in Unix seconds; until there is one, what the system says."""
        return self._newest_ms / 1000 if self._newest_ms else time.time()

    def _count(self, latest: Latest) -> None:
        newest = max((value.at_ms for value in latest.values.values()), default=0)
        if newest > self._newest_ms:
            self._newest_ms = newest
            self._readings += 1
            if self._is_fast:
                QTimer.singleShot(0, self, self._look)

    def _look(self) -> None:
        seen = self._seen()
        if seen == self._last:
            return
        if self._is_fast and seen["page"] != self._last.get("page"):
            for timer in self._desktop.windows[-1].findChildren(QTimer):
                if not timer.isSingleShot() and timer.isActive():
                    timer.setInterval(FAST_TICK_MS)
        self._last = seen
        sys.stdout.write(json.dumps(seen) + "\n")
        sys.stdout.flush()

    def _seen(self) -> dict[str, Any]:
        window = self._desktop.windows[-1]
        home = window.home
        return {
            "page": _page(window),
            "word": window.badge.text,
            "agent": window.agent_note.text if window.agent_note.isVisible() else "",
            "problem": window.sign_in.note.text if window.sign_in is not None and window.sign_in.isVisible() else "",
            "waiting": home.backlog.count.text() if home is not None else "",
            "percent": home.backlog.progress.value() / 10
            if home is not None and home.backlog.words.isVisible()
            else None,
            "value": home.value.figure.text() if home is not None else "",
            "readings": self._readings,
            "newest_ms": self._newest_ms,
        }

    def _do(self, line: str) -> None:
        order = json.loads(line)
        page = self._desktop.windows[-1].sign_in
        if order["do"] == "sign_in" and page is not None:
            page.username.setText(order["username"])
            page.password.setText(order["password"])
            page.submit.click()

    def _listen(self) -> None:
        for line in sys.stdin:
            self._told.emit(line)


def _page(window: MainWindow) -> str:
    names = {"waiting": window.waiting, "sign_in": window.sign_in, "home": window.home, "assistant": window.assistant}
    return next(name for name, page in names.items() if page is not None and page is window.pages.currentWidget())


def main() -> None:
    """Run the program and watch it."""
    is_fast = OF_READINGS in sys.argv
    options = parse([argument for argument in sys.argv[1:] if argument != OF_READINGS])
    PreferencesFile(options.data).change(language=Language.ENGLISH)
    application = QApplication(["pulse-desktop"])
    desktop = Desktop(application, options)
    desktop.context.has_tray = lambda: False
    watcher = Watcher(desktop, is_fast=is_fast)
    if is_fast:
        desktop.context.now = watcher.now
    desktop.start(options)
    try:
        sys.exit(application.exec())
    finally:
        desktop.stop()


if __name__ == "__main__":
    main()
